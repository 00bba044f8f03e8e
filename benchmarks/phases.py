"""How the main job's time divides, and how it grows with a second pattern and with more tasks.

    python -m benchmarks.phases

Every figure is a ratio of two times of the same run of this program, so it holds on other machines, too.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
MORE_TASKS = 40


def run(*options: str) -> dict[str, Any]:
    """The times of a main job that passed, and `run`, that of its longest execution: patterns run at once."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "automation/e2e.py", *options, "--report-dir", folder, "--json", str(report)]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        result = json.loads(report.read_text())
        return {**result["seconds"], "run": max(pattern["seconds"]["run"] for pattern in result["patterns"])}


def main() -> None:
    """Measure and print."""
    one, both, more = run("--pattern", "1"), run(), run("--tasks", str(MORE_TASKS))
    table = Table("ratio", "value")
    for name, part, whole in (
        ("set-up / total", both["setup"], both["total"]),
        ("deploy / total", both["deploy"], both["total"]),
        ("longest run / total", both["run"], both["total"]),
        ("destroy / total", both["destroy"], both["total"]),
        ("both patterns / pattern 1 alone, total", both["total"], one["total"]),
        (f"{MORE_TASKS} tasks / 10 tasks, longest run", more["run"], both["run"]),
    ):
        table.add_row(name, f"{part / whole:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
