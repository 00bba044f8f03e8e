"""The reports of runs in the pattern's bucket, and what tells the function that writes them what is deployed."""

VARIABLE = "KIT_REPORTER"
"""The function's environment variable: a JSON object of `pattern`, a number, and `deployed`, the names and ARNs of the
pattern's resources as the stack's output of the pattern has them."""

REPORT_PREFIX = "reports/"
"""Where in the bucket reports are."""


def report_key(workflow_name: str, run_id: int) -> str:
    """Return the key of a run's report."""
    return f"{REPORT_PREFIX}{workflow_name}/{run_id}.html"
