"""What the user sees while the driver works: lines, and on a terminal bars below them that change.

`docs/commands.md` describes the JSON lines for other programs.
"""

import json
import os
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ecs_kit.automation.host.log_file import LogFile, TolerantStream
from ecs_kit.automation.stacks.lifecycle import ResourceStep
from ecs_kit.runtime.contract.clock import to_iso
from ecs_kit.runtime.reporter.counts import Counts
from ecs_kit.runtime.reporter.run_state import RunKey

_DONE_WORDS = {
    "create": "created",
    "create-replacement": "created",
    "update": "updated",
    "replace": "replaced",
    "delete": "deleted",
    "delete-replaced": "deleted",
}
RESOURCES_A_LINE = 25
"""On a stream, so many resources share a line: enough to see progress, few enough to read."""
RATE_SECONDS = 60.0
"""The rate of a run is that of so many seconds."""
SHOWN_FAILURES = 3
"""Failures below a run's bar, the newest ones."""
BAR_WIDTH = 30
LEAST_BAR_WIDTH = 6
"""Where a narrow terminal leaves less, the end of the numbers is cut instead."""


def describe(counts: Counts) -> str:
    """A run's counts on one line."""
    return (
        f"{counts.submitted} of {counts.total} submitted, {counts.running} running, "
        f"{counts.completed} completed, {counts.failed} failed ({counts.status})"
        + (f", {counts.waiting}" if counts.waiting else "")
    )


_COUNTED = ("status", "total", "submitted", "running", "completed", "failed", "waiting")


