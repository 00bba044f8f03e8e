"""A real run's page and progress, as the main job writes and shows them: also the pictures of the documentation."""

import io
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from ecs_kit.automation.journeys.progress import LiveProgress
from ecs_kit.runtime.reporter.counts import Counts, Failure
from ecs_kit.runtime.reporter.run_state import RunKey
from tests.browser.conftest import PICTURES, Browser
from tests.e2e.conftest import finish, start

pytestmark = pytest.mark.browser

REFUSED = {"error": "AccessDenied", "message": "a fault", "status": 403}
FAULTS = [
    {"name": "a tenth of the jobs fail", "service": "s3", "operation": "*Object", "share": 0.1, "effect": REFUSED}
]
WITHOUT_FONTS = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
"""Rich's picture of a terminal names fonts on a server: a picture of the documentation refers to nothing outside."""


def replayed(events: list[dict[str, Any]], ended: int) -> Console:
    """What a terminal shows once so many tasks have ended, by the JSON lines of the same run and their times."""
    now = [0.0]
    console = Console(file=io.StringIO(), record=True, width=110, force_terminal=True, color_system="truecolor")
    quiet = Console(file=io.StringIO())
    progress = LiveProgress(console=quiet, clock=lambda: now[0])
    failures: list[Failure] = []
    for event in events:
        if event["event"] == "failedAttempt":
            failures.append(Failure(event["at"], event["task"], event["attempt"], event["error"]))
            continue
        if event["event"] != "counts":
            continue
        key = RunKey(event["pattern"], event["workflowName"], event["workflowRunId"], "", {})
        numbers = {name: event[name] for name in ("status", "total", "submitted", "running", "completed", "failed")}
        now[0] = datetime.fromisoformat(event["time"]).timestamp()
        progress.counts(key, Counts(**numbers, waiting=event["waiting"], failures=tuple(failures)))
        if event["completed"] + event["failed"] >= ended:
            break
    console.print("$ python automation/e2e.py watch --pattern 1")
    console.print(progress._render())
    progress.close()
    return console


def test_the_main_job_writes_the_page_of_its_run_and_tells_other_programs_the_same(
    browser: Browser, tmp_path: Path
) -> None:
    (tmp_path / "faults.json").write_text(json.dumps(FAULTS), encoding="utf-8")
    driver = start(
        tmp_path,
        *("--pattern", "1", "--tasks", "20", "--container-runtime", "process", "--faults", "faults.json"),
        *("--config", "taskAttempts=3", "--report-dir", "reports", "--json-lines", "--quiet"),
    )
    printed, said = finish(driver)
    report = json.loads((tmp_path / "reports" / "report.json").read_text(encoding="utf-8"))
    events = [json.loads(line) for line in printed.splitlines()]
    assert driver.returncode == 0, said

    browser.visit((tmp_path / "reports" / "pattern-1.html").as_uri(), "real-run")
    (of_pattern,) = report["patterns"]
    status = browser.run("return JSON.parse(document.querySelector('#data').textContent)")
    assert status["run"]["id"] == str(of_pattern["workflowRunId"])
    assert status["counts"]["completed"] == of_pattern["summary"]["completed_tasks"] == 20
    by_status = of_pattern["details"]["byStatus"]
    assert by_status["Completed"] == 20 and by_status["Failed"] > 0, "the fault met some"
    assert len(status["attempts"]) == of_pattern["details"]["items"] == sum(by_status.values())
    assert status["verdict"]["passed"] and browser.texts("#passed") == ["Every task, row and result is as expected."]
    assert browser.run("return [...document.querySelectorAll('#resources a')].length") == 0, "not on AWS"
    assert browser.violations() == []
    browser.picture(height=690)
    assert browser.errors == []

    counts = [each for each in events if each["event"] == "counts"]
    failed = [each for each in events if each["event"] == "failedAttempt"]
    assert counts[-1]["completed"] == 20 and len(failed) == by_status["Failed"]
    assert events[-2]["event"] == "end" and events[-2]["report"] == report
    picture = replayed(events, ended=12).export_svg(title="watch", code_format=WITHOUT_FONTS)
    assert "http" not in picture.replace("http://www.w3.org", "").replace("https://www.textualize.io", "")
    (PICTURES / "progress.svg").write_text(picture, encoding="utf-8")
