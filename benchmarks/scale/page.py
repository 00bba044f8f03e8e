"""Tables and picture of docs/scale.md, from the results: pure functions. `make pages` writes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.scale.results import Run, read
from ecs_kit.automation.stacks import costs
from ecs_kit.components.config import KitConfig
from ecs_kit.runtime.reporter.task_costs import task_cost

COLOURS = {"pattern 1": "#1f6feb", "pattern 2": "#2da44e", "baseline": "#cf222e", "RunTask alone": "#6e7781"}
ALONE = "RunTask alone"
LIMIT_PER_SECOND = 20
KIB = 1024


def dollars(run: Run) -> float:
    """US dollars of a run's orchestration per task."""
    return float(sum(run["dollarsPerTask"].values()))


def runs_table() -> str:
    """Every run of the benchmark without further throttling, with machine and date."""
    return _runs(_undisturbed())


def throttled_table() -> str:
    """The runs of which some calls of RunTask were throttled besides."""
    runs = [run for run in read()["runs"] if run["throttledPercent"]]
    alone = {run["tasks"]: run for run in runs if run["contender"] == ALONE}
    rows = [
        [
            f"{run['errors'].get('ecs:RunTask', 0)} of {run['calls'].get('ecs:RunTask', 0)}",
            *_beginning(run),
            _verdict(run),
            _text(run["launchesPerSecond"]),
            *_share(run),
            _ratio(run, alone.get(run["tasks"]), _rate),
        ]
        for run in runs
    ]
    head = ["calls of RunTask throttled", "tasks", "what", "verified", "launches/s", "of 20/s", "÷ RunTask alone"]
    return _table([head, *rows]) if rows else _NONE


def stopped_table() -> str:
    """The runs whose execution was stopped."""
    rows = [
        [
            *_beginning(run),
            str(run["stoppedAfterSeconds"]),
            f"{run['launched']:,}",
            str(run["launchedAfterStop"]),
            str(run["launchedLate"]),
            f"{_text(run['lastStoppedAfterSeconds'])} s",
            "all stopped, a final row each" if not run["problems"] else run["problems"][0],
        ]
        for run in read()["runs"]
        if run.get("stoppedAfterSeconds")
    ]
    head = ["tasks", "what", "stopped after, s", "launched", "of them after the stop", "more than 5 s after it"]
    return _table([[*head, "last task stopped after", "ECS tasks"], *rows]) if rows else _NONE


def _undisturbed() -> list[Run]:
    """The runs without further throttling that ended by themselves."""
    return [run for run in read()["runs"] if not run["throttledPercent"] and not run.get("stoppedAfterSeconds")]


def ratios_table() -> str:
    """The kit's patterns beside the baseline and RunTask alone, and each beside itself at 100 tasks."""
    runs = {(run["contender"], run["tasks"]): run for run in _undisturbed()}
    rows = [
        [
            *("tasks", "what", "cost ÷ baseline", "read units ÷ baseline", "write units ÷ baseline"),
            *("cost ÷ at 100 tasks", "launches/s ÷ RunTask alone"),
        ]
    ]
    for (contender, tasks), run in runs.items():
        if not contender.startswith("pattern"):
            continue
        other, hundred = runs.get(("baseline", tasks)), runs.get((contender, 100))
        rows.append(
            [
                str(tasks),
                contender,
                _ratio(run, other, dollars),
                _ratio(run, other, lambda each: float(each["readUnitsPerTask"])),
                _ratio(run, other, lambda each: float(each["writeUnitsPerTask"])),
                _ratio(run, hundred, dollars),
                _ratio(run, runs.get((ALONE, tasks)), _rate),
            ]
        )
    return _table(rows)


def functions_table() -> str:
    """The functions of every run."""
    runs = _undisturbed()
    rows = [
        [*_beginning(run), _short(name), str(used["calls"]), *_function(used)]
        for run in runs
        for name, used in run["functions"].items()
    ]
    return _table(
        [["tasks", "what", "function", "calls", "longest, of its time-out", "peak memory, of its own"], *rows]
    )


