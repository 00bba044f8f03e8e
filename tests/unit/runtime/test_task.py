"""The task: its configuration, its job, its row, its exit code."""

from __future__ import annotations

import importlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import boto3
import pytest
from botocore.exceptions import NoRegionError, ReadTimeoutError
from moto import mock_aws

from ecs_kit.runtime.common.tables import DetailsTable
from ecs_kit.runtime.contract.ecs_task import EcsTask
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.errors import SettingsInvalid
from ecs_kit.runtime.contract.records import TaskRow, new_row, times_of
from ecs_kit.runtime.contract.statuses import TaskStatus
from ecs_kit.runtime.task import __main__ as entry_point
from ecs_kit.runtime.task import configuration, interruptions, job, worker
from ecs_kit.runtime.task.job import Job, S3Object
from ecs_kit.runtime.task.worker import ExitCode
from tests.unit.runtime.fakes import REGION, FakeClock, client_error

ROOT = Path(__file__).parents[3]
ARN = f"arn:aws:ecs:{REGION}:111122223333:task/kit-1/abc"
ENVIRONMENT = {
    "KIT_DETAILS_TABLE": "workflow_details_pattern_1",
    "KIT_TARGET_BUCKET": "kit-1",
    "KIT_TARGET_PREFIX": "copies",
    "KIT_TASK_TIMEOUT_SECONDS": "600",
    "KIT_LOG_STREAM_PREFIX": "ecs",
    "KIT_CONTAINER_NAME": "app",
    "KIT_STATE_MACHINE": "kit",
    "KIT_WORKFLOW_NAME": "copying",
    "KIT_WORKFLOW_RUN_ID": "1795492244120123",
    "KIT_TASK_NAME": "task_01",
    "KIT_ATTEMPT": "2",
    "KIT_SOURCE_BUCKET": "sources",
    "KIT_SOURCE_KEY": "in/a.txt",
    "KIT_DEADLINE": "2026-11-24T04:50:44.120Z",
    "JOB_COLOUR": "red",
}
CONFIGURATION = configuration.from_environment(ENVIRONMENT)
SOURCE = S3Object("sources", "in/a.txt")
TASK = EcsTask(ARN, "RUNNING")
COMPLETED, FAILED, RUNNING = TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.RUNNING


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, action in before.items():
        signal.signal(number, action)


class TestConfiguration:
    def test_is_read_from_the_environment(self) -> None:
        assert CONFIGURATION.attempt == Attempt("copying", 1795492244120123, "task_01", 2, "sources", "in/a.txt")
        assert CONFIGURATION.parameters == {"COLOUR": "red"}
        assert CONFIGURATION.job == configuration.SAMPLE_JOB == f"{job.__name__}:{job.run.__name__}"
        defaults = configuration.from_environment({**ENVIRONMENT, "KIT_JOB": "", "KIT_DEADLINE": ""})
        assert (defaults.job, defaults.deadline) == (configuration.SAMPLE_JOB, None)

    @pytest.mark.parametrize("name", [name for name in ENVIRONMENT if name not in ("KIT_DEADLINE", "JOB_COLOUR")])
    def test_misses_nothing(self, name: str) -> None:
        with pytest.raises(SettingsInvalid, match=f"{name}: is not set"):
            configuration.from_environment({**ENVIRONMENT, name: ""})

    @pytest.mark.parametrize(
        ("name", "value", "reason"),
        [
            ("KIT_ATTEMPT", "soon", 'must be a whole number, not "soon"'),
            ("KIT_DEADLINE", "soon", 'must be a time in ISO 8601, not "soon"'),
            *(
                ("KIT_JOB", reference, "must be module:function")
                for reference in ("word_count", "word_count.run", ":run", "word count:run", "count:run()")
            ),
        ],
    )
    def test_is_refused_where_it_is_malformed(self, name: str, value: str, reason: str) -> None:
        with pytest.raises(SettingsInvalid, match=f"{name}: {reason}"):
            configuration.from_environment({**ENVIRONMENT, name: value})


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> tuple[dict[str, str], list[str]]:
    """A container metadata endpoint that answers with the bodies in the list, one a call, and its environment."""
    bodies: list[str] = []

    def answer(url: str, timeout: float) -> io.BytesIO:
        assert url == "http://169.254.170.2/v4/x/task"
        body = bodies.pop(0) if bodies else json.dumps({"TaskARN": ARN})
        if not body:
            raise HTTPError(url, 500, "not yet", Message(), None)
        return io.BytesIO(body.encode())

    monkeypatch.setattr(urllib.request, "urlopen", answer)
    return {"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/x"}, bodies


