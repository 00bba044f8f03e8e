"""The commands start, status, watch, logs, abort and runs."""

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from ecs_kit.automation.cli import abort, run_views
from ecs_kit.automation.cli.deployed_stack import DeployedStack, find
from ecs_kit.automation.cli.entry_point import PROGRAM
from ecs_kit.automation.errors import EXIT_FAILED, EXIT_PASSED, BadInput, DriverError
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.journeys import log_lines, run_state, starting, tables, verify
from ecs_kit.automation.journeys.progress import Progress, shown

LOCAL_POLL_SECONDS = 0.3
AWS_POLL_SECONDS = 2.0
"""Every look costs read capacity of the tables there."""


def run(options: argparse.Namespace, *, root: Path, interruption: Interruption) -> int:
    """Do what a command asks for and return the process's exit status.

    Raises:
        DriverError: with the exit status.
    """
    with interruption.breakable():
        if options.command in ("clean", "destroy"):
            from ecs_kit.automation.cli import clean

            return clean.clean(options, root=root, interruption=interruption)
        with shown() as progress:
            stack = find(
                root, stack=options.stack, pattern=options.pattern, interruption=interruption, say=progress.say
            )
            try:
                return _COMMANDS[options.command](stack, options, progress)
            except (BotoCoreError, ClientError) as error:
                raise DriverError(f"AWS could not be asked: {error}") from error


def _start(stack: DeployedStack, options: argparse.Namespace, progress: Progress) -> int:
    if len(stack.patterns) > 1:
        raise BadInput(f"stack {stack.name} holds several patterns. Say which with --pattern.")
    ((pattern, deployed),) = stack.patterns.items()
    if options.sources:
        tasks = starting.tasks_below(stack.aws, options.sources)
        document = starting.of_tasks(deployed, tasks, options.workflow)
    else:
        document = starting.of_file(deployed, options.specs, options.workflow)
    run = starting.start(stack.aws, pattern, deployed, document, options.name)
    progress.say(f"started {run} with {len(run.tasks)} tasks: {run.execution_arn}")
    starting.await_registration(stack.aws, run)
    if options.watch:
        return _follow(stack, [run], options, progress)
    _show(stack, [run_state.read(stack.aws, run)], options)
    return EXIT_PASSED


def _status(stack: DeployedStack, options: argparse.Namespace, _progress: Progress) -> int:
    keys = selected_runs(stack, options)
    _show(stack, [run_state.read(stack.aws, key) for key in keys], options)
    return EXIT_PASSED


def _watch(stack: DeployedStack, options: argparse.Namespace, progress: Progress) -> int:
    return _follow(stack, selected_runs(stack, options), options, progress)


def _follow(
    stack: DeployedStack, keys: Sequence[run_state.RunKey], options: argparse.Namespace, progress: Progress
) -> int:
    ended = dict[run_state.RunKey, run_state.RunState]()
    for key in keys:
        progress.say(f"watching {key}")
    while True:
        for key in keys:
            if key not in ended:
                state = run_state.read(stack.aws, key)
                progress.counts(key.pattern, run_views.counts_of(state))
                if run_views.is_over(state):
                    ended[key] = state
        if len(ended) == len(keys):
            break
        sleep(_poll_seconds(stack))
    progress.close()
    _show(stack, [ended[key] for key in keys], options)
    return EXIT_PASSED if all(map(run_views.succeeded, ended.values())) else EXIT_FAILED


def _logs(stack: DeployedStack, options: argparse.Namespace, _progress: Progress) -> int:
    keys = selected_runs(stack, options)
    if len(keys) > 1:
        raise _several_runs("logs", keys)
    lines = log_lines.LogLines(stack.aws, str(keys[0].deployed["taskLogGroup"]), options.task, options.attempt)
    while True:
        state = run_state.read(stack.aws, keys[0])
        for line in lines.new(state.details):
            print(line, flush=True)
        if not options.follow or run_views.is_over(state):
            break
        sleep(_poll_seconds(stack))
    if not lines.found:
        which = f"task {options.task}" if options.task else "a task"
        raise BadInput(f"{keys[0]} has no log of {which}. `{PROGRAM} status` shows how it stands.")
    return EXIT_PASSED


