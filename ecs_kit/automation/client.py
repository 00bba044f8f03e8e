"""Runs from another program: `ecs_kit.start`."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any

import boto3

from ecs_kit.automation.cli import deployed_stack, run_views
from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.journeys import starting
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.reporter import run_state
from ecs_kit.runtime.reporter.counts import is_over
from ecs_kit.runtime.reporter.run_state import RunKey


@dataclass(frozen=True)
class StartedRun:
    """A run that was started: which one, and how it stands."""

    key: RunKey
    aws: AwsClients

    @property
    def run_id(self) -> int:
        """Its `workflow_run_id`."""
        return self.key.run_id

    @property
    def execution_arn(self) -> str:
        """Its execution's ARN."""
        return self.key.execution_arn

    def state(self) -> dict[str, Any]:
        """The document that `status --json` prints of it, without the tasks' logs."""
        return run_views.document(run_state.read(self.aws, self.key), lambda _item: ())

    def wait(self, poll_seconds: float = 5.0) -> dict[str, Any]:
        """Wait until it has ended and return its `state`."""
        while not is_over(found := run_state.read(self.aws, self.key)):
            sleep(poll_seconds)
        return run_views.document(found, lambda _item: ())


def start(
    stack: str | Mapping[str, Any],
    tasks: Sequence[Mapping[str, Any]],
    *,
    pattern: int | None = None,
    workflow: str | None = None,
    name: str | None = None,
    folder: Path | str | None = None,
) -> StartedRun:
    """Start a run of a list of tasks, the entries of `taskList`.

    `stack` is the name of a stack of the Pulumi program in `folder` (the current one), found as `pulumi` finds it; or
    the stack's outputs, and then Pulumi is not needed. `pattern` says which one where both are deployed. `workflow` is
    the name to record the run under, `name` the execution's: a second start with the same of both starts nothing.

    Raises:
        BadInput: there is no such stack, or an entry is wrong; nothing was started.
    """
    if isinstance(stack, str):
        found = deployed_stack.find(
            Path(folder or Path.cwd()),
            stack=stack,
            pattern=pattern,
            interruption=Interruption(),
            say=lambda _line: None,
        )
        patterns, aws = found.patterns, found.aws
    else:
        patterns = deployed_stack.patterns_of("given", stack, pattern)
        region = next(iter(patterns.values()))["region"]
        aws = AwsClients(boto3.Session(region_name=region), endpoint_url=os.environ.get("AWS_ENDPOINT_URL") or None)
    if len(patterns) > 1:
        raise BadInput("the stack holds several patterns: say which one with `pattern`")
    ((number, deployed),) = patterns.items()
    document = starting.of_tasks(deployed, tasks, workflow)
    return StartedRun(starting.start(aws, number, deployed, document, name), aws)
