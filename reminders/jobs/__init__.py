"""The passes of the daemon, each also a command: read, decide, write."""
