"""This machine: processes, signals, folders."""
