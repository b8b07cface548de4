"""What has happened: the only SQL."""