class Rate:
    """How fast a run's tasks end, over the last minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, seconds: float, ended: int) -> None:
        """So many tasks had ended at this time."""
        while len(self._seen) > 1 and self._seen[1][0] <= seconds - RATE_SECONDS:
            self._seen.popleft()
        self._seen.append((seconds, ended))

    @property
    def tasks_a_second(self) -> float:
        """The rate; 0 while nothing is known."""
        if not self._seen:
            return 0.0
        (begin, before), (end, after) = self._seen[0], self._seen[-1]
        return (after - before) / (end - begin) if end > begin else 0.0

    def text(self, open_tasks: int) -> str:
        """The rate, and the time left at that rate; empty while nothing has ended."""
        rate = self.tasks_a_second
        if not rate or not open_tasks:
            return ""
        shown = f"{rate:.1f}/s" if rate >= 1 else f"{60 * rate:.1f}/min"
        left = open_tasks / rate
        return f"{shown}, about {f'{left:.0f} s' if left < 100 else f'{left / 60:.0f} min'} left"


def short_type(type_token: str) -> str:
    """`aws:ecs/cluster:Cluster` as `aws:ecs:Cluster`."""
    package, _, rest = type_token.partition(":")
    module, _, name = rest.rpartition(":")
    return f"{package}:{module.partition('/')[0]}:{name}"


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines whose columns are aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


class Progress:
    """Where the driver says what it does: lines with the seconds since the start, on a stream and in a file.

    The file gets a line for each resource, the stream, by default standard error, one for every 25. `events` gets a
    JSON object for every change.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        log: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        events: TextIO | TolerantStream | None = None,
    ) -> None:
        self._stream = stream
        self._events = events
        self._log = LogFile(log or Path(os.devnull))
        self._clock = clock
        self._began = clock()
        self._counts: dict[RunKey, Counts] = {}
        self._told: set[tuple[RunKey, str, int]] = set()
        self._done: Counter[str] = Counter()

    def phase(self, name: str) -> None:
        """A new step has begun."""
        self._emit("phase", name=name)
        self._end_phase()
        self._line(f"== {name}")

    def say(self, line: str) -> None:
        """Something worth a line."""
        self._emit("message", text=line)
        self._say(line)

    def problem(self, line: str) -> None:
        """Something went wrong."""
        self._emit("problem", text=line)
        self._say(line)

    def _say(self, line: str) -> None:
        for part in line.splitlines() or [""]:
            self._line(f"   {part}")

    def resource(self, step: ResourceStep) -> None:
        """The engine began or ended an operation on a resource."""
        name = f"{short_type(step.type)} {step.name}"
        if step.state != "started" and (step.state == "failed" or step.operation in _DONE_WORDS):
            self._emit("resource", operation=step.operation, state=step.state, type=step.type, name=step.name)
        if step.state == "failed":
            self._line(f"   FAILED to {step.operation} {name}")
        elif step.state == "done" and step.operation in _DONE_WORDS:
            word = _DONE_WORDS[step.operation]
            self._write_log(f"   {word} {name}")
            self._done[word] += 1
            if self._done[word] % RESOURCES_A_LINE == 0:
                self._show(f"   {word} {self._done[word]} resources, the last one {name}")

    def counts(self, run: RunKey, counts: Counts) -> None:
        """How far a run is: a line whenever that has changed."""
        of_run = {"pattern": run.pattern, "workflowName": run.workflow_name, "workflowRunId": run.run_id}
        for failure in counts.failures:
            if (attempt := (run, failure.task, failure.attempt)) not in self._told:
                self._told.add(attempt)
                self._emit("failedAttempt", **of_run, **failure._asdict())
        if self._counts.get(run) != counts:
            self._counts[run] = counts
            self._emit("counts", **of_run, **{name: getattr(counts, name) for name in _COUNTED})
            self._show_counts(run, counts)

    def _show_counts(self, run: RunKey, counts: Counts) -> None:
        self._line(f"   pattern {run.pattern}: {describe(counts)}")

    def end(self, **document: Any) -> None:
        """Everything has ended; the outcome is for other programs alone."""
        self._emit("end", **document)

    def _emit(self, event: str, **values: Any) -> None:
        if self._events is not None:
            told = {"event": event, "time": to_iso(datetime.now(UTC)), **values}
            # One write: the engine's threads tell of resources, too.
            self._events.write(f"{json.dumps(told, ensure_ascii=False)}\n")
            self._events.flush()

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table, at the end."""
        self.phase(title)
        for line in columns([header, *rows]):
            self._line(f"   {line}")

    def ask(self, question: str) -> bool:
        """Ask the user at the terminal; anything but yes is no."""
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def close(self) -> None:
        """Nothing more will come."""
        self._end_phase()

    def _end_phase(self) -> None:
        for word, count in self._done.items():
            if count % RESOURCES_A_LINE:
                self._show(f"   {word} {count} resources")
        self._done.clear()

    def _line(self, text: str) -> None:
        self._write_log(text)
        self._show(text)

    def _write_log(self, text: str) -> None:
        self._log.write(f"{self._timed(text)}\n")

    def _show(self, text: str) -> None:
        print(self._timed(text), file=self._stream or sys.stderr, flush=True)

    def _timed(self, text: str) -> str:
        return f"{self._clock() - self._began:6.1f}s {text}"


class QuietProgress(Progress):
    """Shows problems alone; the file gets every line."""

    def problem(self, line: str) -> None:
        """Show it."""
        super().problem(line)
        for part in line.splitlines():
            super()._show(f"   {part}")

    def _show(self, text: str) -> None:
        """Show nothing."""


class LiveProgress(Progress):
    """The same on a terminal; the last lines change: the step, what the engine does, and a bar for each run."""

    def __init__(
        self,
        *,
        log: Path | None = None,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
        events: TextIO | TolerantStream | None = None,
    ) -> None:
        super().__init__(log=log, clock=clock, events=events)
        self._rates: dict[RunKey, Rate] = {}
        self._console = console or Console(stderr=True)
        self._phase, self._phase_began = "", self._began
        self._under_way: dict[str, str] = {}
        self._spinner = Spinner("dots")
        self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=8, transient=True)
        self._live.start()

    def phase(self, name: str) -> None:
        """Show the step until the next one begins."""
        super().phase(name)
        self._phase, self._phase_began = name, self._clock()

    def resource(self, step: ResourceStep) -> None:
        """Show what is under way."""
        key, what = f"{step.type}::{step.name}", f"{step.operation} {short_type(step.type)} {step.name}"
        if step.state == "started":
            self._under_way[key] = what
        else:
            self._under_way.pop(key, None)
        super().resource(step)

    def counts(self, run: RunKey, counts: Counts) -> None:
        """Show the newest as a bar; the last ones get a line at the end of the step."""
        self._rates.setdefault(run, Rate()).add(self._clock(), counts.ended)
        super().counts(run, counts)

    def _show_counts(self, run: RunKey, counts: Counts) -> None:
        self._write_log(f"   pattern {run.pattern}: {describe(counts)}")

    def ask(self, question: str) -> bool:
        """Ask without the lines that change."""
        self._live.stop()
        try:
            return super().ask(question)
        finally:
            self._live.start()

    def close(self) -> None:
        """End the lines that change."""
        super().close()
        self._live.stop()

    def _end_phase(self) -> None:
        super()._end_phase()
        for run, counts in sorted(self._counts.items(), key=_by_pattern):
            self._show(f"   pattern {run.pattern}: {describe(counts)}")
        self._counts.clear()
        self._rates.clear()
        self._under_way.clear()

    def _show(self, text: str) -> None:
        self._console.print(Text(self._timed(text)), soft_wrap=True)

    def _render(self) -> RenderableType:
        self._spinner.update(text=Text(f" {self._phase} ({self._clock() - self._phase_began:.0f} s)"))
        steps = [Text(f"   {step}", style="dim") for step in list(self._under_way.values())[-6:]]
        runs = [self._bar(run, counts) for run, counts in sorted(self._counts.items(), key=_by_pattern)]
        return Group(*([self._spinner] if self._phase else []), *steps, *runs)

    def _bar(self, run: RunKey, counts: Counts) -> RenderableType:
        """A run's bar, its numbers, why it waits, and its newest failures."""
        numbers = Text.assemble(
            f"{counts.ended}/{counts.total}  ",
            (f"{counts.completed} completed", "green" if counts.completed else "dim"),
            "  ",
            (f"{counts.failed} failed", "red" if counts.failed else "dim"),
            f"  {counts.running} running  {self._rates[run].text(counts.total - counts.ended)}",
            overflow="ellipsis",
            no_wrap=True,
        )
        row = Table.grid(padding=(0, 1))
        style = "red" if counts.failed else "green"
        label = f"   pattern {run.pattern}"
        room = self._console.width - len(label) - len(numbers) - 2
        width = min(BAR_WIDTH, max(LEAST_BAR_WIDTH, room))
        bar = ProgressBar(max(counts.total, 1), counts.ended, width=width, complete_style=style)
        row.add_row(label, bar, numbers)
        waiting = [Text(f"     {counts.waiting}", style="yellow", overflow="ellipsis", no_wrap=True)]
        failures = [
            Text(
                f"     {failure.task}, attempt {failure.attempt}: {failure.error}",
                style="red",
                overflow="ellipsis",
                no_wrap=True,
            )
            for failure in counts.failures[-SHOWN_FAILURES:]
        ]
        return Group(row, *(waiting if counts.waiting else []), *failures)


def _by_pattern(entry: tuple[RunKey, Counts]) -> int:
    return entry[0].pattern


@contextmanager
def shown(log: Path | None = None, *, quiet: bool = False, json_lines: bool = False) -> Iterator[Progress]:
    """The view that fits where standard error goes to; `json_lines` go to standard output."""
    events = TolerantStream(sys.stdout) if json_lines else None
    if quiet:
        progress: Progress = QuietProgress(log=log, events=events)
    elif sys.stderr.isatty():
        progress = LiveProgress(log=log, events=events)
    else:
        progress = Progress(log=log, events=events)
    try:
        yield progress
    finally:
        progress.close()
