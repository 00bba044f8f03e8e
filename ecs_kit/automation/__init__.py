"""What drives the kit from outside: Pulumi's Automation API and boto3."""
