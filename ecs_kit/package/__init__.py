"""The component package: the patterns for programs in all of Pulumi's languages."""
