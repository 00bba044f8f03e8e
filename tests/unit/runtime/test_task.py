"""The task: its configuration, its job, its row, its exit code."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, NoRegionError, ReadTimeoutError

from ecs_kit.runtime.common.tables import DetailsTable
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.errors import SettingsInvalid
from ecs_kit.runtime.contract.records import TaskRow
from ecs_kit.runtime.contract.statuses import TaskStatus
from ecs_kit.runtime.task import __main__ as entry_point
from ecs_kit.runtime.task import configuration, interruptions, job, worker
from ecs_kit.runtime.task.job import Job, S3Object
from ecs_kit.runtime.task.worker import ExitCode
from tests.unit.runtime.fakes import REGION, FakeClock, client_error

ARN = f"arn:aws:ecs:{REGION}:111122223333:task/kit-1/abc"
ENVIRONMENT = {
    "KIT_DETAILS_TABLE": "workflow_details_pattern_1",
    "KIT_TARGET_BUCKET": "kit-1",
    "KIT_TARGET_PREFIX": "copies",
    "KIT_TASK_TIMEOUT_SECONDS": "600",
    "KIT_LOG_STREAM_PREFIX": "ecs",
    "KIT_CONTAINER_NAME": "app",
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


@pytest.fixture(autouse=True)
def signals() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, action in before.items():
        signal.signal(number, action)


@pytest.fixture
def details(dynamodb: Any) -> DetailsTable:
    return DetailsTable(dynamodb, "workflow_details_pattern_1")


class TestConfiguration:
    def test_is_read_from_the_environment(self) -> None:
        assert CONFIGURATION.attempt == Attempt("copying", 1795492244120123, "task_01", 2, "sources", "in/a.txt")
        assert CONFIGURATION.parameters == {"COLOUR": "red"}

    def test_a_run_may_have_no_deadline(self) -> None:
        assert configuration.from_environment({**ENVIRONMENT, "KIT_DEADLINE": ""}).deadline is None

    @pytest.mark.parametrize("name", [name for name in ENVIRONMENT if name not in ("KIT_DEADLINE", "JOB_COLOUR")])
    def test_misses_nothing(self, name: str) -> None:
        with pytest.raises(SettingsInvalid, match=f"{name}: is not set"):
            configuration.from_environment({**ENVIRONMENT, name: ""})

    @pytest.mark.parametrize(
        ("name", "reason"), [("KIT_ATTEMPT", "must be a whole number"), ("KIT_DEADLINE", "must be a time in ISO 8601")]
    )
    def test_is_refused_where_it_is_malformed(self, name: str, reason: str) -> None:
        with pytest.raises(SettingsInvalid, match=f"{name}: {reason}, not 'soon'"):
            configuration.from_environment({**ENVIRONMENT, name: "soon"})


@pytest.fixture
def metadata() -> Iterator[tuple[str, list[str]]]:
    """A container metadata endpoint that answers with the bodies in the list, one a call."""
    bodies: list[str] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = bodies.pop(0) if bodies else json.dumps({"TaskARN": ARN})
            self.send_response(200 if body and self.path == "/v4/x/task" else 500)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v4/x", bodies
        server.shutdown()
        thread.join()


class TestOwnArn:
    def test_comes_from_the_metadata_endpoint(self, metadata: Any, clock: FakeClock) -> None:
        assert configuration.ecs_task_arn({"ECS_CONTAINER_METADATA_URI_V4": metadata[0]}, clock) == ARN

    def test_is_asked_for_again_while_the_endpoint_is_not_ready(self, metadata: Any, clock: FakeClock) -> None:
        metadata[1].extend(["", "{}", "junk"])
        assert configuration.ecs_task_arn({"ECS_CONTAINER_METADATA_URI_V4": metadata[0]}, clock) == ARN
        assert clock.slept == [0, 1, 2, 3]

    def test_is_an_error_without_an_answer(self, metadata: Any, clock: FakeClock) -> None:
        metadata[1].extend([""] * configuration.METADATA_TRIES)
        with pytest.raises(SettingsInvalid, match="did not name the ECS task"):
            configuration.ecs_task_arn({"ECS_CONTAINER_METADATA_URI_V4": metadata[0]}, clock)

    def test_is_an_error_without_an_endpoint(self, clock: FakeClock) -> None:
        with pytest.raises(SettingsInvalid, match="ECS_CONTAINER_METADATA_URI_V4: is not set"):
            configuration.ecs_task_arn({}, clock)


class TestCopy:
    JOB = Job(S3Object("sources", "in/a.txt"), S3Object("kit-1", "copies/a.txt"), {})

    @pytest.fixture
    def s3(self, dynamodb_with_tables: Any) -> Any:
        client = boto3.client("s3", region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test")
        for bucket in ("sources", "kit-1"):
            client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        yield client
        for bucket in ("sources", "kit-1"):
            for item in client.list_objects_v2(Bucket=bucket).get("Contents", []):
                client.delete_object(Bucket=bucket, Key=item["Key"])
            client.delete_bucket(Bucket=bucket)

    def test_has_the_bytes_and_type_of_its_source(self, s3: Any) -> None:
        s3.put_object(Bucket="sources", Key="in/a.txt", Body=b"bytes", ContentType="text/x")
        job.run(self.JOB, s3)
        found = s3.get_object(Bucket="kit-1", Key="copies/a.txt")
        assert (found["Body"].read(), found["ContentType"]) == (b"bytes", "text/x")

    def test_of_nothing_is_an_error_of_s3(self, s3: Any) -> None:
        with pytest.raises(ClientError, match="NoSuchKey"):
            job.run(self.JOB, s3)

    def test_above_five_gigabytes_is_done_in_parts(self, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        message = "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120"
        s3.put_object(Bucket="sources", Key="in/a.txt", Body=b"large")

        def refuse(**_: object) -> None:
            raise client_error("InvalidRequest", message, "CopyObject")

        parts: list[Any] = []
        monkeypatch.setattr(s3, "copy_object", refuse)
        monkeypatch.setattr(s3, "copy", lambda *given: parts.append(given))
        job.run(self.JOB, s3)
        assert parts == [({"Bucket": "sources", "Key": "in/a.txt"}, "kit-1", "copies/a.txt")]


class TestNamedJob:
    @pytest.mark.parametrize("reference", ["word_count", "word_count.run", ":run", "word count:run", "count:run()"])
    def test_a_name_in_another_form_is_bad_configuration(self, reference: str) -> None:
        with pytest.raises(SettingsInvalid, match="KIT_JOB: must be module:function"):
            configuration.from_environment({**ENVIRONMENT, "KIT_JOB": reference})

    def test_no_name_is_the_sample(self) -> None:
        assert CONFIGURATION.job == configuration.SAMPLE_JOB == f"{job.__name__}:{job.run.__name__}"
        assert configuration.from_environment({**ENVIRONMENT, "KIT_JOB": ""}).job == configuration.SAMPLE_JOB

    @pytest.mark.parametrize(
        ("reference", "error"),
        [
            ("there_is_no_such_module:run", "ModuleNotFoundError: No module named 'there_is_no_such_module'"),
            ("json:there_is_no_such_function", "no attribute 'there_is_no_such_function'"),
        ],
    )
    def test_a_job_that_is_not_there_is_a_failed_job_that_says_so(
        self, details: DetailsTable, clock: FakeClock, reference: str, error: str
    ) -> None:
        done = worker.work(
            CONFIGURATION,
            ARN,
            details=details,
            last_details=details,
            s3=None,  # type: ignore[arg-type]
            clock=clock,
            job=worker.named_job(reference),
        )
        assert done is ExitCode.JOB_FAILED
        row = details.get(CONFIGURATION.attempt.run_id, ARN)
        assert row is not None and error in (row.error or "")


class TestWork:
    last: DetailsTable | None = None
    """The table as it is written to after SIGTERM."""

    def work(
        self, details: DetailsTable, clock: FakeClock, task_job: Any = lambda *_: None, **changes: Any
    ) -> ExitCode:
        return worker.work(
            replace(CONFIGURATION, **changes),
            ARN,
            details=details,
            last_details=self.last or details,
            s3=None,
            clock=clock,
            job=task_job,  # type: ignore[arg-type]
        )

    def row(self, details: DetailsTable) -> TaskRow:
        found = details.get(CONFIGURATION.attempt.run_id, ARN)
        assert found is not None
        return found

    def test_done_is_recorded_and_exits_0(self, details: DetailsTable, clock: FakeClock) -> None:
        assert self.work(details, clock, lambda *_: clock.advance(2.5)) is ExitCode.DONE
        assert self.row(details) == TaskRow(
            workflow_run_id=1795492244120123,
            ecs_task_id=ARN,
            workflow_name="copying",
            task_name="task_01",
            attempt=2,
            status=TaskStatus.COMPLETED,
            start_time="2026-11-24T03:50:44.120Z",
            update_time="2026-11-24T03:50:46.620Z",
            exec_time_in_seconds=2.5,
            source_uri="s3://sources/in/a.txt",
            target_uri="s3://kit-1/copies/copying/1795492244120123/task_01/a.txt",
            log_stream="ecs/app/abc",
        )

    def test_its_row_may_go_when_the_run_s_may(self, details: DetailsTable, clock: FakeClock) -> None:
        attempt = configuration.from_environment({**ENVIRONMENT, "KIT_EXPIRES_AT": "1795668644"}).attempt
        self.work(details, clock, attempt=attempt)
        assert self.row(details).expires_at == 1795668644

    def test_the_job_is_told_source_target_and_parameters(self, details: DetailsTable, clock: FakeClock) -> None:
        given: list[Job] = []
        self.work(details, clock, lambda job, _: given.append(job))
        key = "copies/copying/1795492244120123/task_01/a.txt"
        assert given == [Job(S3Object("sources", "in/a.txt"), S3Object("kit-1", key), {"COLOUR": "red"})]

    def test_the_row_says_running_while_the_job_runs(self, details: DetailsTable, clock: FakeClock) -> None:
        seen: list[TaskStatus] = []
        self.work(details, clock, lambda *_: seen.append(self.row(details).status))
        assert seen == [TaskStatus.RUNNING]

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (
                client_error("NoSuchKey", "The specified key does not exist.", "CopyObject"),
                "JobFailed: NoSuchKey: The specified key does not exist. (CopyObject); source s3://sources/in/a.txt",
            ),
            (ValueError("bad"), "JobFailed: ValueError: bad; source s3://sources/in/a.txt"),
        ],
    )
    def test_a_failed_job_is_recorded_and_exits_1(
        self, details: DetailsTable, clock: FakeClock, error: Exception, text: str
    ) -> None:
        def fail(*_: object) -> None:
            raise error

        assert self.work(details, clock, fail) is ExitCode.JOB_FAILED
        row = self.row(details)
        assert (row.status, row.error, row.exit_code) == (TaskStatus.FAILED, text, 1)

    @pytest.mark.parametrize("code", [None, 0])
    def test_a_job_that_exits_with_0_is_done(self, details: DetailsTable, clock: FakeClock, code: object) -> None:
        assert self.work(details, clock, lambda *_: sys.exit(code)) is ExitCode.DONE  # type: ignore[arg-type]
        assert self.row(details).status is TaskStatus.COMPLETED

    @pytest.mark.parametrize(
        ("error", "text"),
        [
            (SystemExit(3), "the job called sys.exit(3)"),
            (SystemExit("no"), "the job called sys.exit('no')"),
        ],
    )
    def test_a_job_that_exits_in_any_other_way_has_failed(
        self, details: DetailsTable, clock: FakeClock, error: BaseException, text: str
    ) -> None:
        def end(*_: object) -> None:
            raise error

        assert self.work(details, clock, end) is ExitCode.JOB_FAILED
        row = self.row(details)
        assert (row.status, row.error) == (TaskStatus.FAILED, f"JobFailed: {text}; source s3://sources/in/a.txt")

    def test_a_write_that_sigterm_interrupts_is_made_again_in_a_hurry(
        self, details: DetailsTable, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.last = DetailsTable(details._client, details.name)
        write, calls = details.write, []

        def interrupted(row: TaskRow) -> Any:
            calls.append(row.status)
            if row.status.is_final:
                os.kill(os.getpid(), signal.SIGTERM)
            return write(row)

        monkeypatch.setattr(details, "write", interrupted)
        assert self.work(details, clock) is ExitCode.DONE
        assert calls == [TaskStatus.RUNNING, TaskStatus.COMPLETED]
        assert self.row(details).status is TaskStatus.COMPLETED

    def test_a_write_that_does_not_come_to_its_end_gives_way_to_one_in_a_hurry(
        self, details: DetailsTable, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.last = DetailsTable(details._client, details.name)
        write = details.write

        def stuck(row: TaskRow) -> Any:
            if row.status.is_final:
                os.kill(os.getpid(), signal.SIGTERM)
                raise ReadTimeoutError(endpoint_url="https://dynamodb")  # minutes later
            return write(row)

        monkeypatch.setattr(details, "write", stuck)
        assert self.work(details, clock) is ExitCode.DONE
        assert self.row(details).status is TaskStatus.COMPLETED

    @pytest.mark.parametrize(("sent", "writes"), [(signal.SIGTERM, 1), (signal.SIGALRM, 0)])
    def test_only_the_write_after_sigterm_is_in_a_hurry(
        self, details: DetailsTable, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, sent: int, writes: int
    ) -> None:
        self.last = DetailsTable(details._client, details.name)
        seen: list[TaskRow] = []
        write = self.last.write
        monkeypatch.setattr(self.last, "write", lambda row: (seen.append(row), write(row))[1])
        self.work(details, clock, lambda *_: os.kill(os.getpid(), sent))
        assert len(seen) == writes and self.row(details).status is TaskStatus.FAILED

    def test_sigterm_is_recorded_and_exits_143(self, details: DetailsTable, clock: FakeClock) -> None:
        def terminated(*_: object) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

        assert self.work(details, clock, terminated) is ExitCode.TERMINATED
        row = self.row(details)
        assert (row.status, row.exit_code) == (TaskStatus.FAILED, 143) and row.error.startswith("Terminated: ")

    def test_a_job_that_catches_everything_is_ended_by_sigterm_all_the_same(
        self, details: DetailsTable, clock: FakeClock
    ) -> None:
        def greedy(*_: object) -> None:
            try:
                os.kill(os.getpid(), signal.SIGTERM)
            except Exception:  # noqa: BLE001
                pytest.fail("SIGTERM was taken for an error of the job")

        assert self.work(details, clock, greedy) is ExitCode.TERMINATED

    @pytest.mark.parametrize("changes", [{"task_timeout_seconds": 0}, {"deadline": FakeClock().now()}])
    def test_the_time_limit_is_recorded_and_exits_124(
        self, details: DetailsTable, clock: FakeClock, changes: Any
    ) -> None:
        assert self.work(details, clock, lambda *_: signal.pause(), **changes) is ExitCode.TIME_LIMIT
        row = self.row(details)
        assert row.error == "TaskTimedOut: timed out after {} s or at the run's deadline".format(
            changes.get("task_timeout_seconds", 600)
        )

    def test_the_limit_is_the_sooner_of_the_task_s_and_the_run_s(self, clock: FakeClock) -> None:
        assert worker._limit_seconds(CONFIGURATION, clock.now()) == 600
        assert worker._limit_seconds(replace(CONFIGURATION, task_timeout_seconds=9999), clock.now()) == 3600
        assert worker._limit_seconds(replace(CONFIGURATION, deadline=None), clock.now()) == 600

    @pytest.mark.parametrize("final", [TaskStatus.COMPLETED, TaskStatus.FAILED])
    def test_a_row_that_is_final_already_means_no_job(
        self, details: DetailsTable, clock: FakeClock, final: TaskStatus
    ) -> None:
        self.work(details, clock)
        before = self.row(details) if final is TaskStatus.COMPLETED else None
        done: list[int] = []
        if before is None:
            details._client.delete_item(
                TableName=details.name,
                Key={"workflow_run_id": {"N": str(CONFIGURATION.attempt.run_id)}, "ecs_task_id": {"S": ARN}},
            )
            details.write(
                new_row(
                    CONFIGURATION.attempt, CONFIGURATION.target, TaskStatus.FAILED, ecs_task_arn=ARN, now=clock.now()
                )
            )
        assert self.work(details, clock, lambda *_: done.append(1)) is ExitCode.NOT_RECORDED
        assert done == [] and self.row(details).status is final

    def test_done_counts_only_if_the_row_says_so(self, details: DetailsTable, clock: FakeClock) -> None:
        def overtaken(*_: object) -> None:
            details.write(replace(self.row(details), status=TaskStatus.FAILED, error="TaskTimedOut: x"))

        assert self.work(details, clock, overtaken) is ExitCode.NOT_RECORDED
        assert self.row(details).error == "TaskTimedOut: x"

    def test_a_failure_that_was_recorded_by_another_keeps_its_exit_code(
        self, details: DetailsTable, clock: FakeClock
    ) -> None:
        def overtaken(*_: object) -> None:
            details.write(replace(self.row(details), status=TaskStatus.COMPLETED))
            raise ValueError

        assert self.work(details, clock, overtaken) is ExitCode.JOB_FAILED

    def test_a_write_that_arrived_twice_is_no_failure(
        self, details: DetailsTable, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write = details.write

        def twice(row: TaskRow) -> tuple[TaskRow, bool]:
            write(row)
            return write(row)

        monkeypatch.setattr(details, "write", twice)
        assert self.work(details, clock) is ExitCode.DONE

    def test_a_table_that_cannot_be_written_exits_3(
        self, details: DetailsTable, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done: list[int] = []

        def refuse(_: TaskRow) -> None:
            raise client_error("AccessDeniedException", "no", "UpdateItem")

        monkeypatch.setattr(details, "write", refuse)
        assert self.work(details, clock, lambda *_: done.append(1)) is ExitCode.NOT_RECORDED
        assert done == []

    @pytest.mark.parametrize(
        ("outcome", "code"), [(None, ExitCode.NOT_RECORDED), (ValueError("x"), ExitCode.JOB_FAILED)]
    )
    def test_a_table_that_fails_at_the_end_never_exits_0(
        self,
        details: DetailsTable,
        clock: FakeClock,
        monkeypatch: pytest.MonkeyPatch,
        outcome: Exception | None,
        code: ExitCode,
    ) -> None:
        def refuse(_: TaskRow) -> None:
            raise client_error("ProvisionedThroughputExceededException", "", "UpdateItem")

        def then(*_: object) -> None:
            monkeypatch.setattr(details, "write", refuse)
            if outcome:
                raise outcome

        assert self.work(details, clock, then) is code


class TestInterruptions:
    def test_sigterm_before_there_is_a_row_exits_at_once(self) -> None:
        interruptions.exit_on_term(143)
        with pytest.raises(SystemExit) as left:
            os.kill(os.getpid(), signal.SIGTERM)
        assert left.value.code == 143

    def test_signals_are_ignored_while_the_row_is_written(self) -> None:
        with interruptions.raised(60):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGALRM)
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


class TestEntryPoint:
    def test_prints_its_version(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert entry_point.main(["--version"], {}) == 0
        assert capsys.readouterr().out == f"ecs-step-functions-kit task {entry_point.VERSION}\n"

    def test_its_version_is_the_project_s(self) -> None:
        import tomllib

        project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
        assert project["version"] == entry_point.VERSION

    def test_bad_configuration_exits_2(self) -> None:
        assert entry_point.main([], {}) == ExitCode.BAD_CONFIGURATION

    def test_an_environment_without_region_exits_2(self, metadata: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: int) -> None:
            raise NoRegionError

        monkeypatch.setattr(entry_point, "_clients", refuse)
        environment = {**ENVIRONMENT, "ECS_CONTAINER_METADATA_URI_V4": metadata[0]}
        assert entry_point.main([], environment) == ExitCode.BAD_CONFIGURATION

    def test_sigterm_before_there_is_anything_to_record_exits_143(
        self, metadata: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as in a container's first process
        monkeypatch.setattr(entry_point, "_clients", lambda _: os.kill(os.getpid(), signal.SIGTERM))
        environment = {**ENVIRONMENT, "ECS_CONTAINER_METADATA_URI_V4": metadata[0]}
        with pytest.raises(SystemExit, match="143"):
            entry_point.main([], environment)

    def test_does_the_job_that_the_environment_describes(
        self, metadata: Any, details: DetailsTable, dynamodb: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(entry_point, "_clients", lambda _: (dynamodb, dynamodb, None))
        monkeypatch.setattr(job, "run", lambda *_: None)
        environment = {**ENVIRONMENT, "ECS_CONTAINER_METADATA_URI_V4": metadata[0], "KIT_DEADLINE": ""}
        assert entry_point.main([], environment) == ExitCode.DONE
        found = details.get(CONFIGURATION.attempt.run_id, ARN)
        assert found is not None and found.status is TaskStatus.COMPLETED

    def test_does_the_job_that_the_environment_names_with_the_command_of_the_container(
        self, metadata: Any, details: DetailsTable, dynamodb: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        (tmp_path / "my_own_job.py").write_text("given = []\ndef count(job, s3):\n    given.append((job, s3))\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setattr(entry_point, "_clients", lambda _: (dynamodb, dynamodb, "s3"))
        environment = {**ENVIRONMENT, "ECS_CONTAINER_METADATA_URI_V4": metadata[0], "KIT_DEADLINE": ""}
        assert entry_point.main(["--fast", "7"], {**environment, "KIT_JOB": "my_own_job:count"}) == ExitCode.DONE
        ((given, s3),) = importlib.import_module("my_own_job").given
        assert (given.arguments, given.source, s3) == (("--fast", "7"), S3Object("sources", "in/a.txt"), "s3")

    def test_its_clients_are_made_for_the_time_that_ecs_gives_it(
        self, metadata: Any, details: DetailsTable, dynamodb: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given: list[int] = []

        def clients(stop_timeout_seconds: int) -> Any:
            given.append(stop_timeout_seconds)
            return dynamodb, dynamodb, None

        monkeypatch.setattr(entry_point, "_clients", clients)
        monkeypatch.setattr(job, "run", lambda *_: None)
        environment = {**ENVIRONMENT, "ECS_CONTAINER_METADATA_URI_V4": metadata[0], "KIT_DEADLINE": ""}
        assert entry_point.main([], {**environment, "KIT_STOP_TIMEOUT_SECONDS": "45"}) == ExitCode.DONE
        assert given == [45]

    def test_its_clients_retry_adaptively(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        dynamodb, _, s3 = entry_point._clients(10)
        for client in (dynamodb, s3):
            assert client.meta.config.retries == {"mode": "adaptive", "total_max_attempts": 11}

    @pytest.mark.parametrize("stop_timeout", [2, 10, 120])
    def test_its_write_after_sigterm_gives_up_before_ecs_kills_it(
        self, stop_timeout: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        _, last, _ = entry_point._clients(stop_timeout)
        config = last.meta.config
        tries = config.retries["total_max_attempts"]
        pauses = tries - 1  # at most a second each
        assert tries * (config.connect_timeout + config.read_timeout) + pauses < stop_timeout

    def test_starts_as_a_process_without_anything_but_boto3(self) -> None:
        root = Path(__file__).parents[3]
        answer = subprocess.run(
            [sys.executable, "-m", "ecs_kit.runtime.task", "--version"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        assert "ecs-step-functions-kit task" in answer.stdout
        loads = "[name for name in sys.modules if name in ('fastjsonschema', 'boto3')]"
        code = f"import sys, ecs_kit.runtime.task.__main__; print({loads})"
        loaded = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
        assert loaded.stdout.strip() == "[]"
