"""Shared by the task and the functions: AWS clients, logging, the tables."""
