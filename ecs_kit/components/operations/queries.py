"""Saved queries of CloudWatch Logs Insights over the logs of functions and tasks, by name.

They read what the kit logs: one JSON object a line, whose attributes Logs Insights discovers
(https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_AnalyzeLogData-discoverable-fields.html).
"""

from collections.abc import Mapping

QUERIES: Mapping[str, str] = {
    "failed-tasks": """fields @timestamp, workflowRunId, taskName, attempt, message, error
| filter ispresent(error) and error != ""
| sort @timestamp desc
| limit 200""",
    "slowest-attempts": """fields @timestamp, workflowRunId, taskName, attempt, TaskDuration
| filter ispresent(TaskDuration)
| sort TaskDuration desc
| limit 50""",
    "warnings": """filter level in ["WARNING", "ERROR"]
| stats count(*) as lines, latest(@timestamp) as last by message
| sort lines desc""",
}
