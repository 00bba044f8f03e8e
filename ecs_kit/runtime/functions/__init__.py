"""Shared by the two functions: registration, the check of specs, the calls of ECS."""
