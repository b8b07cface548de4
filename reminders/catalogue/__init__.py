"""What is dated: events and their dates, read strictly from files. Pure."""
