"""State machines on the local AWS's engine, in this process: a test answers their calls, and no time passes.

Whoever wants time to pass, or branches side by side, overrides `sleep` and `_run_together`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import jsonata
from ministack.services import stepfunctions
from ministack.services.stepfunctions import _ExecutionError

from local_aws.emulator.aws_behaviour import states_engine, states_integrations, states_map_runs
from local_aws.emulator.aws_behaviour.states_integrations import TaskCall
from tests.unit.runtime.fakes import EXECUTION

_parse = jsonata.Jsonata.jsonata


class AslError(_ExecutionError):
    """A call failed: an error name and a cause."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(error, cause)


@dataclass
class Result:
    """How an execution ended."""

    status: str
    output: Any = None
    error: str = ""
    cause: str = ""


@dataclass
class Machine(states_engine.Executions):
    """One execution; `handlers` has a function per resource, called with the state's arguments.

    `events` are its history; `children` are the ended child executions of its Distributed Map states, each with its
    own `events`.
    """

    definition: Mapping[str, Any]
    handlers: Mapping[str, Callable[[Any], Any]]
    redrive_count: int | None = 0
    waits: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self.children: list[dict[str, Any]] = []

    def run(self, given: Any) -> Result:  # type: ignore[override]
        execution = {"Id": EXECUTION, "Name": "one", "StartTime": "2026-11-24T03:50:44.120Z", "Input": given}
        record = {
            "executionArn": EXECUTION,
            "stateMachineArn": EXECUTION.rpartition(":")[0].replace(":execution:", ":stateMachine:"),
            "startedWith": {"roleArn": ""},
            "events": self.events,
        }
        counted = {} if self.redrive_count is None else {"RedriveCount": self.redrive_count}
        context = {
            "QueryLanguage": self.definition["QueryLanguage"],
            "Execution": {**execution, **counted, "RoleArn": ""},
            "variables": {},
        }
        with (
            patch.object(stepfunctions, "_apply_state_assign", states_engine.assign),
            patch.object(stepfunctions, "_scaled_sleep", self.sleep),
            patch.object(states_engine, "retry_delay", self.retry_delay),
            patch.object(states_integrations, "result_of", self.call),
            patch.object(states_integrations, "object_text", self.object_text),
            patch.object(states_map_runs, "require_allowed", lambda *_: None),
            patch.object(states_engine, "publish_status", lambda _: None),
            # Parsed once, without a time limit of the wall clock.
            patch.object(jsonata.Jsonata, "jsonata", lambda text, timeout: _parsed(text)),
        ):
            try:
                states, start = self.definition["States"], self.definition["StartAt"]
                output = self.run_states(states, start, given, record, context)
            except _ExecutionError as failure:
                return Result("FAILED", error=failure.error, cause=failure.cause)
        return Result("SUCCEEDED", output)

    @property
    def largest_output(self) -> int:
        """Size in bytes of the largest output of any state."""
        left = [event["stateExitedEventDetails"] for event in self.events if event["type"].endswith("StateExited")]
        return max(len(details["output"].encode()) for details in left)

    def sleep(self, seconds: float) -> None:
        """Let time pass in a Wait state or before a retry."""
        if seconds:
            self.waits.append(seconds)

    def retry_delay(self, retrier: Any, count: int, chance: float) -> float:
        return 0

    def call(self, call: TaskCall) -> Any:
        return self.handlers[call.resource](call.arguments)

    def object_text(self, arguments: Any, role_arn: str) -> str:
        return str(self.handlers[states_map_runs.GET_OBJECT](arguments))

    def _run_together(self, works: Iterable[Callable[[], Any]], at_once: int) -> list[Any]:
        return [work() for work in works]

    def finish(self, execution: Any, status: str, **end: str | None) -> None:
        super().finish(execution, status, **end)
        self.children.append(execution)


@functools.cache
def _parsed(text: str) -> jsonata.Jsonata:
    return _parse(text)
