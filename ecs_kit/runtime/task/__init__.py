"""The container: it does one job and keeps its own row in the details table."""
