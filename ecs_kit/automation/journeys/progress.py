"""What the user sees while the driver works: a live view on a terminal, plain lines anywhere else."""

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
from rich.markup import escape
from rich.spinner import Spinner
from rich.table import Table
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
        self._last: dict[int, Counts] = {}
        self._done: Counter[str] = Counter()
        self._told: Counter[str] = Counter()

    def phase(self, name: str) -> None:
        """A new step has begun."""
        self._tell_resources()
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
                self._told[word] = self._done[word]
                self._show(f"   {word} {self._done[word]} resources, the last one {name}")

    def counts(self, pattern: int, counts: Counts) -> None:
        """How far a run is: a line whenever that has changed."""
        if self._last.get(pattern) != counts:
            self._last[pattern] = counts
            self._line(f"   pattern {pattern}: {describe(counts)}")

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table, at the end."""
        self._tell_resources()
        self._line(f"== {title}")
        for line in columns([header, *rows]):
            self._line(f"   {line}")

    def ask(self, question: str) -> bool:
        """Ask the user at the terminal; anything but yes is no."""
        print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def close(self) -> None:
        """Nothing more will come."""
        self._tell_resources()

    def _tell_resources(self) -> None:
        for word, count in self._done.items():
            if count != self._told[word]:
                self._show(f"   {word} {count} resources")
        self._done.clear()
        self._told.clear()

    def _line(self, text: str) -> None:
        self._write_log(text)
        self._show(text)

    def _write_log(self, text: str) -> None:
        self._log.write(f"{self._clock() - self._began:6.1f}s {text}\n")

    def _show(self, text: str) -> None:
        print(f"{self._clock() - self._began:6.1f}s {text}", file=self._stream or sys.stderr, flush=True)


class LiveProgress(Progress):
    """A few lines at the bottom that change: the step, what the engine does, and each run's counts."""

    def __init__(self, *, log: Path | None = None, console: Console | None = None) -> None:
        super().__init__(log=log)
        self._console = console or Console(stderr=True)
        self._phase = ""
        self._phase_began = self._clock()
        self._open: dict[str, str] = {}
        self._ended = 0
        self._counts: dict[int, Counts] = {}
        self._spinner = Spinner("dots")
        self._live = Live(get_renderable=self._render, console=self._console, refresh_per_second=8, transient=True)
        self._live.start()

    def phase(self, name: str) -> None:
        """Show how the last step went, and then the new one."""
        self._finish_phase()
        self._phase, self._phase_began = name, self._clock()
        super().phase(name)

    def say(self, line: str) -> None:
        """A line above the live ones."""
        self._print(line)
        super().say(line)

    def resource(self, step: ResourceStep) -> None:
        """Show what is under way; a failure gets a line of its own."""
        key, what = f"{step.type}::{step.name}", f"{step.operation} {short_type(step.type)} {step.name}"
        if step.state == "started":
            self._open[key] = what
        else:
            self._open.pop(key, None)
            self._ended += step.operation in _DONE_WORDS
        if step.state == "failed":
            self._print(f"FAILED to {what}")
        super().resource(step)

    def counts(self, pattern: int, counts: Counts) -> None:
        """Show the newest."""
        self._counts[pattern] = counts
        super().counts(pattern, counts)

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """A table of rich's."""
        table = Table(*header, title=title, title_justify="left")
        for row in rows:
            table.add_row(*map(escape, row))
        self._finish_phase()
        self._phase = ""
        self._console.print(table)
        super().table(title, header, rows)

    def ask(self, question: str) -> bool:
        """Ask without the live lines."""
        self._live.stop()
        try:
            return super().ask(question)
        finally:
            self._live.start()

    def close(self) -> None:
        """End the live lines."""
        self._finish_phase()
        self._live.stop()

    def _show(self, text: str) -> None:
        """The console shows each thing in its own way."""

    def _print(self, line: str) -> None:
        self._console.print(f"  {escape(line)}", highlight=False)

    def _counts_lines(self) -> list[str]:
        return [f"    pattern {pattern}: {describe(counts)}" for pattern, counts in sorted(self._counts.items())]

    def _finish_phase(self) -> None:
        if self._phase:
            resources = f", {self._ended} resources" if self._ended else ""
            took = f"({self._clock() - self._phase_began:.1f} s{resources})"
            lines = [f"[green]✓[/] {escape(self._phase)} {took}", *map(escape, self._counts_lines())]
            self._console.print("\n".join(lines), highlight=False)
        self._open.clear()
        self._counts.clear()
        self._ended = 0

    def _render(self) -> RenderableType:
        lines: list[RenderableType] = []
        if self._phase:
            self._spinner.update(text=Text(f" {self._phase} ({self._clock() - self._phase_began:.0f} s)"))
            lines.append(self._spinner)
        if steps := list(self._open.values()):
            lines.append(Text(f"    {self._ended} resources done, {len(steps)} under way", style="dim"))
            lines += [Text(f"    {step}", style="dim") for step in steps[-6:]]
        return Group(*lines, *map(Text, self._counts_lines()))


@contextmanager
def shown(log: Path | None = None) -> Iterator[Progress]:
    """The view that fits where standard error goes to."""
    progress = LiveProgress(log=log) if sys.stderr.isatty() else Progress(log=log)
    try:
        yield progress
    finally:
        progress.close()
