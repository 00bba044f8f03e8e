"""Stops a run: its execution first; then the monitor ends its rows and its ECS tasks, which is waited for."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from ecs_kit.automation.errors import DriverError, StoppedBy
from ecs_kit.automation.host.polling import looks
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.runtime.contract.patterns import PATTERNS
from ecs_kit.runtime.functions.ecs_tasks import EcsTasks
from ecs_kit.runtime.reporter.counts import is_over, status_of
from ecs_kit.runtime.reporter.run_state import RunKey, RunState, read

LIMIT_SECONDS = 900.0
"""How long a stopped run may take to end, with its ECS tasks. The monitor's sweep comes every 10 minutes."""
_CAUSE_CHARACTERS = 32_768
"""Of StopExecution's `cause` (https://docs.aws.amazon.com/step-functions/latest/apireference/API_StopExecution.html)."""
ENDED_LOOKS = 2
"""A launcher in the middle of a call may start one more ECS task, and stops it at once: one look is not enough."""
_NAMED_TASKS = 10
_TELL_SECONDS = 10.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Look:
    """A run that is being stopped: its execution and rows, and the ARNs of its ECS tasks that have not stopped."""

    state: RunState
    ecs_tasks: tuple[str, ...]

    @property
    def has_ended(self) -> bool:
        """Whether the run is in a terminal state, its counts too, and none of its ECS tasks runs."""
        counted = not (self.state.summary or {}).get("running_tasks")
        return is_over(self.state) and counted and not self.ecs_tasks


def abort(aws: AwsClients, key: RunKey, *, reason: str, say: Say, poll_seconds: float) -> None:
    """Stop a run and wait until it and its ECS tasks have ended.

    Raises:
        DriverError: it is not within `LIMIT_SECONDS`.
    """
    now = look(aws, key)
    status = (now.state.execution or {}).get("status", "not known to Step Functions")
    if status in ("RUNNING", "PENDING_REDRIVE"):
        cause = f"stopped with `abort` by {aws.sts.get_caller_identity()['Arn']}" + (f": {reason}" if reason else "")
        aws.stepfunctions.stop_execution(
            executionArn=key.execution_arn, error=StoppedBy.ABORT, cause=cause[:_CAUSE_CHARACTERS]
        )
        say(f"{key}: stopped execution {key.execution_arn}")
    elif now.has_ended:
        say(f"{key}: there is nothing to stop, it is {status_of(now.state)} and none of its ECS tasks runs")
        return
    else:
        say(f"{key}: its execution is {status} already; waiting for its rows and ECS tasks")
    running = set(now.ecs_tasks)
    ended_looks, told = 0, 0.0
    for waited in looks(LIMIT_SECONDS, poll_seconds):
        now = look(aws, key)
        running |= set(now.ecs_tasks)
        ended_looks = ended_looks + 1 if now.has_ended else 0
        if ended_looks == ENDED_LOOKS:
            break
        if waited - told > _TELL_SECONDS:
            told = waited
            say(f"waiting: summary {status_of(now.state)}, {len(now.ecs_tasks)} ECS tasks run")
    else:
        tasks = f"{len(now.ecs_tasks)} ECS tasks run: {', '.join(now.ecs_tasks)}"
        raise DriverError(
            f"{key} has been stopped, but after {LIMIT_SECONDS:.0f} s its summary says "
            f"{status_of(now.state)} and {tasks if now.ecs_tasks else 'no ECS task of it runs'}. The monitor "
            "ends it at the latest 10 minutes after an event was missed; its log says what keeps it. "
            "Run the command again to wait on."
        )
    for line in done(now.state, running):
        say(line)


def done(state: RunState, stopped: Collection[str]) -> list[str]:
    """Lines for a run that has ended; `stopped` are the ARNs of the ECS tasks that were running before."""
    lines = [f"{arn} has stopped" for arn in sorted(stopped)[:_NAMED_TASKS]]
    if len(stopped) > _NAMED_TASKS:
        lines.append(f"{len(stopped) - _NAMED_TASKS} more ECS tasks have stopped")
    row = state.summary
    counts = (
        "it has registered no run"
        if row is None
        else f"{row['completed_tasks']} of {row['number_of_tasks']} tasks completed, {row['failed_tasks']} failed"
    )
    return [*lines, f"{state.key}: {status_of(state)}; {counts}; none of its ECS tasks runs"]


def look(aws: AwsClients, key: RunKey) -> Look:
    """What there is of a run now."""
    # Rows first: ECS tasks that were launched before the rows became terminal are found in ECS afterwards.
    state = read(aws, key)
    family = str(key.deployed["taskDefinition"]).partition(":")[0]
    ecs_tasks = EcsTasks(aws.ecs, str(key.deployed["clusterName"]), family)
    found = ecs_tasks.running_of_run(PATTERNS[key.pattern], key.run_id, key.workflow_name)
    found |= ecs_tasks.stopped_of_run(key.run_id, key.workflow_name)
    return Look(state, tuple(sorted(arn for arn, task in found.items() if not task.is_stopped)))