class TestOwnArn:
    def test_is_read_from_the_metadata_endpoint_once_that_is_ready(self, metadata: Any, clock: FakeClock) -> None:
        metadata[1].extend(["", "{}", "junk"])
        assert configuration.own_task(metadata[0], clock).arn == ARN
        assert clock.slept == [0, 1, 2, 3]

    def test_is_an_error_without_an_answer_and_without_an_endpoint(self, metadata: Any, clock: FakeClock) -> None:
        metadata[1].extend([""] * configuration.METADATA_TRIES)
        with pytest.raises(SettingsInvalid, match="did not name the ECS task"):
            configuration.own_task(metadata[0], clock)
        with pytest.raises(SettingsInvalid, match="ECS_CONTAINER_METADATA_URI_V4: is not set"):
            configuration.own_task({}, clock)


class TestOwnTimes:
    def test_are_those_of_the_metadata_and_of_the_state_that_asked_for_the_task(
        self, metadata: Any, clock: FakeClock
    ) -> None:
        document = {
            "TaskARN": ARN,
            "PullStartedAt": "2026-11-24T03:50:33.532811081Z",
            "PullStoppedAt": "2026-11-24T03:50:38.54106843Z",
            "Containers": [
                {"Name": "aws-guardduty-agent", "StartedAt": "2026-11-24T03:00:00Z"},
                {"Name": "app", "CreatedAt": "2026-11-24T03:50:39.1Z", "StartedAt": "2026-11-24T03:50:39.740Z"},
            ],
        }
        metadata[1].append(json.dumps(document))
        queued = "2026-11-24T03:50:20.000Z"
        task = configuration.own_task({**metadata[0], "KIT_CONTAINER_NAME": "app", "KIT_QUEUED_AT": queued}, clock)
        assert times_of(task) == {
            "queued_at": queued,
            "pull_started_at": "2026-11-24T03:50:33.532Z",
            "pull_stopped_at": "2026-11-24T03:50:38.541Z",
            "started_at": "2026-11-24T03:50:39.740Z",
        }

    @pytest.mark.parametrize("container", [{"Name": "app"}, {"Name": "app", "StartedAt": "soon"}])
    def test_are_left_out_where_ecs_does_not_say_them(self, metadata: Any, clock: FakeClock, container: Any) -> None:
        metadata[1].append(json.dumps({"TaskARN": ARN, "PullStartedAt": None, "Containers": [container]}))
        assert times_of(configuration.own_task({**metadata[0], "KIT_CONTAINER_NAME": "app"}, clock)) == {}

    def test_cost_no_write_more_and_leave_the_launcher_s_own_in_place(self, work: Work) -> None:
        attempt, target = CONFIGURATION.attempt, CONFIGURATION.target
        queued = EcsTask(ARN, "PROVISIONING", created_at=work.clock.now())
        submitted = new_row(attempt, target, TaskStatus.SUBMITTED, ecs_task_arn=ARN, now=work.clock.now(), task=queued)
        work.details.put_new(submitted)
        work.clock.advance(9)
        writes = []
        write = work.details.write
        work.details.write = lambda row: writes.append(row.status) or write(row)  # type: ignore[method-assign]
        assert work.run(task=replace(TASK, started_at=work.clock.now())) is ExitCode.DONE
        assert writes == [RUNNING, COMPLETED]
        times = (work.row.queued_at, work.row.pull_started_at, work.row.started_at, work.row.stopped_at)
        assert times == ("2026-11-24T03:50:44.120Z", None, "2026-11-24T03:50:53.120Z", None)