def model_table() -> str:
    """Every run of the model."""
    head = ["tasks", "what", "lost, doubled", "launches/s", "run, s", "end noticed after, s", "read units a task"]
    head += ["of them the monitor's", "write units a task", "transitions a task", "largest payload", "µ$ a task"]
    head.append("most units of a poll above 1 + open / 25")
    rows = [
        [
            *_beginning(run),
            f"{run['lost']}, {run['doubled']}",
            _text(run["launchesPerSecond"]),
            str(run["runSeconds"]),
            _text(run["noticedAfterStopSeconds"]),
            _text(run["readUnitsPerTask"]),
            _text(run["monitorReadUnitsPerTask"]),
            _text(run["writeUnitsPerTask"]),
            _text(run["transitions"] / run["tasks"]),
            _kib(run["largestPayloadBytes"]),
            _text(dollars(run) * 1e6),
            _text(run["mostUnitsOfAPollAbove1AndOpenBy25"]),
        ]
        for run in read()["model"]
    ]
    functions = [
        [*_beginning(run), name, str(used["calls"]), *_function(used), f"{_text(used['longestProcessorSeconds'])} s"]
        for run in read()["model"]
        for name, used in run["functions"].items()
    ]
    head_of_functions = ["tasks", "what", "function", "calls", "longest (computed), of its time-out"]
    head_of_functions += ["peak memory, of its own", "longest processor time (measured)"]
    return f"{_table([head, *rows])}\n\n{_table([head_of_functions, *functions])}\n\n{_machines(read()['model'])}"


BILLED_SECONDS = (60, 300)
"""Lengths of tasks in the plan, from the pull of the image until the task ends."""


def plan_table() -> str:
    """What large runs need and cost, computed from AWS's rate, the prices and the largest runs of the model."""
    size = costs.size_of_config(KitConfig())
    largest = {run["contender"]: dollars(run) for run in read()["model"]}  # in the order of their numbers of tasks
    head = ["tasks", "of, s", "launched within, h", "in flight", "vCPUs in flight", "Fargate, $"]
    rows = [[*head, *(f"orchestration, {name}, $" for name in largest)]]
    for tasks in (10_000, 100_000, 1_000_000):
        for seconds in BILLED_SECONDS:
            in_flight = min(tasks, LIMIT_PER_SECOND * seconds)
            rows.append(
                [
                    f"{tasks:,}",
                    str(seconds),
                    _text(tasks / LIMIT_PER_SECOND / 3600),
                    f"{in_flight:,}",
                    f"{in_flight * size.vcpu:,.0f}",
                    _text(tasks * task_cost(size, seconds)),
                    *(_text(tasks * each) for each in largest.values()),
                ]
            )
    return _table(rows)


_NONE = "None yet."


def _runs(runs: Sequence[Run]) -> str:
    head = ["tasks", "what", "load before", "verified", "launches/s", "of 20/s", "end noticed after, s", "calls a task"]
    head += [
        "read units a task",
        "write units a task",
        "transitions a task",
        "most events",
        "largest payload",
        "µ$ a task",
    ]
    rows = [
        [
            *_beginning(run),
            _text(run["loadBefore"]),
            _verdict(run),
            _text(run["launchesPerSecond"]),
            *_share(run),
            _text(run["noticedAfterRowSeconds"]),
            ", ".join(f"{name} {_text(count)}" for name, count in run["callsPerTask"].items()),
            _text(run["readUnitsPerTask"]),
            _text(run["writeUnitsPerTask"]),
            _text(run["transitions"] / run["tasks"]),
            str(run["mostEvents"]),
            _kib((run["largestPayload"] or {"bytes": 0})["bytes"]),
            _text(dollars(run) * 1e6),
        ]
        for run in runs
    ]
    return f"{_table([head, *rows])}\n\n{_machines(runs)}"


def _beginning(run: Run) -> list[str]:
    most, rate = run.get("maxConcurrency", 0), run.get("runTaskRate", 0)
    what = [run["contender"], *([f"{most} at once"] if most else []), *([f"{rate} a second"] if rate else [])]
    return [f"{run['tasks']:,}", ", ".join(what)]


def _verdict(run: Run) -> str:
    return "all, once each" if not run["problems"] else f"{len(run['problems'])} problems: {run['problems'][0]}"


def _share(run: Run) -> list[str]:
    """The share of the limit, or of the configured rate; of runs that a burst may launch at once there is none."""
    if run["tasks"] <= LIMIT_PER_SECOND or not run["shareOfLimit"]:
        return ["a burst"]
    if rate := run.get("runTaskRate", 0):
        return [f"{run['launchesPerSecond'] / rate * 100:.0f} % of {rate}/s"]
    return [f"{run['shareOfLimit'] * 100:.0f} %"]


def _function(used: Mapping[str, Any]) -> list[str]:
    seconds = f"{_text(used['longestSeconds'])} s of {used['timeoutSeconds']:.0f}"
    return [seconds, f"{used['peakMiB']:.0f} MiB of {used['memoryMiB']}"]


def _short(name: str) -> str:
    return name.rpartition("-")[2]


