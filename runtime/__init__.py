"""What runs inside AWS: the task, the two Lambdas and what they share."""