class TestCopy:
    JOB = Job(SOURCE, S3Object("kit-1", "copies/a.txt"), {})

    @pytest.fixture
    def s3(self) -> Any:
        with mock_aws():
            client = boto3.client("s3", region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
            for bucket in ("sources", "kit-1"):
                client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
            yield client

    def test_has_the_bytes_and_type_of_its_source(self, s3: Any) -> None:
        s3.put_object(Bucket="sources", Key="in/a.txt", Body=b"bytes", ContentType="text/x")
        job.run(self.JOB, s3)
        found = s3.get_object(Bucket="kit-1", Key="copies/a.txt")
        assert (found["Body"].read(), found["ContentType"]) == (b"bytes", "text/x")

    def test_above_five_gigabytes_is_done_in_parts(self, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        message = "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"

        def refuse(**_: object) -> None:
            raise client_error("InvalidRequest", message, "CopyObject")

        parts: list[Any] = []
        monkeypatch.setattr(s3, "copy_object", refuse)
        monkeypatch.setattr(s3, "copy", lambda *given: parts.append(given))
        job.run(self.JOB, s3)
        assert parts == [({"Bucket": "sources", "Key": "in/a.txt"}, "kit-1", "copies/a.txt")]


class Work:
    """One ECS task beside its table."""

    def __init__(self, dynamodb: Any, clock: FakeClock) -> None:
        self.clock = clock
        self.details = DetailsTable(dynamodb, "workflow_details_pattern_1")
        self.last_details = DetailsTable(dynamodb, "workflow_details_pattern_1")

    def run(self, task_job: Any = lambda *_: None, task: EcsTask = TASK, **changes: Any) -> ExitCode:
        """Run it; a `task_job` that is an exception is raised by the job, `changes` are of the configuration."""

        def fail(*_: object) -> None:
            raise task_job

        return worker.work(
            replace(CONFIGURATION, **changes),
            task,
            details=self.details,
            last_details=self.last_details,
            s3=None,  # type: ignore[arg-type]
            clock=self.clock,  # type: ignore[arg-type]
            job=fail if isinstance(task_job, BaseException) else task_job,
        )

    @property
    def row(self) -> TaskRow:
        found = self.details.get(CONFIGURATION.attempt.run_id, ARN)
        assert found is not None
        return found

    def overtake(self, **changes: Any) -> None:
        """Write the row as somebody else."""
        self.last_details.write(replace(self.row, **changes))


@pytest.fixture
def work(dynamodb: Any, clock: FakeClock) -> Work:
    return Work(dynamodb, clock)


def send(number: int) -> Any:
    return lambda *_: os.kill(os.getpid(), number)


class TestOutcomes:
    def test_done_is_recorded_and_exits_0(self, work: Work) -> None:
        given: list[Any] = []

        def task_job(job: Job, _: object) -> None:
            given.append((job, work.row.status))
            work.clock.advance(2.5)

        assert work.run(task_job) is ExitCode.DONE
        target = S3Object("kit-1", "copies/copying/1795492244120123/task_01/a.txt")
        assert given == [(Job(SOURCE, target, {"COLOUR": "red"}), RUNNING)]
        assert work.row == TaskRow(
            workflow_run_id=1795492244120123,
            ecs_task_id=ARN,
            workflow_name="copying",
            task_name="task_01",
            attempt=2,
            status=COMPLETED,
            start_time="2026-11-24T03:50:44.120Z",
            update_time="2026-11-24T03:50:46.620Z",
            exec_time_in_seconds=2.5,
            source_uri="s3://sources/in/a.txt",
            target_uri="s3://kit-1/copies/copying/1795492244120123/task_01/a.txt",
            log_stream="ecs/app/abc",
        )

    def test_its_row_may_go_when_the_run_s_may(self, work: Work) -> None:
        attempt = configuration.from_environment({**ENVIRONMENT, "KIT_EXPIRES_AT": "1795668644"}).attempt
        work.run(attempt=attempt)
        assert work.row.expires_at == 1795668644

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (
                client_error("NoSuchKey", "The specified key does not exist.", "CopyObject"),
                "NoSuchKey: The specified key does not exist. (CopyObject)",
            ),
            (ValueError("bad"), "ValueError: bad"),
            (SystemExit(3), "the job called sys.exit(3)"),
            (SystemExit("no"), "the job called sys.exit('no')"),
            (SystemExit(""), "the job called sys.exit('')"),
        ],
    )
    def test_a_failed_job_is_recorded_and_exits_1(self, work: Work, error: BaseException, text: str) -> None:
        assert work.run(error) is ExitCode.JOB_FAILED
        recorded = (work.row.status, work.row.error, work.row.exit_code)
        assert recorded == (FAILED, f"JobFailed: {text}; source s3://sources/in/a.txt", 1)

    @pytest.mark.parametrize(
        ("reference", "error"),
        [
            ("there_is_no_such_module:run", "ModuleNotFoundError: No module named 'there_is_no_such_module'"),
            ("json:there_is_no_such_function", "no attribute 'there_is_no_such_function'"),
        ],
    )
    def test_a_job_that_is_not_there_is_a_failed_job(self, work: Work, reference: str, error: str) -> None:
        assert work.run(worker.named_job(reference)) is ExitCode.JOB_FAILED
        assert error in (work.row.error or "")

    @pytest.mark.parametrize("code", [None, 0])
    def test_a_job_that_exits_with_0_is_done(self, work: Work, code: object) -> None:
        assert work.run(SystemExit(code)) is ExitCode.DONE
        assert work.row.status is COMPLETED

    @pytest.mark.parametrize("changes", [{"task_timeout_seconds": 0}, {"deadline": FakeClock().now()}])
    def test_the_time_limit_is_recorded_and_exits_124(self, work: Work, changes: Any) -> None:
        def endless(*_: object) -> None:
            while True:  # a single pause may begin right after the signal
                time.sleep(0.01)

        assert work.run(endless, **changes) is ExitCode.TIME_LIMIT
        limit = changes.get("task_timeout_seconds", 600)
        assert work.row.error == f"TaskTimedOut: timed out after {limit} s or at the run's deadline"

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
    @pytest.mark.parametrize("outcome", [ExitCode.TIME_LIMIT, ExitCode.TERMINATED])
    def test_is_not_lost_in_a_destructor_whose_exceptions_python_ignores(self, work: Work, outcome: ExitCode) -> None:
        lost: list[str] = []

        class Resource:
            def __del__(self) -> None:
                lost.append("from here on")
                if outcome is ExitCode.TIME_LIMIT:
                    signal.setitimer(signal.ITIMER_REAL, 0.01, interruptions.REPEAT_SECONDS)
                else:
                    os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(10)
                lost.append("not reached")

        def task_job(*_: object) -> None:
            Resource()
            while True:
                time.sleep(0.01)

        assert work.run(task_job) is outcome
        assert lost == ["from here on"]

    def test_does_not_cut_short_what_the_job_cleans_up(self, work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(interruptions, "REPEAT_SECONDS", 0.02)
        cleaned: list[int] = []

        def task_job(*_: object) -> None:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(60)
            finally:
                for number in range(5):
                    time.sleep(0.03)
                    cleaned.append(number)

        assert work.run(task_job) is ExitCode.TERMINATED
        assert cleaned == [0, 1, 2, 3, 4]

    def test_the_limit_is_the_sooner_of_the_task_s_and_the_run_s(self, clock: FakeClock) -> None:
        assert worker._limit_seconds(CONFIGURATION, clock.now()) == 600
        assert worker._limit_seconds(replace(CONFIGURATION, task_timeout_seconds=9999), clock.now()) == 3600
        assert worker._limit_seconds(replace(CONFIGURATION, deadline=None), clock.now()) == 600


class TestSigterm:
    def test_is_recorded_and_exits_143_even_if_the_job_catches_every_exception(self, work: Work) -> None:
        def greedy(*_: object) -> None:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            except Exception:  # noqa: BLE001
                pytest.fail("SIGTERM was taken for an error of the job")

        assert work.run(greedy) is ExitCode.TERMINATED
        assert (work.row.status, work.row.exit_code) == (FAILED, 143)
        assert work.row.error and work.row.error.startswith("Terminated: ")

    @pytest.mark.parametrize("is_stuck", [False, True])
    def test_during_the_last_write_gives_way_to_one_within_the_stop_timeout(
        self, work: Work, monkeypatch: pytest.MonkeyPatch, is_stuck: bool
    ) -> None:
        write, calls = work.details.write, []

        def interrupted(row: TaskRow) -> Any:
            calls.append(row.status)
            if row.status.is_final:
                os.kill(os.getpid(), signal.SIGTERM)
                if is_stuck:
                    raise ReadTimeoutError(endpoint_url="https://dynamodb")  # minutes later
            return write(row)

        monkeypatch.setattr(work.details, "write", interrupted)
        assert work.run() is ExitCode.DONE
        assert calls == [RUNNING, COMPLETED] and work.row.status is COMPLETED

    @pytest.mark.parametrize(("sent", "writes"), [(signal.SIGTERM, 1), (signal.SIGALRM, 0)])
    def test_only_the_write_after_it_uses_the_client_with_short_time_outs(
        self, work: Work, monkeypatch: pytest.MonkeyPatch, sent: int, writes: int
    ) -> None:
        seen: list[TaskRow] = []
        write = work.last_details.write
        monkeypatch.setattr(work.last_details, "write", lambda row: (seen.append(row), write(row))[1])
        work.run(send(sent))
        assert len(seen) == writes and work.row.status is FAILED

    def test_before_there_is_a_row_exits_at_once(self) -> None:
        interruptions.exit_on_term(143)
        with pytest.raises(SystemExit) as left:
            os.kill(os.getpid(), signal.SIGTERM)
        assert left.value.code == 143

    def test_is_ignored_while_the_row_is_written(self) -> None:
        with interruptions.raised(60):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGALRM)
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


