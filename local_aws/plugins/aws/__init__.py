"""The `aws` plugin: the resource types, inputs and functions that are known here, over boto3.

It imports nothing: that is an error. Outputs that nobody has needed so far may be absent.
"""
