"""How the main job's time divides, and how it grows with a second pattern and with more tasks.

    python -m benchmarks.phases

Every figure is a ratio of two times of the same run of this program, so it holds on other machines, too.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
MORE_TASKS = 40


def run(*options: str) -> dict[str, Any]:
    """Run the main job and return its report.

    Raises:
        SystemExit: it failed; its output is shown.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "automation/e2e.py", *options, "--report-dir", folder, "--json", str(report)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        result: dict[str, Any] = json.loads(report.read_text())
        return result


def longest_run(report: dict[str, Any]) -> float:
    """Seconds of the longest execution of a report: patterns run at once."""
    return max(pattern["seconds"]["run"] for pattern in report["patterns"])


def ratios(one: dict[str, Any], both: dict[str, Any], more: dict[str, Any]) -> Sequence[tuple[str, float]]:
    """Derive the figures.

    Args:
        one: report of pattern 1 with ten tasks.
        both: report of both patterns with ten tasks each.
        more: report of both patterns with `MORE_TASKS` tasks each.
    """
    total = both["seconds"]["total"]
    return [
        ("set-up / total", both["seconds"]["setup"] / total),
        ("deploy / total", both["seconds"]["deploy"] / total),
        ("longest run / total", longest_run(both) / total),
        ("destroy / total", both["seconds"]["destroy"] / total),
        ("both patterns / pattern 1 alone, total", total / one["seconds"]["total"]),
        (f"{MORE_TASKS} tasks / 10 tasks, longest run", longest_run(more) / longest_run(both)),
    ]


def main() -> None:
    """Measure and print."""
    one, both, more = run("--pattern", "1"), run(), run("--tasks", str(MORE_TASKS))
    table = Table("ratio", "value")
    for name, value in ratios(one, both, more):
        table.add_row(name, f"{value:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
