"""What the driver does with a stack: runs, their verification, reports, removal."""
