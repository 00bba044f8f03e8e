"""What each role is granted, what it asks for in runs of every kind, and whether a run notices a missing grant."""
