"""A failed `RunTask` of pattern 2: what the monitor records of it, and whether another attempt follows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecs_kit.runtime.contract import failures, waits
from ecs_kit.runtime.contract.errors import RedriveRefused, RunIdInUse, RunNotFound
from ecs_kit.runtime.contract.failures import FailureKind
from ecs_kit.runtime.contract.records import TaskRow
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus
from tests.unit.runtime.fakes import ACCOUNT, EXECUTION, REGION, execution

TASK_ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/kit-2/0123abcd"
QUOTA = "You've reached the limit on the number of vCPUs you can run concurrently"
EXITED = "Essential container in task exited"


def ecs_cause(**changes: Any) -> str:
    """The cause of States.TaskFailed as Step Functions writes it, about 3 KB."""
    task = {
        "Attachments": [{"Details": [{"Name": "subnetId", "Value": "subnet-1"}], "Status": "DELETED"}],
        "ClusterArn": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/kit-2",
        "Containers": [{"ExitCode": 1, "LastStatus": "STOPPED", "Name": "app", "TaskArn": TASK_ARN}],
        "DesiredStatus": "STOPPED",
        "LastStatus": "STOPPED",
        "StartedBy": "AWS Step Functions",
        "StopCode": "EssentialContainerExited",
        "StoppedReason": EXITED,
        "TaskArn": TASK_ARN,
        "Tags": ["x" * 2200],
        **changes,
    }
    return json.dumps(task)


def with_sidecar(code: int, **changes: Any) -> str:
    """The cause where a container that AWS added failed, too."""
    containers = [
        {"ExitCode": 137, "Name": "aws-guardduty-agent", "Reason": "CannotPullContainerError", "TaskArn": TASK_ARN},
        {"ExitCode": code, "Name": "app", "TaskArn": TASK_ARN},
    ]
    named = {"ContainerOverrides": [{"Name": "app", "Environment": []}]}
    return ecs_cause(Containers=containers, Overrides=named, **changes)


def not_placed(reason: str) -> str:
    arn = "arn:aws:ecs:eu-central-1:123456789012:cluster/kit-of-agents-with-capacity"
    return json.dumps({"Failures": [{"Arn": arn, "Reason": reason}], "Tasks": []})


JOB_FAILED = ("States.TaskFailed", ecs_cause())
SPOT_LOST = ecs_cause(StopCode="SpotInterruption", StoppedReason="Your Spot Task was interrupted.")


def failed(w: Any, error: str, cause: str, **changes: Any) -> Any:
    """Let the monitor classify a failure of the first task."""
    payload = {
        "execution": execution(),
        "workflowName": "copying",
        "runId": str(w.run_id),
        "task": {"taskName": "task_01", "objectKey": "in/1.txt"},
        "sourceBucket": "kit-2",
        "index": 0,
        "attempt": 1,
        "infrastructureFailures": 0,
        "waitedSeconds": 0,
        "turn": 0,
        "retries": 0,
        "error": error,
        "cause": cause,
        **changes,
    }
    return w.monitor.record_failure(payload)


@pytest.fixture
def registered(world: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a world of pattern 2 with a registered run."""

    def build(**settings: Any) -> Any:
        w = world(2, **settings)
        w.register()
        return w

    return build


@pytest.fixture
def w(registered: Callable[..., Any]) -> Any:
    return registered()