class TestRowsOfOthers:
    @pytest.mark.parametrize("final", [COMPLETED, FAILED])
    def test_a_row_that_is_terminal_already_means_no_job(self, work: Work, final: TaskStatus) -> None:
        attempt, target = CONFIGURATION.attempt, CONFIGURATION.target
        work.details.write(new_row(attempt, target, final, ecs_task_arn=ARN, now=work.clock.now()))
        done: list[int] = []
        assert work.run(lambda *_: done.append(1)) is ExitCode.NOT_RECORDED
        assert done == [] and work.row.status is final

    def test_done_counts_only_if_the_row_says_so(self, work: Work) -> None:
        overtaken = {"status": FAILED, "error": "TaskTimedOut: x"}
        assert work.run(lambda *_: work.overtake(**overtaken)) is ExitCode.NOT_RECORDED
        assert work.row.error == "TaskTimedOut: x"

    def test_a_failure_that_was_recorded_by_another_keeps_its_exit_code(self, work: Work) -> None:
        def overtaken(*_: object) -> None:
            work.overtake(status=COMPLETED)
            raise ValueError

        assert work.run(overtaken) is ExitCode.JOB_FAILED

    @pytest.mark.parametrize(
        ("at_once", "outcome", "code"),
        [
            (True, None, ExitCode.NOT_RECORDED),
            (False, None, ExitCode.NOT_RECORDED),
            (False, ValueError("x"), ExitCode.JOB_FAILED),
        ],
    )
    def test_a_table_that_cannot_be_written_never_exits_0(
        self, work: Work, monkeypatch: pytest.MonkeyPatch, at_once: bool, outcome: Exception | None, code: ExitCode
    ) -> None:
        done: list[int] = []

        def refuse(_: TaskRow) -> None:
            raise client_error("AccessDeniedException", "no", "UpdateItem")

        def then(*_: object) -> None:
            done.append(1)
            monkeypatch.setattr(work.details, "write", refuse)
            if outcome:
                raise outcome

        if at_once:
            monkeypatch.setattr(work.details, "write", refuse)
        assert work.run(then) is code
        assert done == ([] if at_once else [1])


