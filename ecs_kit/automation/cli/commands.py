"""The commands start, rerun, status, watch, report, logs, abort, runs and network."""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from importlib import import_module
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from ecs_kit.automation.cli import abort, run_views
from ecs_kit.automation.cli.deployed_stack import DeployedStack, find
from ecs_kit.automation.cli.entry_point import PROGRAM
from ecs_kit.automation.cli.options import WITHOUT_STACK
from ecs_kit.automation.errors import EXIT_FAILED, EXIT_PASSED, BadInput, DriverError
from ecs_kit.automation.host import writable
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.host.loopback import LoopbackSite
from ecs_kit.automation.journeys import find_runs, log_lines, rerunning, runs, starting, tables
from ecs_kit.automation.journeys.progress import Progress, shown
from ecs_kit.automation.journeys.report_page import gather
from ecs_kit.automation.journeys.report_page.live import LivePage
from ecs_kit.automation.journeys.spec_files import Document
from ecs_kit.automation.stacks import deployed_network
from ecs_kit.runtime.contract.task_lists import TASK_LIST_URI
from ecs_kit.runtime.reporter import run_state
from ecs_kit.runtime.reporter.counts import counts_of, is_over
from ecs_kit.runtime.reporter.logs import log_tail

LOCAL_POLL_SECONDS = 0.3
AWS_POLL_SECONDS = 2.0
"""Every look costs read capacity of the tables there."""

LAST_REQUEST_SECONDS = 6.0
"""How long `watch --web` waits for open pages to fetch the end of their runs: they ask every two seconds."""


def run(options: argparse.Namespace, *, root: Path, interruption: Interruption) -> int:
    """Do what a command asks for and return the process's exit status.

    Raises:
        DriverError: with the exit status.
    """
    with interruption.breakable():
        if options.command in ("clean", "destroy"):
            from ecs_kit.automation.cli import clean

            return clean.clean(options, root=root, interruption=interruption)
        if options.command in WITHOUT_STACK:
            module = import_module(f"{__package__}.{options.command.replace('-', '_')}")
            return module.run(options, root=root)  # type: ignore[no-any-return]
        view = vars(options)
        with shown(quiet=bool(view.get("quiet")), json_lines=bool(view.get("json_lines"))) as progress:
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
        document = starting.of_prefix(stack.aws, deployed, options.sources, options.workflow)
    elif options.list:
        document = starting.of_list(stack.aws, deployed, options.list, options.workflow)
    else:
        document = starting.of_file(deployed, options.specs, options.workflow)
    return _started(stack, pattern, document, options, progress)


def _rerun(stack: DeployedStack, options: argparse.Namespace, progress: Progress) -> int:
    keys = selected_runs(stack, options)
    if len(keys) > 1:
        raise _several_runs("rerun", keys)
    document = rerunning.of_failed(stack.aws, run_state.read(stack.aws, keys[0]))
    return _started(stack, keys[0].pattern, document, options, progress)


def _started(
    stack: DeployedStack, pattern: int, document: Document, options: argparse.Namespace, progress: Progress
) -> int:
    deployed = stack.patterns[pattern]
    if note := starting.throttling(stack.aws, pattern, deployed, len(document.get("taskList", ()))):
        progress.say(note)
    run = starting.start(stack.aws, pattern, deployed, document, options.name)
    tasks = f"{len(run.tasks)} tasks" if run.tasks else f"the tasks of {document[TASK_LIST_URI]}"
    progress.say(f"started {run} with {tasks}: {run.execution_arn}")
    starting.await_registration(stack.aws, run)
    if options.watch:
        return _follow(stack, [run], options, progress)
    _show_last(stack, [run_state.read(stack.aws, run)], options, progress)
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
    with _served(stack, keys, progress, web=getattr(options, "web", False)) as show:
        while True:
            for key in keys:
                if key not in ended:
                    state = run_state.read(stack.aws, key)
                    progress.counts(key, counts_of(state))
                    show(state)
                    if is_over(state):
                        ended[key] = state
            if len(ended) == len(keys):
                break
            sleep(_poll_seconds(stack))
    progress.close()
    _show_last(stack, [ended[key] for key in keys], options, progress)
    return EXIT_PASSED if all(map(runs.succeeded, ended.values())) else EXIT_FAILED