class TestRecords:
    def row(self, w: Any, **changes: Any) -> TaskRow:
        """The row of a failed job."""
        row = TaskRow(
            workflow_run_id=w.run_id,
            ecs_task_id=TASK_ARN,
            workflow_name="copying",
            task_name="task_01",
            attempt=1,
            status=TaskStatus.FAILED,
            start_time=w.now,
            update_time=w.now,
            source_uri="s3://kit-2/in/1.txt",
            target_uri=f"s3://kit-2/copies/copying/{w.run_id}/task_01/1.txt",
            error="ContainerExited: the container exited with code 1",
            stopped_reason=EXITED,
            stop_code="EssentialContainerExited",
            exit_code=1,
            log_stream="ecs/app/0123abcd",
            task_index=0,
            uncounted="copying/0/1/task_01",
        )
        row = replace(row, **changes)
        return replace(row, confirmed_as=row.identity)

    def test_a_failed_job_is_recorded_with_ecs_s_reasons(self, w: Any) -> None:
        assert failed(w, *JOB_FAILED)["again"] is False
        assert w.rows() == [self.row(w)]

    def test_the_task_s_own_reasons_are_never_overwritten(self, w: Any) -> None:
        began = "2026-11-24T03:00:00.000Z"
        w.details.put_new(self.row(w, start_time=began, error="JobFailed: no", stopped_reason=None, stop_code=None))
        failed(w, *JOB_FAILED)
        assert w.rows() == [self.row(w, start_time=began, error="JobFailed: no")]

    def test_a_completed_row_is_never_overwritten(self, registered: Any) -> None:
        w = registered(taskAttempts=5)
        completed = self.row(w, error=None, status=TaskStatus.COMPLETED)
        w.details.put_new(completed)
        assert failed(w, *JOB_FAILED) == {"again": False}
        assert w.rows() == [completed]

    def test_a_row_of_another_workflow_with_the_same_run_id_is_never_overwritten(self, registered: Any) -> None:
        w = registered(taskAttempts=5)
        other = self.row(w, workflow_name="other", ecs_task_id="not-started/task_01/1")
        w.details.put_new(other)
        assert failed(w, "ECS.InvalidParameterException", "TaskDefinition is inactive")["again"] is False
        (own,) = w.rows()
        assert (own.ecs_task_id, own.task_name) == ("not-started/task_01/1/copying", "task_01")
        (stored,) = w.details.rows(w.run_id, "other")
        assert (stored.error, stored.confirmed_as) == (other.error, f"{other.identity}/ContainerExited")

    def test_ecs_s_own_times_are_recorded_and_the_task_s_are_kept(self, w: Any) -> None:
        names = ("CreatedAt", "PullStartedAt", "PullStoppedAt", "StartedAt", "ExecutionStoppedAt")
        cause = ecs_cause(**{name: 1795492250000 + 1000 * number for number, name in enumerate(names)})
        w.details.put_new(self.row(w, started_at="2026-11-24T03:50:52.900Z", stopped_reason=None))
        failed(w, "States.TaskFailed", cause)
        (row,) = w.rows()
        times = [row.queued_at, row.pull_started_at, row.pull_stopped_at, row.started_at, row.stopped_at]
        assert times == [f"2026-11-24T03:50:{second}Z" for second in ("50.000", "51.000", "52.000", "52.900", "54.000")]

    def test_a_refusal_is_recorded_and_not_retried(self, registered: Any) -> None:
        w = registered(taskAttempts=3, recordRetentionDays=2)
        answer = failed(w, "ECS.InvalidParameterException", "TaskDefinition is inactive")
        (row,) = w.rows()
        assert not answer["again"] and row.ecs_task_id == "not-started/task_01/1"
        assert row.error == "ECS.InvalidParameterException: ECS did not start the task: TaskDefinition is inactive"
        (item,) = w.dynamodb.items("workflow_details")
        assert item["expires_at"] == {"N": str(w.summary().expires_at)}

    @pytest.mark.parametrize(
        "code",
        [
            *("AccessDeniedException", "AuthFailure", "ClientException", "ExpiredTokenException", "InvalidAction"),
            *("IncompleteSignature", "InvalidClientTokenId", "InvalidParameterException", "NotAuthorized"),
            *("InvalidSignatureException", "MalformedHttpRequestException", "MissingAuthenticationToken"),
            *("OptInRequired", "SubscriptionRequiredException", "UnknownOperationException"),
            *("UnrecognizedClientException", "ValidationException", "ValidationError"),
        ],
    )
    def test_an_error_that_ecs_does_not_declare_is_refused_where_its_code_is_definite(self, w: Any, code: str) -> None:
        cause = f"No. (Service: AmazonECS; Status Code: 400; Error Code: {code}; Request ID: 01ab)"
        assert not failed(w, "ECS.AmazonECSException", cause)["again"]
        assert w.rows()[0].error == f"ECS.AmazonECSException: ECS did not start the task: {cause}"

    def test_a_time_out_is_recorded_by_the_next_poll(self, registered: Any) -> None:
        w = registered(taskAttempts=2)
        assert failed(w, "States.Timeout", "")["again"] is True
        assert failed(w, "States.Timeout", "", attempt=2)["again"] is False
        assert w.rows() == []

    def test_reason_and_exit_code_are_those_of_the_failed_container(self, w: Any) -> None:
        reason = "OutOfMemoryError: Container killed due to memory usage"
        containers = [{"ExitCode": 0, "Name": "side"}, {"ExitCode": 137, "Reason": reason, "Name": "app"}]
        failed(w, "States.TaskFailed", ecs_cause(Containers=containers))
        assert w.rows()[0].error == f"ContainerExited: the container exited with code 137 ({reason})"
        assert w.rows()[0].exit_code == 137

    def test_an_ended_run_is_unchanged(self, registered: Any) -> None:
        w = registered(taskAttempts=3)
        w.summaries.finish(w.summary(), RunStatus.FAILED, w.now)
        assert failed(w, *JOB_FAILED) == {"again": False}
        assert w.rows() == []


