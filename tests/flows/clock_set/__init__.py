"""The clock is set under a running `reminders run`: what goes out, what waits, and how the service comes back."""
