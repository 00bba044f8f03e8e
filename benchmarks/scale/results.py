"""The file of results: runs of the benchmark and of the model, each with its machine and date."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from ecs_kit.automation.errors import BadInput

Run = dict[str, Any]

FILE = Path(__file__).with_name("results.json")
"""What docs/scale.md is made from."""


def read(path: Path = FILE) -> dict[str, list[Run]]:
    """The `runs` of the benchmark and those of the `model`; none where there is no file.

    Raises:
        BadInput: the file is no JSON.
    """
    if not path.exists():
        return {"runs": [], "model": []}
    try:
        found: dict[str, list[Run]] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(f"{path} is no JSON: {error}. Name another file with --results.") from error
    return found


def merged(earlier: Iterable[Run], new: Iterable[Run], contenders: Sequence[str]) -> list[Run]:
    """The runs of both in order; a new one takes the place of an earlier one of its contender and number of tasks."""
    runs = {_place(run, contenders): run for run in (*earlier, *new)}
    return [runs[place] for place in sorted(runs)]


def _place(run: Run, contenders: Sequence[str]) -> tuple[int, int, int, int]:
    disturbed = run.get("throttledPercent", 0), run.get("stoppedAfterSeconds", 0)
    return *disturbed, run["tasks"], contenders.index(run["contender"])


def machine() -> str:
    """This machine, in words."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{os.cpu_count()} x {model or platform.machine()}, {platform.system()}, Python {platform.python_version()}"