class TestAttempts:
    @pytest.mark.parametrize("attempts", [1, 2, 3])
    def test_a_job_has_its_attempts(self, registered: Any, attempts: int) -> None:
        w = registered(taskAttempts=attempts)
        answers = [failed(w, *JOB_FAILED, attempt=n) for n in range(1, attempts + 1)]
        assert [answer["again"] for answer in answers] == [True] * (attempts - 1) + [False]
        assert [answer["attempt"] for answer in answers] == list(range(2, attempts + 2))
        assert all(1 <= answer["waitSeconds"] <= 30 for answer in answers)

    @pytest.mark.parametrize(
        ("stop_code", "reason", "code"),
        [
            ("TaskFailedToStart", 'CannotPullContainerError: "kit"', "TaskFailedToStart"),
            ("SpotInterruption", "Your Spot Task was interrupted.", "SpotInterruption"),
            ("TerminationNotice", "going", "TerminationNotice"),
            ("InfrastructureHealth", "unhealthy", "InfrastructureHealth"),
            ("", "Host EC2 (instance i-0) terminated.", "HostLost"),
        ],
    )
    def test_infrastructure_is_retried_three_times(self, w: Any, stop_code: str, reason: str, code: str) -> None:
        cause = ecs_cause(StopCode=stop_code, StoppedReason=reason, Containers=[])
        answers = [failed(w, "States.TaskFailed", cause, attempt=n + 1, infrastructureFailures=n) for n in range(4)]
        assert [answer["again"] for answer in answers] == [True, True, True, False]
        assert [answer["infrastructureFailures"] for answer in answers] == [1, 2, 3, 4]
        assert w.rows()[0].error == f"{code}: {reason}"

    @pytest.mark.parametrize(
        ("stop_code", "infrastructure", "code"),
        [("UserInitiated", 0, "TaskStopped"), ("SpotInterruption", 1, "SpotInterruption")],
    )
    def test_a_container_that_was_stopped_and_exits_0_is_retried(
        self, registered: Any, stop_code: str, infrastructure: int, code: str
    ) -> None:
        w = registered(taskAttempts=2, jobRecords="ecs")
        answer = failed(w, "TaskStopped", with_sidecar(0, StopCode=stop_code, StoppedReason="by hand"))
        assert (answer["again"], answer["infrastructureFailures"]) == (True, infrastructure)
        assert [(row.error, row.exit_code) for row in w.rows()] == [(f"{code}: by hand", 0)]

    def test_an_image_that_does_not_exist_is_not_tried_again(self, w: Any) -> None:
        image = "111122223333.dkr.ecr.eu-central-1.amazonaws.com/kit:none"
        reason = f"CannotPullContainerError: pull image manifest has been retried 1 time(s): {image}: not found"
        cause = ecs_cause(StopCode="TaskFailedToStart", StoppedReason=reason, Containers=[])
        assert failed(w, "States.TaskFailed", cause)["again"] is False
        assert w.rows()[0].error == f"TaskFailedToStart: {reason}"
        slow = cause.replace(": not found", ": dial tcp: i/o timeout")
        assert failed(w, "States.TaskFailed", slow, task={"taskName": "b", "objectKey": "k"})["again"] is True

    def test_an_exit_code_of_success_is_no_failure(self, registered: Any) -> None:
        w = registered(taskAttempts=2, jobRecords="ecs", successExitCodes=["0", "4"])
        assert failed(w, "States.TaskFailed", with_sidecar(4)) == {"again": False}
        assert w.rows() == [], "the row is kept by ECS's event or by the next poll"
        assert failed(w, "States.TaskFailed", with_sidecar(3))["again"] is True

    def test_infrastructure_is_not_retried_where_the_history_has_no_room(self, registered: Any) -> None:
        w = registered(taskAttempts=2)
        w.summaries.count_events(w.summary(), 20_000)
        assert failed(w, *JOB_FAILED)["again"] is True, "a list leaves room for those"
        assert failed(w, "States.TaskFailed", SPOT_LOST.replace(TASK_ARN, f"{TASK_ARN}-2"))["again"] is True
        w.summaries.count_events(w.summary(), 5_000)
        counted = w.summary().wait_events
        assert failed(w, "States.TaskFailed", SPOT_LOST.replace(TASK_ARN, f"{TASK_ARN}-3"))["again"] is False
        assert w.summary().wait_events == counted
        assert [row.status for row in w.rows()] == [TaskStatus.FAILED] * 3

    @pytest.mark.parametrize(("retries", "again", "counted"), [(0, True, 15), (6, False, 18)])
    def test_where_run_task_itself_was_retried_room_is_left_to_the_other_tasks(
        self, w: Any, retries: int, again: bool, counted: int
    ) -> None:
        w.summaries.count_events(w.summary(), waits.events_for_waits(w.settings, w.summary()) - 60)
        before = w.summary().wait_events
        assert failed(w, "States.TaskFailed", SPOT_LOST, retries=retries)["again"] is again
        assert w.summary().wait_events - before == counted, "its own retries took place"

    def test_infrastructure_does_not_use_up_the_job_s_attempts(self, registered: Any) -> None:
        w = registered(taskAttempts=2)
        assert failed(w, *JOB_FAILED, attempt=3, infrastructureFailures=2)["again"] is True
        assert failed(w, *JOB_FAILED, attempt=5, infrastructureFailures=3)["again"] is False

    def test_other_failures_of_run_task_count_as_infrastructure(self, w: Any) -> None:
        assert failed(w, "AmazonECS.Unknown", not_placed("ATTRIBUTE"))["again"] is True
        assert w.rows()[0].error.startswith("AmazonECS.Unknown: ECS did not start the task: ")

    def test_they_are_those_of_the_run_s_registration(self, registered: Any, world: Any) -> None:
        registered(taskAttempts=2)
        assert failed(world(2, taskAttempts=1), *JOB_FAILED)["again"] is True


