"""The Task Monitor: it registers pattern 2's runs, follows all runs, and ends those whose execution was ended."""