def _ratio(run: Run, other: Run | None, value: Callable[[Run], float]) -> str:
    return _text(value(run) / value(other)) if other and value(other) else "-"


def _rate(run: Run) -> float:
    return float(run["launchesPerSecond"] or 0)


def _kib(size: float) -> str:
    return f"{size / KIB:.1f} KiB"


def _text(value: float | None) -> str:
    """Three significant digits."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))


def _machines(runs: Sequence[Run]) -> str:
    found = sorted({(str(run["machine"]), str(run["date"])[:10]) for run in runs})
    return "; ".join(f"{machine}, {date}" for machine, date in found) + "."


# The picture.

WIDTH, HEIGHT, LEFT, TOP, GAP = 300, 220, 62, 48, 90
TITLES = ("launches per second", "DynamoDB read units per task", "orchestration, µ$ per task")


def svg() -> str:
    """Three graphs over the number of tasks: launch rate, read units, cost. Only the rate's axis is linear."""
    runs = _undisturbed()
    values: tuple[Callable[[Run], float | None], ...] = (
        # A burst has no rate.
        lambda run: run["launchesPerSecond"] if run["tasks"] > LIMIT_PER_SECOND else None,
        lambda run: run["readUnitsPerTask"] if run["contender"] != "RunTask alone" else None,
        lambda run: dollars(run) * 1e6 if run["contender"] != "RunTask alone" else None,
    )
    numbers = sorted({int(run["tasks"]) for run in runs})
    whole = LEFT + len(values) * (WIDTH + GAP), TOP + HEIGHT + 80
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {whole[0]} {whole[1]}" font-family="sans-serif" '
        'font-size="13">',
        f'<rect width="{whole[0]}" height="{whole[1]}" fill="white"/>',
    ]
    for place, (title, value) in enumerate(zip(TITLES, values, strict=True)):
        points = {
            name: [(int(run["tasks"]), found) for run in runs if run["contender"] == name and (found := value(run))]
            for name in COLOURS
        }
        parts += _graph(LEFT + place * (WIDTH + GAP), title, numbers, points, is_linear=place == 0)
    for place, (name, colour) in enumerate(COLOURS.items()):
        x, y = LEFT + place * 150, whole[1] - 18
        parts.append(f'<rect x="{x}" y="{y - 10}" width="12" height="12" fill="{colour}"/>')
        parts.append(f'<text x="{x + 18}" y="{y}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _graph(
    left: int, title: str, numbers: Sequence[int], points: Mapping[str, Sequence[tuple[int, float]]], *, is_linear: bool
) -> list[str]:
    found = [value for series in points.values() for _, value in series] or [1.0]
    if is_linear:
        low, high = 0.0, max(LIMIT_PER_SECOND * 1.2, *found)
        ticks = [float(tick) for tick in range(0, int(high) + 1, 5)]
    else:
        low, high = math.floor(math.log10(min(found))), math.ceil(math.log10(max(found)))
        high = max(high, low + 1)
        ticks = [10.0**power for power in range(int(low), int(high) + 1)]
    first, last = math.log10(numbers[0]), math.log10(numbers[-1])

    def x(number: int) -> float:
        return left + WIDTH * (math.log10(number) - first) / ((last - first) or 1)

    def y(value: float) -> float:
        return TOP + HEIGHT * (1 - ((value if is_linear else math.log10(value)) - low) / (high - low))

    parts = [f'<text x="{left}" y="{TOP - 20}" font-weight="bold">{escape(title)}</text>']
    for tick in ticks:
        parts.append(f'<line x1="{left}" x2="{left + WIDTH}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#d0d7de"/>')
        parts.append(f'<text x="{left - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>')
    for number in numbers:
        parts.append(f'<text x="{x(number):.1f}" y="{TOP + HEIGHT + 20}" text-anchor="middle">{number:,}</text>')
    if is_linear:
        height = f"{y(LIMIT_PER_SECOND):.1f}"
        parts.append(
            f'<line x1="{left}" x2="{left + WIDTH}" y1="{height}" y2="{height}" stroke="black" stroke-dasharray="5 4"/>'
        )
        parts.append(f'<text x="{left + 4}" y="{y(LIMIT_PER_SECOND) - 5:.1f}">AWS\'s limit</text>')
    for name, series in points.items():
        line = " ".join(f"{x(number):.1f},{y(value):.1f}" for number, value in series)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"/>')
        parts += [
            f'<circle cx="{x(number):.1f}" cy="{y(value):.1f}" r="4" fill="{COLOURS[name]}"/>'
            for number, value in series
        ]
    return parts