BUSY = [
    ("ECS.AmazonECSException", "Rate exceeded (Service: AmazonECS; Status Code: 400; Error Code: ThrottlingException)"),
    ("ECS.AmazonECSException", "Capacity is unavailable at this time. Please try again later"),
    ("ECS.AmazonECSException", ""),
    ("ECS.SdkClientException", "Unable to execute HTTP request: Connect to ecs timed out"),
    ("ECS.ServerException", "busy"),
    ("ECS.InvalidParameterException", "Rate exceeded (Service: AmazonECS)"),
    ("ECS.ClientException", "Capacity is unavailable at this time. Please try again later"),
    ("ECS.InvalidParameterException", "Request limit exceeded. (ErrorCode: RequestLimitExceeded)"),
    ("ECS.LimitExceededException", "no more"),
    ("ECS.ThrottlingException", ""),
    ("ECS.AmazonECSException", "Request limit exceeded. (Service: AmazonECS; Error Code: ClientException)"),
    ("ECS.AmazonECSException", "A code of later. (Service: AmazonECS; Status Code: 400; Error Code: NewException)"),
    ("ECS.AmazonECSException", "Not authorized. (Service: Ecs, Status Code: 400, Request ID: 01ab)"),
    ("AmazonECS.Unknown", not_placed("RESOURCE:MEMORY")),
    ("AmazonECS.Unknown", not_placed("AGENT")),
    ("AmazonECS.Unknown", not_placed("Capacity is unavailable at this time")),
    ("AmazonECS.Unknown", not_placed(QUOTA)),
]


