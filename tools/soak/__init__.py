"""Many runs with faults of every kind in them, on a stack deployed for that, and whether each ended as it should."""
