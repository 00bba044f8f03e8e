"""The statuses in the two tables. A terminal status never changes."""

from enum import StrEnum


class RunStatus(StrEnum):
    """Status of a run, in the summary table."""

    RUNNING = "Running"
    COMPLETED = "Completed"
    COMPLETED_WITH_FAILURES = "CompletedWithFailures"
    FAILED = "Failed"
    ABORTED = "Aborted"
    TIMED_OUT = "TimedOut"

    @property
    def is_final(self) -> bool:
        """Whether the status is terminal."""
        return self is not RunStatus.RUNNING

    @property
    def is_success(self) -> bool:
        """Whether the execution of such a run succeeds."""
        return self in (RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_FAILURES)


class TaskStatus(StrEnum):
    """Status of one attempt at a task, in the details table."""

    SUBMITTED = "Submitted"
    RUNNING = "Running"
    COMPLETED = "Completed"
    FAILED = "Failed"

    @property
    def is_final(self) -> bool:
        """Whether the status is terminal."""
        return self in (TaskStatus.COMPLETED, TaskStatus.FAILED)


EXECUTION_STATUSES = {
    "FAILED": RunStatus.FAILED,
    "TIMED_OUT": RunStatus.TIMED_OUT,
    "ABORTED": RunStatus.ABORTED,
}
"""The run's status for each terminal status of an execution that did not succeed."""