def test_what_aws_adds_to_a_task_does_not_judge_the_job() -> None:
    found = failures.of_state("States.TaskFailed", with_sidecar(3))
    assert (found.failure.exit_code, found.failure.error) == (
        3,
        "ContainerExited: the container exited with code 3",
    )
    assert (task := failures.of_state("States.TaskFailed", with_sidecar(0)).task) and task.exit_code == 0


class TestCapacity:
    @pytest.mark.parametrize(("error", "cause"), BUSY)
    def test_is_waited_for_however_often_it_lacks_and_its_lack_changes_the_turn(
        self, w: Any, error: str, cause: str
    ) -> None:
        answers = [failed(w, error, cause) for _ in range(30)]
        assert all(answer["again"] and answer["attempt"] == 1 for answer in answers)
        assert w.rows() == [] and w.summary().capacity_waits == 30
        lacks = any(word in cause for word in ("Capacity", "RESOURCE", "AGENT", "limit on"))
        turns = [failed(w, error, cause, turn=turn)["turn"] for turn in (0, 1)]
        assert turns == ([1, 2] if lacks else [0, 1]), "throttling changes no turn"

    def test_waits_grow_to_a_quarter_of_an_hour_and_tell_since_when(self, registered: Any) -> None:
        w = registered(runTimeoutSeconds=21_600)
        began = w.now
        pauses: list[int] = []
        for _ in range(14):
            answer = failed(w, *BUSY[0], waitedSeconds=sum(pauses))
            pauses.append(answer["waitSeconds"])
            assert answer["waitedSeconds"] == sum(pauses)
            w.clock.advance(pauses[-1])
        assert 5 <= pauses[0] <= 11 and 450 <= max(pauses) <= 901
        assert w.summary().waiting_since == began
        assert f"; waiting for capacity since {began}: ECS.AmazonECSException: " in w.poll()["message"]

    def test_a_wait_is_as_long_as_the_task_has_waited_itself(self, registered: Any) -> None:
        w = registered(runTimeoutSeconds=21_600)
        w.clock.advance(failed(w, *BUSY[0], waitedSeconds=800)["waitSeconds"])
        assert failed(w, *BUSY[0])["waitSeconds"] <= 11
        assert failed(w, *BUSY[0], waitedSeconds=800)["waitSeconds"] > 400

    def test_the_events_of_waits_and_retries_are_counted(self, registered: Any) -> None:
        w = registered(taskAttempts=2)
        failed(w, *BUSY[0], retries=6)
        failed(w, *BUSY[6])
        assert w.summary().wait_events == 33 + 15
        assert failed(w, *JOB_FAILED, retries=1)["again"]
        assert w.summary().wait_events == 33 + 15 + 18
        assert not failed(w, *JOB_FAILED, attempt=2, retries=2)["again"]
        assert w.summary().wait_events == 33 + 15 + 18 + 6

    @pytest.mark.parametrize(
        ("share", "index", "is_short"), [(0, 0, False), (100, 0, True), (50, 0, False), (50, 1, True)]
    )
    def test_only_the_first_wait_for_lack_of_spot_is_not_rationed(
        self, registered: Any, share: int, index: int, is_short: bool
    ) -> None:
        w = registered(runTimeoutSeconds=21_600, spotShare=share)
        w.summaries.count_events(w.summary(), 20_000)
        assert failed(w, *BUSY[0], index=index)["waitSeconds"] > 1_000, "throttling"
        wait = failed(w, *BUSY[1], index=index, waitedSeconds=10)["waitSeconds"]
        assert 5 <= wait <= 11 if is_short else 1_000 < wait <= 21_600
        assert failed(w, *BUSY[1], index=index, waitedSeconds=20, turn=1)["waitSeconds"] > 1_000

    def test_the_run_waits_for_the_last_of_its_tasks(self, registered: Any) -> None:
        w = registered(runTimeoutSeconds=21_600)
        began = w.now
        failed(w, *BUSY[0], task={"taskName": "task_02", "objectKey": "in/2.txt"})
        longest = failed(w, *BUSY[0], waitedSeconds=600)["waitSeconds"]
        w.clock.advance(20)
        w.record(w.run_task("task_02"), "task_02", TaskStatus.RUNNING)
        w.poll()
        assert w.summary().waiting_since == began
        w.clock.advance(longest - 20 + 149)
        w.poll()
        assert w.summary().waiting_since == began, "its retries may take so long"
        w.clock.advance(2)
        w.poll()
        assert w.summary().waiting_since is None

    def test_its_reason_is_ecs_s_own_sentence(self, w: Any) -> None:
        failed(w, "AmazonECS.Unknown", not_placed(QUOTA))
        assert w.summary().waiting_reason == f"AmazonECS.Unknown: ECS did not start the task: {QUOTA}"

    def test_another_attempt_is_waited_for_as_the_first_one_is(self, registered: Any) -> None:
        w = registered(taskAttempts=2)
        for name in ("task_01", "task_02", "task_03"):
            arn, task = f"{TASK_ARN}-{name}", {"taskName": name, "objectKey": "in/1.txt"}
            assert failed(w, "States.TaskFailed", ecs_cause().replace(TASK_ARN, arn), task=task)["again"]
        for _ in range(30):
            assert failed(w, *BUSY[0], attempt=2)["again"]
            w.clock.advance(100)
            assert not w.poll()["done"]
        assert w.summary().running_tasks == 3

    @pytest.mark.parametrize("is_early", [True, False])
    def test_an_ended_run_waits_no_more(self, w: Any, is_early: bool) -> None:
        failed(w, *BUSY[0])
        if is_early:
            w.summaries.end_early(w.summary(), RunStatus.TIMED_OUT, w.now)
        else:
            w.summaries.finish(w.summary(), RunStatus.FAILED, w.now)
        assert (w.summary().waiting_since, w.summary().waiting_reason) == (None, None)


