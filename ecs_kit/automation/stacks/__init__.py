"""Stacks and where they are deployed: AWS or the local AWS."""
