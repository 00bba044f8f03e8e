"""What runs inside AWS: the task, the two Lambda functions and their shared code."""
