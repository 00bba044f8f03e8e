"""The `aws` plugin over boto3, for some resource types, inputs, outputs and functions; it refuses imports."""
