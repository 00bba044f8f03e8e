"""The Task Monitor: it registers pattern 2's runs, tracks all runs, and ends those whose execution ended early."""
