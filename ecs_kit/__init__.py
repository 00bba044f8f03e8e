"""Runs many Amazon ECS tasks from AWS Step Functions and knows for certain how each one ended."""
