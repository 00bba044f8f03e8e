"""The `aws` plugin: the resource types and functions that the kit uses, over boto3."""
