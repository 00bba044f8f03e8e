"""What the task, the launcher, the monitor and the driver share: records, statuses, specs, errors."""
