"""What can be done with a deployed stack and its runs from a shell: `python -m automation COMMAND`."""