class TestEntryPoint:
    @pytest.fixture
    def environment(self, metadata: Any) -> dict[str, str]:
        return {**ENVIRONMENT, **metadata[0], "KIT_DEADLINE": ""}

    def test_prints_its_version_which_is_the_project_s(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert entry_point.main(["--version"], {}) == 0
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert capsys.readouterr().out == f"ecs-step-functions-kit task {project['version']}\n"

    def test_bad_configuration_exits_2(self, environment: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        assert entry_point.main([], {}) == ExitCode.BAD_CONFIGURATION

        def refuse(_: int) -> None:
            raise NoRegionError

        monkeypatch.setattr(entry_point, "_clients", refuse)
        assert entry_point.main([], environment) == ExitCode.BAD_CONFIGURATION

    def test_sigterm_before_there_is_anything_to_record_exits_143(
        self, environment: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as in a container's first process
        monkeypatch.setattr(entry_point, "_clients", send(signal.SIGTERM))
        with pytest.raises(SystemExit, match="143"):
            entry_point.main([], environment)

    def test_runs_the_job_that_the_environment_names_with_the_command_of_the_container(
        self, environment: Any, work: Work, dynamodb: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "my_own_job.py").write_text("given = []\ndef count(job, s3):\n    given.append((job, s3))\n")
        monkeypatch.syspath_prepend(tmp_path)
        limits: list[int] = []
        monkeypatch.setattr(entry_point, "_clients", lambda limit: (limits.append(limit), dynamodb, dynamodb, "s3")[1:])
        named = {**environment, "KIT_JOB": "my_own_job:count", "KIT_STOP_TIMEOUT_SECONDS": "45"}
        assert entry_point.main(["--fast", "7"], named) == ExitCode.DONE
        ((given, s3),) = importlib.import_module("my_own_job").given
        assert (given.arguments, given.source, s3) == (("--fast", "7"), SOURCE, "s3")
        assert limits == [45] and work.row.status is COMPLETED

    @pytest.mark.parametrize("stop_timeout", [2, 10, 120])
    def test_its_clients_retry_adaptively_and_the_last_one_gives_up_before_ecs_kills_it(
        self, stop_timeout: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        dynamodb, last, s3 = entry_point._clients(stop_timeout)
        for client in (dynamodb, s3):
            assert client.meta.config.retries == {"mode": "adaptive", "total_max_attempts": 11}
        config = last.meta.config
        tries = config.retries["total_max_attempts"]
        pauses = tries - 1  # at most a second each
        assert tries * (config.connect_timeout + config.read_timeout) + pauses < stop_timeout

    def test_starts_as_a_process_without_anything_but_boto3(self) -> None:
        loads = "[name for name in sys.modules if name in ('fastjsonschema', 'boto3')]"
        code = f"import sys, ecs_kit.runtime.task.__main__; print({loads})"
        for arguments, expected in ((["-m", "ecs_kit.runtime.task", "--version"], "kit task"), (["-c", code], "[]")):
            done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
            assert expected in done.stdout