def _abort(stack: DeployedStack, options: argparse.Namespace, progress: Progress) -> int:
    keys = selected_runs(stack, options)
    active = [key for key in keys if not abort.look(stack.aws, key).has_ended]
    if len(active) > 1:
        raise _several_runs("abort", active)
    for key in active or keys:
        abort.abort(stack.aws, key, reason=options.cause, say=progress.say, poll_seconds=_poll_seconds(stack))
    return EXIT_PASSED


def _runs(stack: DeployedStack, options: argparse.Namespace, _progress: Progress) -> int:
    found = [
        (pattern, item)
        for pattern, deployed in stack.patterns.items()
        for item in tables.summary_items(stack.aws, deployed, options.workflow)
    ]
    listed = run_views.past_runs(found)[: options.last]
    _print(stack, listed, run_views.table(listed) if listed else ["no runs yet"], as_json=options.json)
    return EXIT_PASSED


_COMMANDS: dict[str, Callable[[DeployedStack, argparse.Namespace, Progress], int]] = {
    "start": _start,
    "status": _status,
    "watch": _watch,
    "logs": _logs,
    "abort": _abort,
    "runs": _runs,
}


def selected_runs(stack: DeployedStack, options: argparse.Namespace) -> list[run_state.RunKey]:
    """The runs that a command is about: those with the id, else the newest of each pattern.

    Raises:
        BadInput: there is none, or several runs of one pattern have the id.
    """
    found: list[run_state.RunKey] = []
    for pattern, deployed in stack.patterns.items():
        if options.run is None:
            newest = run_state.newest(stack.aws, pattern, deployed, options.workflow)
            found += [] if newest is None else [newest]
        else:
            found += run_state.keys_of_run(stack.aws, pattern, deployed, options.run, options.workflow)
    if not found:
        which = "no run" if options.run is None else f"no run {options.run}"
        workflow = f" of workflow {options.workflow}" if options.workflow else ""
        patterns = " or ".join(f"pattern {pattern}" for pattern in sorted(stack.patterns))
        raise BadInput(
            f"stack {stack.name} has {which}{workflow} in {patterns}. `{PROGRAM} runs` lists those that there are; "
            f"a run that was refused is not among them: `{PROGRAM} status` shows it while it is the newest."
        )
    if len({key.pattern for key in found}) < len(found):
        raise _several_runs(options.command, found)
    return found


def _several_runs(command: str, keys: Sequence[run_state.RunKey]) -> BadInput:
    runs = "; ".join(map(str, keys))
    return BadInput(
        f"{command} is about one run, and these are meant: {runs}. Say which with --pattern, --run or --workflow."
    )


def _show(stack: DeployedStack, states: Sequence[run_state.RunState], options: argparse.Namespace) -> None:
    documents = []
    for state in states:
        log_group = str(state.key.deployed["taskLogGroup"])
        documents.append(run_views.document(state, partial(verify.log_tail, stack.aws, log_group)))
    lines = [line for document in documents for line in run_views.lines(document)]
    _print(stack, documents, lines, as_json=options.json)


def _print(stack: DeployedStack, runs: list[dict[str, Any]], lines: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"stack": stack.name, "runs": runs}, indent=2, ensure_ascii=False))
    else:
        print("\n".join(lines))


def _poll_seconds(stack: DeployedStack) -> float:
    host = urlsplit(stack.aws.endpoint_url or "").hostname or ""
    return LOCAL_POLL_SECONDS if host in ("localhost", "::1") or host.startswith("127.") else AWS_POLL_SECONDS
