"""Waits for the final row of a run whose execution has ended, and writes the run's page into the pattern's bucket."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Self

from ecs_kit.runtime.common import log
from ecs_kit.runtime.contract.clock import Clock
from ecs_kit.runtime.contract.errors import REFUSALS, PayloadInvalid, RunNotEnded, SettingsInvalid
from ecs_kit.runtime.contract.reports import VARIABLE, report_key
from ecs_kit.runtime.functions.spec_store import SpecStore
from ecs_kit.runtime.reporter import run_state
from ecs_kit.runtime.reporter.clients import FunctionClients, ReadClients
from ecs_kit.runtime.reporter.console import Console
from ecs_kit.runtime.reporter.counts import status_of
from ecs_kit.runtime.reporter.data import document
from ecs_kit.runtime.reporter.items import summary_item
from ecs_kit.runtime.reporter.page import page
from ecs_kit.runtime.reporter.reading import reading
from ecs_kit.runtime.reporter.run_state import RunKey, RunState

LOOK_SECONDS = 2.0
"""Between two looks at the row of a run that the monitor is still ending."""

REGISTERED_WITHIN = timedelta(seconds=90)
"""How long the monitor may take to register the run of an execution that was stopped before its first step."""

RESERVED_SECONDS = 600.0
"""What is left of a call for reading the rows of a long run and writing its page."""


@dataclass(frozen=True, kw_only=True)
class Reporter:
    """The Run Reporter of a pattern; `deployed` is as the stack's output for the pattern."""

    pattern: int
    deployed: Mapping[str, Any]
    aws: ReadClients
    clock: Clock
    has_console: bool

    @classmethod
    def from_environment(cls) -> Self:
        """Make the reporter of the deployed pattern. The console has no pages of what is on an emulator.

        Raises:
            SettingsInvalid: the variable is not set or its value is malformed.
        """
        try:
            known = json.loads(os.environ[VARIABLE])
            pattern, deployed = int(known["pattern"]), dict(known["deployed"])
        except (KeyError, TypeError, ValueError) as error:
            raise SettingsInvalid(VARIABLE, f"must be a JSON object of pattern and deployed: {error!r}") from error
        has_console = "AWS_ENDPOINT_URL" not in os.environ
        return cls(pattern=pattern, deployed=deployed, aws=FunctionClients(), clock=Clock(), has_console=has_console)

    def report(self, event: Mapping[str, Any], remaining_seconds: Callable[[], float]) -> dict[str, Any]:
        """Write the page of a run whose execution has ended, once its row is final; the answer says where it is.

        An execution without a run of its own has no page: its spec was refused, it was stopped before it named one, or
        it is a scheduled start that was delivered twice. Then `total`, `completed`, `failed`, `report` and `reportUrl`
        of the answer are None. A repeated call writes the same page again.

        Args:
            event: `executionArn`, of an execution of the pattern's state machine.
            remaining_seconds: how long the call may still take.

        Raises:
            PayloadInvalid: the event names no such execution.
            RunNotEnded: the row was not final in time; Lambda repeats the call.
        """
        arn = event.get("executionArn")
        own = str(self.deployed["stateMachineArn"]).replace(":stateMachine:", ":execution:")
        if not isinstance(arn, str) or not arn.startswith(f"{own}:"):
            raise PayloadInvalid(f"executionArn is {arn!r}, not of an execution of {self.deployed['stateMachineArn']}")
        key, execution = self._ended(arn, remaining_seconds)
        log.bind(key.workflow_name, key.run_id)
        state = run_state.of_execution(self.aws, key, execution)
        place = None if state.summary is None else self._write(state)
        log.info("the run has ended", status=status_of(state), report=place)
        return self._answer(state, place)

    def _ended(self, arn: str, remaining_seconds: Callable[[], float]) -> tuple[RunKey, Mapping[str, Any]]:
        """Wait until the row of an execution's run is final, or it is clear that it has none.

        The monitor ends the run of an execution that did not end by itself, after an event of its own.
        """
        registered_until = self.clock.now() + REGISTERED_WITHIN
        while True:
            execution = self.aws.stepfunctions.describe_execution(executionArn=arn)
            if execution["status"] != "RUNNING":  # what DescribeExecution says may be older than the event
                key = run_state.key_of_execution(self.pattern, execution, self.deployed, pinned=self._specs.pinned)
                row = summary_item(self.aws, self.deployed, key.workflow_name, key.run_id) or {}
                if row.get("execution_arn") != arn:
                    may_register = execution["status"] != "SUCCEEDED" and execution.get("error") not in REFUSALS
                    if not may_register or self.clock.now() >= registered_until:
                        return key, execution
                elif row.get("end_time"):
                    return key, execution
            if remaining_seconds() < RESERVED_SECONDS:
                raise RunNotEnded(arn)
            self.clock.sleep(LOOK_SECONDS)

    @property
    def _bucket(self) -> str:
        return str(self.deployed["s3BucketName"])

    @property
    def _specs(self) -> SpecStore:
        return SpecStore(self.aws.s3, self._bucket)

    def _write(self, state: RunState) -> str:
        """Write the page of a run, and return its key."""
        html = page(document(reading(self.aws, state, has_console=self.has_console)))
        key = report_key(state.key.workflow_name, state.key.run_id)
        self.aws.s3.put_object(Bucket=self._bucket, Key=key, Body=html.encode(), ContentType="text/html; charset=utf-8")
        return key

    def _answer(self, state: RunState, place: str | None) -> dict[str, Any]:
        row, execution = state.summary or {}, state.execution or {}
        console = Console(str(self.deployed["stateMachineArn"]))
        return {
            "runId": str(state.key.run_id),
            "workflowName": state.key.workflow_name,
            "status": status_of(state),
            "total": row.get("number_of_tasks"),
            "completed": row.get("completed_tasks"),
            "failed": row.get("failed_tasks"),
            "error": execution.get("error"),
            "cause": execution.get("cause"),
            "executionArn": state.key.execution_arn,
            "report": f"s3://{self._bucket}/{place}" if place else None,
            "reportUrl": console.object(self._bucket, place) if place and self.has_console else None,
        }