def test_failures_of_other_runs_are_refused(world: Any) -> None:
    w = world(2)
    with pytest.raises(RunNotFound):
        failed(w, *JOB_FAILED)
    w.register()
    with pytest.raises(RunIdInUse):
        failed(w, *JOB_FAILED, execution=execution(EXECUTION + "2"))
    with pytest.raises(RedriveRefused):
        failed(w, *JOB_FAILED, execution=execution(redrive_count=1))
    assert w.rows() == []


class TestCauses:
    @pytest.mark.parametrize(
        "cause",
        ["", "junk", "{", '{"TaskArn":', "null", "[1]", ecs_cause()[:900], '{"TaskArn": 3}', '"\\"', "{% $error() %}"],
    )
    @pytest.mark.parametrize("error", ["States.TaskFailed", "Junk", ""])
    def test_any_text_is_classified(self, cause: str, error: str) -> None:
        assert failures.of_state(error, cause).kind in (FailureKind.JOB, FailureKind.REFUSED)

    @given(st.text(), st.text())
    def test_whatever_it_says(self, error: str, cause: str) -> None:
        assert failures.of_state(error, cause).failure.error

    def test_a_truncated_one_still_names_its_task(self) -> None:
        cut = json.dumps({"TaskArn": TASK_ARN, "StopCode": "EssentialContainerExited", "Rest": "x" * 50})[:-20]
        found = failures.of_state("States.TaskFailed", cut).task
        assert found is not None and found.arn == TASK_ARN

    @pytest.mark.parametrize("text", ['a "quoted" word', "line\nline", "ü\\", "\u2028"])
    def test_texts_are_read_as_json_writes_them(self, text: str) -> None:
        cause = ecs_cause(StoppedReason=text, Containers=[])
        assert failures.of_state("States.TaskFailed", cause).failure.stopped_reason == text
