"""A run with faults in a tenth of its calls: everything that tells its numbers tells the same ones."""

import io
import json
from collections import Counter
from pathlib import Path

import pytest

from ecs_kit.automation.cli import run_views
from ecs_kit.automation.journeys import runs, spec_files
from ecs_kit.automation.journeys.progress import Progress
from ecs_kit.automation.journeys.report_page import gather
from ecs_kit.runtime.reporter import run_state
from ecs_kit.runtime.reporter.items import deciding_attempts
from local_aws.testing.aws import ask_until
from tests.e2e.conftest import Deployed, metric_sums, sample

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance, pytest.mark.xdist_group("deployed-stack")]

TASKS = 20
REFUSED = {"error": "AccessDenied", "message": "a fault", "status": 403}
FAULTS = [
    {"name": "a tenth of the jobs fail", "service": "s3", "operation": "*Object", "share": 0.1, "effect": REFUSED},
    {
        "name": "RunTask is throttled",
        "service": "ecs",
        "operation": "RunTask",
        "share": 0.1,
        "effect": {"error": "ThrottlingException", "message": "Rate exceeded"},
    },
]


@pytest.fixture(scope="module")
def with_retries(deployed: Deployed) -> Deployed:
    deployed.configure(taskAttempts="2", toleratedFailurePercentage="100")
    deployed.stack.deploy()
    return deployed


@pytest.mark.parametrize("pattern", [1, 2])
def test_report_progress_status_metrics_and_tables_tell_the_same_numbers(
    with_retries: Deployed, pattern: int, tmp_path: Path
) -> None:
    aws, injector, events = with_retries.target.aws, with_retries.target.injector, io.StringIO()
    assert injector is not None
    progress = Progress(io.StringIO(), events=events)
    measured_before = metric_sums(with_retries, pattern)
    injector.inject_faults(FAULTS)
    try:
        run = with_retries.start(pattern, spec_files.with_tasks(sample(pattern), TASKS))
        runs.watch(aws, [run], on_counts=progress.counts, poll_seconds=0.2, limit_seconds=240)
        runs.await_final_rows(aws, [run], limit_seconds=60, poll_seconds=0.2)
        injected = {each["name"]: each["met"] for each in injector.injected_faults()}
    finally:
        injector.inject_faults([])

    state = run_state.read(aws, run)
    key = run_state.RunKey(pattern, run.workflow_name, run.run_id, run.execution_arn, run.deployed)
    status = run_views.document(state, lambda _: ())
    path = tmp_path / "run.html"
    gather.write(path, gather.reading(aws, run_state.read(aws, key)))
    text = path.read_text(encoding="utf-8").partition('id="data">')[2].partition("</script>")[0]
    page = json.loads(text)

    summary, rows = state.summary, state.details
    assert summary is not None and summary["number_of_tasks"] == TASKS
    attempts = Counter(row["status"] for row in rows)
    deciding = Counter(row["status"] for row in deciding_attempts(rows).values())
    assert attempts["Failed"] > 0 and injected["a tenth of the jobs fail"] > 0, "the fault met some"
    told = [json.loads(line) for line in events.getvalue().splitlines()]
    last = [each for each in told if each["event"] == "counts"][-1]
    for name in ("completed", "failed"):
        number = deciding[name.capitalize()]
        assert summary[f"{name}_tasks"] == page["summary"][f"{name}_tasks"] == page["counts"][name] == number
        assert status["tasks"][name] == status["summary"][f"{name}_tasks"] == last[name] == number
        metric = f"Tasks{name.capitalize()}"
        wanted = measured_before[metric] + number
        ask_until(lambda: metric_sums(with_retries, pattern)[metric] == wanted or None)  # noqa: B023
    assert len(page["attempts"]) == len(rows) == sum(attempts.values())
    assert sum(each["event"] == "failedAttempt" for each in told) == attempts["Failed"]
    assert sum(number for _, number in page["failures"]) == deciding["Failed"] == len(status["failedTasks"])
    outcomes = Counter(page["outcomes"][each[2]] for each in page["attempts"])
    assert outcomes == attempts
    for attempt, (_, _, _, queued, pulling, running, ended, *_rest) in enumerate(page["attempts"]):
        assert queued <= pulling <= running <= ended <= page["until"], page["attempts"][attempt]
