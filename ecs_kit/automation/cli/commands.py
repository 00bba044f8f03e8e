"""The commands status, watch, abort and runs: read what they are about, and show it."""

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from ecs_kit.automation.cli import abort, run_views
from ecs_kit.automation.cli.command_options import CommandOptions
from ecs_kit.automation.cli.deployed_stack import DeployedStack, find
from ecs_kit.automation.errors import EXIT_FAILED, EXIT_PASSED, CallFailed, NoSuchRun, SeveralRuns
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.journeys import run_state, tables, verify
from ecs_kit.automation.journeys.progress import Progress, shown
from ecs_kit.automation.stacks.target import is_loopback

LOCAL_POLL_SECONDS = 0.3
AWS_POLL_SECONDS = 2.0
"""Every look costs read capacity of the tables there."""

Print = Callable[[str], None]


def run(options: CommandOptions, *, root: Path, interruption: Interruption, write: Print = print) -> int:
    """Do what a command asks for and return the process's exit status.

    Raises:
        DriverError: with the exit status.
    """
    with interruption.breakable():
        if options.command == "clean":
            from ecs_kit.automation.cli import clean

            return clean.clean(options, root=root, interruption=interruption)
        with shown() as progress:
            stack = find(
                root, stack=options.stack, pattern=options.pattern, interruption=interruption, say=progress.say
            )
            try:
                return _COMMANDS[options.command](stack, options, progress, write)
            except (BotoCoreError, ClientError) as error:
                raise CallFailed(str(error)) from error


def _status(stack: DeployedStack, options: CommandOptions, _progress: Progress, write: Print) -> int:
    keys = selected_runs(stack, options)
    _show(stack, [run_state.read(stack.aws, key, stack.patterns[key.pattern]) for key in keys], options, write)
    return EXIT_PASSED


def _watch(stack: DeployedStack, options: CommandOptions, progress: Progress, write: Print) -> int:
    keys = selected_runs(stack, options)
    open_runs, ended = list(keys), dict[run_state.RunKey, run_state.RunState]()
    for key in keys:
        progress.say(f"watching {key}")
    while open_runs:
        for key in tuple(open_runs):
            state = run_state.read(stack.aws, key, stack.patterns[key.pattern])
            progress.counts(key.pattern, run_views.counts_of(state))
            if run_views.is_over(state):
                open_runs.remove(key)
                ended[key] = state
        if open_runs:
            time.sleep(_poll_seconds(stack))
    progress.close()
    _show(stack, [ended[key] for key in keys], options, write)
    return EXIT_PASSED if all(run_views.succeeded(state) for state in ended.values()) else EXIT_FAILED


def _abort(stack: DeployedStack, options: CommandOptions, progress: Progress, _write: Print) -> int:
    keys = selected_runs(stack, options)
    still_open = [key for key in keys if not abort.look(stack.aws, key, stack.patterns[key.pattern]).is_quiet]
    if len(still_open) > 1:
        raise SeveralRuns("abort", "; ".join(map(str, still_open)))
    for key in still_open or keys:
        abort.abort(
            stack.aws,
            key,
            stack.patterns[key.pattern],
            reason=options.cause,
            say=progress.say,
            poll_seconds=_poll_seconds(stack),
        )
    return EXIT_PASSED


def _runs(stack: DeployedStack, options: CommandOptions, _progress: Progress, write: Print) -> int:
    found = [
        (pattern, item)
        for pattern, deployed in stack.patterns.items()
        for item in tables.summary_items(stack.aws, deployed, options.workflow)
    ]
    listed = run_views.past_runs(found)[: options.last]
    if options.json:
        write(json.dumps({"stack": stack.name, "runs": listed}, indent=2))
    else:
        for line in run_views.table(listed) if listed else ["no runs yet"]:
            write(line)
    return EXIT_PASSED


_COMMANDS: dict[str, Callable[[DeployedStack, CommandOptions, Progress, Print], int]] = {
    "status": _status,
    "watch": _watch,
    "abort": _abort,
    "runs": _runs,
}


def selected_runs(stack: DeployedStack, options: CommandOptions) -> list[run_state.RunKey]:
    """The runs that a command is about: those with the id, else the newest of each pattern.

    Raises:
        NoSuchRun: there is none.
        SeveralRuns: one id, and several runs of one pattern have it.
    """
    found: list[run_state.RunKey] = []
    for pattern, deployed in stack.patterns.items():
        if options.run is None:
            newest = run_state.newest(stack.aws, pattern, deployed, options.workflow)
            found += [] if newest is None else [newest]
        else:
            found += run_state.keys_of_run(stack.aws, pattern, deployed, options.run, options.workflow)
    if not found:
        raise NoSuchRun(stack.name, options.run, options.workflow, sorted(stack.patterns))
    if len({key.pattern for key in found}) < len(found):
        raise SeveralRuns(options.command, "; ".join(map(str, found)))
    return found


def _show(stack: DeployedStack, states: Sequence[run_state.RunState], options: CommandOptions, write: Print) -> None:
    documents = []
    for state in states:
        log_group = str(stack.patterns[state.key.pattern]["taskLogGroup"])
        documents.append(run_views.document(state, partial(verify.log_tail, stack.aws, log_group)))
    if options.json:
        write(json.dumps({"stack": stack.name, "runs": documents}, indent=2, ensure_ascii=False))
        return
    for document in documents:
        for line in run_views.lines(document):
            write(line)


def _poll_seconds(stack: DeployedStack) -> float:
    url = stack.aws.endpoint_url
    return LOCAL_POLL_SECONDS if url is not None and is_loopback(url) else AWS_POLL_SECONDS