@contextmanager
def _served(
    stack: DeployedStack, keys: Sequence[run_state.RunKey], progress: Progress, *, web: bool
) -> Iterator[Callable[[run_state.RunState], None]]:
    """Serve the pages of runs on the loopback interface within the block; the function shows a newer state."""
    if not web:
        yield lambda _state: None
        return
    pages = {key: LivePage(stack.aws, key) for key in keys}
    contents = {f"{page.name}.html": page.html for page in pages.values()}
    contents |= {f"{page.name}.json": page.json for page in pages.values()}
    with LoopbackSite(contents).running() as site:
        told = set[run_state.RunKey]()

        def show(state: run_state.RunState) -> None:
            pages[state.key].update(state)
            if state.key not in told:
                told.add(state.key)
                progress.say(f"{state.key}: {site.url(f'{pages[state.key].name}.html')}")

        yield show
        for page in pages.values():
            site.last_request(f"{page.name}.json", LAST_REQUEST_SECONDS)
        progress.say(
            "the pages are no longer served. Open ones show the end of their run; `report` writes it to a file"
        )


def _report(stack: DeployedStack, options: argparse.Namespace, progress: Progress) -> int:
    folder: Path = options.report_dir or Path.cwd() / "reports"
    writable.folder(folder, name="--report-dir", advice="Name a folder that can be written to")
    written: list[dict[str, Any]] = []
    for key in selected_runs(stack, options):
        path = folder / f"pattern-{key.pattern}-run-{key.run_id}.html"
        state = run_state.read(stack.aws, key)
        gather.write(path, gather.reading(stack.aws, state))
        written.append({"pattern": key.pattern, "workflowRunId": key.run_id, "path": str(path)})
        if not is_over(state):
            progress.say(f"{key} is active: the page shows how it stands now")
    _print(stack, written, [each["path"] for each in written], as_json=options.json)
    return EXIT_PASSED


def _logs(stack: DeployedStack, options: argparse.Namespace, _progress: Progress) -> int:
    keys = selected_runs(stack, options)
    if len(keys) > 1:
        raise _several_runs("logs", keys)
    lines = log_lines.LogLines(stack.aws, str(keys[0].deployed["taskLogGroup"]), options.task, options.attempt)
    while True:
        state = run_state.read(stack.aws, keys[0])
        for line in lines.new(state.details):
            print(line, flush=True)
        if not options.follow or is_over(state):
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


def _network(stack: DeployedStack, options: argparse.Namespace, _progress: Progress) -> int:
    found = {pattern: deployed_network.read(stack.aws, deployed) for pattern, deployed in stack.patterns.items()}
    listed = [{"pattern": pattern, **asdict(path)} for pattern, paths in found.items() for path in paths]
    if options.json:
        print(json.dumps({"stack": stack.name, "paths": listed}, indent=2, ensure_ascii=False))
    else:
        for pattern, paths in found.items():
            print("\n".join([f"pattern {pattern}", *(f"  {path}" for path in paths)]))
    all_paths = [path for paths in found.values() for path in paths]
    return EXIT_FAILED if deployed_network.unreached(all_paths) else EXIT_PASSED


_COMMANDS: dict[str, Callable[[DeployedStack, argparse.Namespace, Progress], int]] = {
    "start": _start,
    "status": _status,
    "watch": _watch,
    "report": _report,
    "logs": _logs,
    "abort": _abort,
    "runs": _runs,
    "rerun": _rerun,
    "network": _network,
}


def selected_runs(stack: DeployedStack, options: argparse.Namespace) -> list[run_state.RunKey]:
    """The runs that a command is about: those with the id, else the newest of each pattern.

    Raises:
        BadInput: there is none, or several runs of one pattern have the id.
    """
    found: list[run_state.RunKey] = []
    for pattern, deployed in stack.patterns.items():
        if options.run is None:
            newest = find_runs.newest(stack.aws, pattern, deployed, options.workflow)
            found += [] if newest is None else [newest]
        else:
            found += find_runs.keys_of_run(stack.aws, pattern, deployed, options.run, options.workflow)
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
    documents = [_document(stack, state) for state in states]
    lines = [line for document in documents for line in run_views.lines(document)]
    _print(stack, documents, lines, as_json=options.json)


def _show_last(
    stack: DeployedStack, states: Sequence[run_state.RunState], options: argparse.Namespace, progress: Progress
) -> None:
    """What a command with progress prints at its end: with `--json-lines` an object as all others."""
    if options.json_lines:
        progress.end(runs=[_document(stack, state) for state in states])
    else:
        _show(stack, states, options)


def _document(stack: DeployedStack, state: run_state.RunState) -> dict[str, Any]:
    log_group = str(state.key.deployed["taskLogGroup"])
    return run_views.document(state, partial(log_tail, stack.aws, log_group))


def _print(stack: DeployedStack, runs: list[dict[str, Any]], lines: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"stack": stack.name, "runs": runs}, indent=2, ensure_ascii=False))
    else:
        print("\n".join(lines))


def _poll_seconds(stack: DeployedStack) -> float:
    host = urlsplit(stack.aws.endpoint_url or "").hostname or ""
    return LOCAL_POLL_SECONDS if host in ("localhost", "::1") or host.startswith("127.") else AWS_POLL_SECONDS
