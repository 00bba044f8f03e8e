"""The runtime's exceptions, one per condition.

The class name of an exception that a function raises is the error name in the state machine.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

LONGEST_MESSAGE = 8_000
"""Characters of an error's message. An error of a state has at most 32,768, of which a function's trace takes a part
(https://docs.aws.amazon.com/step-functions/latest/apireference/API_ExecutionFailedEventDetails.html)."""

PROBLEMS_SHOWN = 20
"""Problems of a spec in a message; it counts the others."""

_LONGEST_VALUE, _LONGEST_PATH, _LONGEST_REASON = 200, 300, 2_000


def plain(text: str, longest: int = LONGEST_MESSAGE) -> str:
    """Return a text for messages and logs: at most so long, with all that is not printable escaped.

    What a user gave may hold line breaks, control characters of a terminal, or halves of a character.
    """
    begin = text[:longest]
    if not begin.isprintable():
        begin = "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in begin)
    return begin if len(begin) <= longest and len(text) <= longest else f"{begin[: longest - 1]}…"


def shown(value: object) -> str:
    """Return a value that a user gave as a message shows it: as JSON, at most 200 characters."""
    try:
        return plain(json.dumps(value, ensure_ascii=False, default=str), _LONGEST_VALUE)
    except RecursionError:
        return "a value that is nested too deeply"


class KitError(Exception):
    """Root of all errors that the kit raises on purpose; the message is `plain`."""

    def __init__(self, message: str) -> None:
        super().__init__(plain(message))


@dataclass(frozen=True, slots=True)
class Problem:
    """One invalid value of a spec: its JSON path, such as `$.taskList[3].taskName`, and what is expected there."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class SpecRefused(KitError):
    """A spec breaks the schema or names infrastructure that this stack did not deploy."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(
            Problem(plain(problem.path, _LONGEST_PATH), plain(problem.reason, _LONGEST_REASON)) for problem in problems
        )
        shown = [str(problem) for problem in self.problems[:PROBLEMS_SHOWN]]
        if further := len(self.problems) - len(shown):
            shown.append(f"and {further} more problems")
        super().__init__("the spec is refused, nothing was launched: " + "; ".join(shown))


class RunIdInUse(KitError):
    """The run id belongs to another execution."""

    def __init__(self, workflow_name: str, run_id: int, owner: str) -> None:
        super().__init__(
            f"workflowRunId {run_id} of workflow {workflow_name} was already used by execution {owner or 'unknown'}; "
            "nothing was launched: leave workflowRunId out of the spec or give one that was never used"
        )


class RedriveRefused(KitError):
    """The execution was redriven."""

    def __init__(self, execution_arn: str) -> None:
        super().__init__(
            f"execution {execution_arn} was redriven, which this workflow does not support because its run has "
            "already ended; start a new execution with the same spec instead"
        )


class RunNotFound(KitError):
    """No summary row exists for a run that should have one."""

    def __init__(self, table: str, workflow_name: str, run_id: int) -> None:
        super().__init__(
            f"table {table} has no row for workflow {workflow_name}, run {run_id}; "
            "it was deleted while the run was on, or the run was never registered"
        )


class SettingsInvalid(KitError):
    """The settings of a Lambda function or a task are missing or malformed."""

    def __init__(self, variable: str, reason: str) -> None:
        super().__init__(f"environment variable {variable}: {reason}")


class PayloadInvalid(KitError):
    """A Lambda function was called with an unknown payload."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the payload is not one this function understands: {reason}")


class TasksStillRunning(KitError):
    """The ECS tasks of an ended run could not all be stopped before the call's time-out."""

    def __init__(self, run_id: int, running: int) -> None:
        super().__init__(
            f"{running} ECS tasks of run {run_id} were still running when the time was up; the call is to be repeated"
        )


class RunNotEnded(KitError):
    """The execution of a run has ended, and the row of the run was not final before the call's time-out."""

    def __init__(self, execution_arn: str) -> None:
        super().__init__(
            f"the run of execution {execution_arn} had no end_time when the time was up; the call is to be repeated"
        )


REFUSALS = tuple(
    error.__name__ for error in (SpecRefused, RunIdInUse, RedriveRefused, RunNotFound, PayloadInvalid, SettingsInvalid)
)
"""Errors of the functions that are not retried. `RunNotFound`: somebody deleted the summary row."""
