"""Doing what a command asks for: thin edges around what is read and how it is shown."""

import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from automation import verify
from automation.commands import aborting, records, views
from automation.commands.errors import CallFailed, NoSuchRun, WhichRun
from automation.commands.options import CommandOptions
from automation.commands.stacks import DeployedStack, find
from automation.errors import EXIT_FAILED, EXIT_PASSED
from automation.interruption import Interruption
from automation.progress import Progress, shown
from automation.target import is_loopback

LOCAL_POLL_SECONDS = 0.3
AWS_POLL_SECONDS = 2.0
"""Every look costs read capacity of the tables there."""

Print = Callable[[str], None]


def run(options: CommandOptions, *, root: Path, interruption: Interruption, write: Print = print) -> int:
    """Do what a command asks for and return the process's exit status.

    Args:
        options: the command and its options.
        root: the project's folder.
        interruption: what a Ctrl-C means.
        write: prints a line to standard output.

    Raises:
        DriverError: with the exit status.
    """
    with interruption.breakable():
        if options.command == "clean":
            from automation.commands import cleaning

            return cleaning.clean(options, root=root, interruption=interruption)
        with shown() as progress:
            stack = find(
                root, stack=options.stack, pattern=options.pattern, interruption=interruption, say=progress.say
            )
            try:
                return _COMMANDS[options.command](stack, options, progress, write)
            except (BotoCoreError, ClientError) as error:
                raise CallFailed(str(error)) from error


def _status(stack: DeployedStack, options: CommandOptions, _progress: Progress, write: Print) -> int:
    keys = runs_meant(stack, options)
    _show(stack, [records.read(stack.aws, key, stack.patterns[key.pattern]) for key in keys], options, write)
    return EXIT_PASSED


def _watch(stack: DeployedStack, options: CommandOptions, progress: Progress, write: Print) -> int:
    keys = runs_meant(stack, options)
    open_runs, ended = list(keys), dict[records.RunKey, records.RunState]()
    for key in keys:
        progress.say(f"watching {key}")
    while open_runs:
        for key in tuple(open_runs):
            state = records.read(stack.aws, key, stack.patterns[key.pattern])
            progress.counts(key.pattern, views.counts_of(state))
            if views.is_over(state):
                open_runs.remove(key)
                ended[key] = state
        if open_runs:
            time.sleep(_poll_seconds(stack))
    progress.close()
    _show(stack, [ended[key] for key in keys], options, write)
    return EXIT_PASSED if all(views.succeeded(state) for state in ended.values()) else EXIT_FAILED


def _abort(stack: DeployedStack, options: CommandOptions, progress: Progress, _write: Print) -> int:
    keys = runs_meant(stack, options)
    going_on = [key for key in keys if not aborting.look(stack.aws, key, stack.patterns[key.pattern]).is_quiet]
    if len(going_on) > 1:
        raise WhichRun("abort", [str(key) for key in going_on])
    for key in going_on or keys:
        aborting.abort(
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
        for item in records.summaries(stack.aws, deployed, options.workflow)
    ]
    listed = views.past_runs(found)[: options.last]
    if options.json:
        write(json.dumps({"stack": stack.name, "runs": listed}, indent=2))
    else:
        for line in views.table(listed) if listed else ["no runs yet"]:
            write(line)
    return EXIT_PASSED


_COMMANDS: dict[str, Callable[[DeployedStack, CommandOptions, Progress, Print], int]] = {
    "status": _status,
    "watch": _watch,
    "abort": _abort,
    "runs": _runs,
}


def runs_meant(stack: DeployedStack, options: CommandOptions) -> list[records.RunKey]:
    """The runs that a command is about: those with the id, else the newest of each pattern.

    Raises:
        NoSuchRun: there is none.
        WhichRun: one id, and several runs of one pattern have it.
    """
    found: list[records.RunKey] = []
    for pattern, deployed in stack.patterns.items():
        if options.run is None:
            newest = records.newest(stack.aws, pattern, deployed, options.workflow)
            found += [] if newest is None else [newest]
        else:
            found += records.keys_of_run(stack.aws, pattern, deployed, options.run, options.workflow)
    if not found:
        raise NoSuchRun(stack.name, options.run, options.workflow, sorted(stack.patterns))
    if len({key.pattern for key in found}) < len(found):
        raise WhichRun(options.command, [str(key) for key in found])
    return found


def _show(stack: DeployedStack, states: Sequence[records.RunState], options: CommandOptions, write: Print) -> None:
    documents = []
    for state in states:
        log_group = str(stack.patterns[state.key.pattern]["taskLogGroup"])
        documents.append(views.document(state, partial(verify.log_tail, stack.aws, log_group)))
    if options.json:
        write(json.dumps({"stack": stack.name, "runs": documents}, indent=2, ensure_ascii=False))
        return
    for document in documents:
        for line in views.lines(document):
            write(line)


def _poll_seconds(stack: DeployedStack) -> float:
    url = stack.aws.endpoint_url
    return LOCAL_POLL_SECONDS if url is not None and is_loopback(url) else AWS_POLL_SECONDS
