"""Many runs with faults of every kind in them, on a stack deployed for that, and whether all came to a true end."""
