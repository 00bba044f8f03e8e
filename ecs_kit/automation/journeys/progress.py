"""What the user sees while the driver works: lines, and on a terminal a few below them that change."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from ecs_kit.automation.host.log_file import LogFile
from ecs_kit.automation.journeys.runs import Counts
from ecs_kit.automation.stacks.lifecycle import ResourceStep

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


def describe(counts: Counts) -> str:
    """A run's counts on one line."""
    return (
        f"{counts.submitted} of {counts.total} submitted, {counts.running} running, "
        f"{counts.completed} completed, {counts.failed} failed ({counts.status})"
        + (f", {counts.waiting}" if counts.waiting else "")
    )


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

    The file gets a line for each resource, the stream, by default standard error, one for every 25.
    """

    def __init__(
        self, stream: TextIO | None = None, *, log: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._log = LogFile(log or Path(os.devnull))
        self._clock = clock
        self._began = clock()
        self._counts: dict[int, Counts] = {}
        self._done: Counter[str] = Counter()

    def phase(self, name: str) -> None:
        """A new step has begun."""
        self._end_phase()
        self._line(f"== {name}")

    def say(self, line: str) -> None:
        """Something worth a line."""
        for part in line.splitlines() or [""]:
            self._line(f"   {part}")

    def resource(self, step: ResourceStep) -> None:
        """The engine began or ended an operation on a resource."""
        name = f"{short_type(step.type)} {step.name}"
        if step.state == "failed":
            self._line(f"   FAILED to {step.operation} {name}")
        elif step.state == "done" and step.operation in _DONE_WORDS:
            word = _DONE_WORDS[step.operation]
            self._write_log(f"   {word} {name}")
            self._done[word] += 1
            if self._done[word] % RESOURCES_A_LINE == 0:
                self._show(f"   {word} {self._done[word]} resources, the last one {name}")

    def counts(self, pattern: int, counts: Counts) -> None:
        """How far a run is: a line whenever that has changed."""
        if self._counts.get(pattern) != counts:
            self._counts[pattern] = counts
            self._line(f"   pattern {pattern}: {describe(counts)}")

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


class LiveProgress(Progress):
    """The same on a terminal; the last lines change: the step, what the engine does, and each run's counts."""

    def __init__(self, *, log: Path | None = None, console: Console | None = None) -> None:
        super().__init__(log=log)
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

    def counts(self, pattern: int, counts: Counts) -> None:
        """Show the newest; the last ones get a line at the end of the step."""
        self._counts[pattern] = counts
        self._write_log(f"   pattern {pattern}: {describe(counts)}")

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
        for line in self._counts_lines():
            self._show(line)
        self._counts.clear()
        self._under_way.clear()

    def _show(self, text: str) -> None:
        self._console.print(Text(self._timed(text)), soft_wrap=True)

    def _counts_lines(self) -> list[str]:
        return [f"   pattern {pattern}: {describe(counts)}" for pattern, counts in sorted(self._counts.items())]

    def _render(self) -> RenderableType:
        self._spinner.update(text=Text(f" {self._phase} ({self._clock() - self._phase_began:.0f} s)"))
        steps = [f"   {step}" for step in list(self._under_way.values())[-6:]]
        lines = [Text(line, style="dim") for line in (*steps, *self._counts_lines())]
        return Group(self._spinner, *lines) if self._phase else Group(*lines)


@contextmanager
def shown(log: Path | None = None) -> Iterator[Progress]:
    """The view that fits where standard error goes to."""
    progress = LiveProgress(log=log) if sys.stderr.isatty() else Progress(log=log)
    try:
        yield progress
    finally:
        progress.close()
