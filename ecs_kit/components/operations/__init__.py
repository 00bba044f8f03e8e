"""What an operator sees and is told: dashboard, alarms, saved queries, the failure queue, the schedule."""
