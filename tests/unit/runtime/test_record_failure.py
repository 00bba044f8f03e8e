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
from ecs_kit.runtime.contract.clock import to_iso
from ecs_kit.runtime.contract.errors import RedriveRefused, RunIdInUse, RunNotFound
from ecs_kit.runtime.contract.failures import FailureKind
from ecs_kit.runtime.contract.records import Counts, TaskRow
from ecs_kit.runtime.contract.statuses import RunStatus, TaskStatus
from tests.unit.runtime.fakes import ACCOUNT, EXECUTION, REGION, execution, spec

TASK_ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/kit-2/0123abcd"
QUOTA = "You've reached the limit on the number of vCPUs you can run concurrently"


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
        "StoppedReason": "Essential container in task exited",
        "TaskArn": TASK_ARN,
        "Tags": ["x" * 2200],
        **changes,
    }
    return json.dumps(task)


def not_placed(reason: str) -> str:
    return json.dumps({"Failures": [{"Reason": reason}], "Tasks": []})


def failed(
    w: Any,
    error: str,
    cause: str,
    *,
    attempt: int = 1,
    infrastructure: int = 0,
    waited: int = 0,
    waits: int = 0,
    retries: int = 0,
    **changes: Any,
) -> Any:
    """Let the monitor judge a failure of the first task."""
    payload = {
        "action": "record_failure",
        "execution": execution(),
        "workflowName": "copying",
        "runId": str(w.run_id),
        "task": {"taskName": "task_01", "objectKey": "in/1.txt"},
        "sourceBucket": "kit-2",
        "index": 0,
        "attempt": attempt,
        "infrastructureFailures": infrastructure,
        "waitedSeconds": waited,
        "waits": waits,
        "retries": retries,
        "error": error,
        "cause": cause,
        **changes,
    }
    return w.monitor.record_failure(json.loads(json.dumps(payload)))


@pytest.fixture
def registered(world: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a world of pattern 2 with a registered run."""

    def build(**settings: Any) -> Any:
        w = world(2, **settings)
        w.monitor.register({"execution": execution(), "spec": spec(2)})
        return w

    return build


class TestRecords:
    def test_a_failed_job_is_recorded_with_what_ecs_says(self, registered: Callable[..., Any]) -> None:
        w = registered()
        assert failed(w, "States.TaskFailed", ecs_cause())["again"] is False
        now = to_iso(w.clock.now())
        assert w.rows() == [
            TaskRow(
                workflow_run_id=w.run_id,
                ecs_task_id=TASK_ARN,
                workflow_name="copying",
                task_name="task_01",
                attempt=1,
                status=TaskStatus.FAILED,
                start_time=now,
                update_time=now,
                source_uri="s3://kit-2/in/1.txt",
                target_uri=f"s3://kit-2/copies/copying/{w.run_id}/task_01/1.txt",
                error="ContainerExited: the container exited with code 1",
                stopped_reason="Essential container in task exited",
                stop_code="EssentialContainerExited",
                exit_code=1,
                log_stream="ecs/app/0123abcd",
            )
        ]

    def test_reasons_that_the_task_itself_wrote_stay(self, registered: Callable[..., Any]) -> None:
        w = registered()
        failed(w, "States.TaskFailed", ecs_cause())
        (row,) = w.rows()
        w.details._client.delete_item(
            TableName=w.details.name,
            Key={"workflow_run_id": {"N": str(w.run_id)}, "ecs_task_id": {"S": TASK_ARN}},
        )
        own = replace(
            row, start_time="2026-11-24T03:00:00.000Z", error="JobFailed: no", stopped_reason=None, stop_code=None
        )
        w.details.put_new(own)
        failed(w, "States.TaskFailed", ecs_cause())
        (row,) = w.rows()
        assert (row.error, row.start_time) == ("JobFailed: no", "2026-11-24T03:00:00.000Z")
        assert (row.stopped_reason, row.stop_code) == (
            "Essential container in task exited",
            "EssentialContainerExited",
        )

    def test_a_task_that_is_recorded_as_completed_is_not_tried_again(self, registered: Callable[..., Any]) -> None:
        w = registered(taskAttempts=5)
        failed(w, "States.TaskFailed", ecs_cause())
        (row,) = w.rows()
        w.details._client.delete_item(
            TableName=w.details.name,
            Key={"workflow_run_id": {"N": str(w.run_id)}, "ecs_task_id": {"S": TASK_ARN}},
        )
        w.details.put_new(replace(row, status=TaskStatus.COMPLETED))
        assert failed(w, "States.TaskFailed", ecs_cause()) == {"again": False}
        assert w.rows()[0].status is TaskStatus.COMPLETED

    def test_a_row_of_another_workflow_with_the_same_run_id_is_left_alone(self, registered: Callable[..., Any]) -> None:
        w = registered(taskAttempts=2)
        refusal = ("ECS.ClientException", "no")
        failed(w, *refusal)
        other = replace(w.rows()[0], workflow_name="other")
        w.details._client.delete_item(
            TableName=w.details.name,
            Key={"workflow_run_id": {"N": str(w.run_id)}, "ecs_task_id": {"S": other.ecs_task_id}},
        )
        w.details.put_new(other)
        assert failed(w, *refusal) == {"again": False}
        assert w.details.rows(w.run_id, "other") == [other]

    def test_a_refusal_is_recorded_and_not_tried_again(self, registered: Callable[..., Any]) -> None:
        w = registered(taskAttempts=3, recordRetentionDays=2)
        answer = failed(w, "ECS.InvalidParameterException", "TaskDefinition is inactive")
        (row,) = w.rows()
        assert not answer["again"] and row.ecs_task_id == "not-started/task_01/1"
        assert row.error == "ECS.InvalidParameterException: ECS did not start the task: TaskDefinition is inactive"
        assert row.expires_at == w.summary().expires_at is not None

    def test_a_time_out_leaves_the_record_to_the_next_look(self, registered: Callable[..., Any]) -> None:
        w = registered(taskAttempts=2)
        assert failed(w, "States.Timeout", "")["again"] is True
        assert failed(w, "States.Timeout", "", attempt=2)["again"] is False
        assert w.rows() == []

    def test_the_container_s_reason_is_told(self, registered: Callable[..., Any]) -> None:
        w = registered()
        killed = [{"ExitCode": 137, "Reason": "OutOfMemoryError: Container killed due to memory usage", "Name": "app"}]
        failed(w, "States.TaskFailed", ecs_cause(Containers=killed))
        assert w.rows()[0].error == (
            "ContainerExited: the container exited with code 137 "
            "(OutOfMemoryError: Container killed due to memory usage)"
        )

    def test_the_exit_code_is_that_of_the_container_that_failed(self, registered: Callable[..., Any]) -> None:
        w = registered()
        containers = [{"ExitCode": 0, "Name": "side"}, {"ExitCode": 3, "Name": "app"}]
        failed(w, "States.TaskFailed", ecs_cause(Containers=containers))
        assert w.rows()[0].exit_code == 3

    def test_a_run_that_has_ended_is_left_as_it_is(self, registered: Callable[..., Any]) -> None:
        w = registered(taskAttempts=3)
        w.summaries.finish(w.summary(), RunStatus.FAILED, Counts(0, 3, 0), to_iso(w.clock.now()))
        assert failed(w, "States.TaskFailed", ecs_cause()) == {"again": False}
        assert w.rows() == []


class TestAttempts:
    @pytest.mark.parametrize("attempts", [1, 2, 3])
    def test_a_job_has_its_attempts(self, registered: Callable[..., Any], attempts: int) -> None:
        w = registered(taskAttempts=attempts)
        answers = [failed(w, "States.TaskFailed", ecs_cause(), attempt=n) for n in range(1, attempts + 1)]
        assert [answer["again"] for answer in answers] == [True] * (attempts - 1) + [False]
        assert [answer["attempt"] for answer in answers] == list(range(2, attempts + 2))
        assert all(1 <= answer["waitSeconds"] <= 30 for answer in answers)

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            (
                {"StopCode": "TaskFailedToStart", "StoppedReason": 'CannotPullContainerError: "kit"'},
                "TaskFailedToStart",
            ),
            ({"StopCode": "SpotInterruption", "StoppedReason": "Your Spot Task was interrupted."}, "SpotInterruption"),
            ({"StopCode": "TerminationNotice", "StoppedReason": "going"}, "TerminationNotice"),
            ({"StopCode": "InfrastructureHealth", "StoppedReason": "unhealthy"}, "InfrastructureHealth"),
            ({"StopCode": "", "StoppedReason": "Host EC2 (instance i-0) terminated."}, "HostLost"),
        ],
    )
    def test_infrastructure_is_tried_three_times_more(
        self, registered: Callable[..., Any], changes: Any, code: str
    ) -> None:
        w = registered()
        cause = ecs_cause(**changes, Containers=[])
        answers = [failed(w, "States.TaskFailed", cause, attempt=n + 1, infrastructure=n) for n in range(4)]
        assert [answer["again"] for answer in answers] == [True, True, True, False]
        assert [answer["infrastructureFailures"] for answer in answers] == [1, 2, 3, 4]
        assert w.rows()[0].error == f"{code}: {changes['StoppedReason']}"

    def test_infrastructure_is_not_tried_again_where_the_history_has_no_room_for_it(
        self, registered: Callable[..., Any]
    ) -> None:
        w = registered(taskAttempts=2)
        w.summaries.count_events(w.summary(), 20_000)
        assert failed(w, "States.TaskFailed", ecs_cause(), attempt=1)["again"] is True, "a list leaves room for those"
        lost = ecs_cause(StopCode="SpotInterruption", StoppedReason="Your Spot Task was interrupted.")
        assert failed(w, "States.TaskFailed", lost.replace(TASK_ARN, f"{TASK_ARN}-2"))["again"] is True
        w.summaries.count_events(w.summary(), 5_000)
        counted = w.summary().wait_events
        assert failed(w, "States.TaskFailed", lost.replace(TASK_ARN, f"{TASK_ARN}-3"))["again"] is False
        assert w.summary().wait_events == counted
        assert [row.status for row in w.rows()] == [TaskStatus.FAILED] * 3

    @pytest.mark.parametrize(("retries", "again"), [(0, True), (6, False)])
    def test_where_run_task_itself_had_to_try_again_room_is_left_to_the_other_tasks(
        self, registered: Callable[..., Any], retries: int, again: bool
    ) -> None:
        w = registered()
        w.summaries.count_events(w.summary(), waits.events_for_waits(w.settings, 3, 0, 0) - 60)
        counted = w.summary().wait_events
        lost = ecs_cause(StopCode="SpotInterruption", StoppedReason="Your Spot Task was interrupted.")
        assert failed(w, "States.TaskFailed", lost, retries=retries)["again"] is again
        assert w.summary().wait_events - counted == (15 if again else 18), "its own retries took place"

    def test_infrastructure_does_not_use_up_the_job_s_attempts(self, registered: Callable[..., Any]) -> None:
        w = registered(taskAttempts=2)
        assert failed(w, "States.TaskFailed", ecs_cause(), attempt=3, infrastructure=2)["again"] is True
        assert failed(w, "States.TaskFailed", ecs_cause(), attempt=5, infrastructure=3)["again"] is False

    def test_other_failures_of_run_task_count_as_infrastructure(self, registered: Callable[..., Any]) -> None:
        w = registered()
        assert failed(w, "AmazonECS.Unknown", not_placed("ATTRIBUTE"))["again"] is True
        assert w.rows()[0].error.startswith("AmazonECS.Unknown: ECS did not start the task: ")

    def test_they_are_those_that_the_run_was_registered_with(
        self, registered: Callable[..., Any], world: Callable[..., Any]
    ) -> None:
        registered(taskAttempts=2)
        assert failed(world(2, taskAttempts=1), "States.TaskFailed", ecs_cause())["again"] is True


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
    ("AmazonECS.Unknown", not_placed("RESOURCE:MEMORY")),
    ("AmazonECS.Unknown", not_placed("AGENT")),
    ("AmazonECS.Unknown", not_placed("Capacity is unavailable at this time")),
    ("AmazonECS.Unknown", not_placed(QUOTA)),
]


class TestCapacity:
    @pytest.mark.parametrize(("error", "cause"), BUSY)
    def test_is_waited_for_however_often_it_is_not_there(
        self, registered: Callable[..., Any], error: str, cause: str
    ) -> None:
        w = registered()
        answers = [failed(w, error, cause) for _ in range(30)]
        assert all(answer["again"] and answer["attempt"] == 1 for answer in answers)
        assert w.rows() == [] and w.summary().capacity_waits == 30

    def test_waits_grow_to_a_quarter_of_an_hour_and_tell_since_when(self, registered: Callable[..., Any]) -> None:
        w = registered(runTimeoutSeconds=21_600)
        began = to_iso(w.clock.now())
        waits: list[int] = []
        for _ in range(14):
            answer = failed(w, *BUSY[0], waited=sum(waits))
            waits.append(answer["waitSeconds"])
            assert answer["waitedSeconds"] == sum(waits)
            w.clock.advance(waits[-1])
        assert 5 <= waits[0] <= 11 and 450 <= max(waits) <= 901
        assert w.summary().waiting_since == began
        message = w.monitor.monitor({"execution": execution(), "workflowName": "copying", "runId": str(w.run_id)})
        assert f"; waiting for capacity since {began}: ECS.AmazonECSException: " in message["message"]

    def test_a_wait_is_as_long_as_the_task_has_waited_itself(self, registered: Callable[..., Any]) -> None:
        w = registered(runTimeoutSeconds=21_600)
        w.clock.advance(failed(w, *BUSY[0], waited=800)["waitSeconds"])
        assert failed(w, *BUSY[0])["waitSeconds"] <= 11
        assert failed(w, *BUSY[0], waited=800)["waitSeconds"] > 400

    def test_the_events_that_waits_and_further_attempts_take_are_counted(self, registered: Callable[..., Any]) -> None:
        w = registered(taskAttempts=2)
        failed(w, *BUSY[0], retries=6)
        failed(w, *BUSY[6])
        assert w.summary().wait_events == 33 + 15
        assert failed(w, "States.TaskFailed", ecs_cause(), retries=1)["again"]
        assert w.summary().wait_events == 33 + 15 + 18
        assert not failed(w, "States.TaskFailed", ecs_cause(), attempt=2, retries=2)["again"]
        assert w.summary().wait_events == 33 + 15 + 18 + 6

    @pytest.mark.parametrize(("share", "shortest", "longest"), [(0, 1_000, 21_600), (100, 5, 11)])
    def test_the_first_wait_for_spot_is_short_however_few_events_are_left(
        self, registered: Callable[..., Any], share: int, shortest: int, longest: int
    ) -> None:
        w = registered(runTimeoutSeconds=21_600, spotShare=share)
        w.summaries.count_events(w.summary(), 20_000)
        assert shortest <= failed(w, *BUSY[0])["waitSeconds"] <= longest
        assert failed(w, *BUSY[0], waits=1, waited=10)["waitSeconds"] > 1_000

    def test_the_first_wait_of_a_task_outside_of_the_share_is_rationed(self, registered: Callable[..., Any]) -> None:
        w = registered(runTimeoutSeconds=21_600, spotShare=50)
        w.summaries.count_events(w.summary(), 20_000)
        assert failed(w, *BUSY[0], index=0)["waitSeconds"] > 1_000
        assert failed(w, *BUSY[0], index=1)["waitSeconds"] <= 11

    def test_the_run_waits_for_as_long_as_one_of_its_tasks_does(self, registered: Callable[..., Any]) -> None:
        w = registered(runTimeoutSeconds=21_600)
        began = to_iso(w.clock.now())
        look = {"execution": execution(), "workflowName": "copying", "runId": str(w.run_id)}
        failed(w, *BUSY[0], task={"taskName": "task_02", "objectKey": "in/2.txt"})
        longest = failed(w, *BUSY[0], waited=600)["waitSeconds"]
        w.clock.advance(20)
        now = to_iso(w.clock.now())
        w.details.put_new(TaskRow(w.run_id, TASK_ARN, "copying", "task_02", 1, TaskStatus.RUNNING, now, now))
        w.ecs.add(TASK_ARN, started_by="AWS Step Functions", environment={})
        w.monitor.monitor(look)
        assert w.summary().waiting_since == began
        w.clock.advance(longest - 20 + 149)
        w.monitor.monitor(look)
        assert w.summary().waiting_since == began, "its retries may take so long"
        w.clock.advance(2)
        w.monitor.monitor(look)
        assert w.summary().waiting_since is None

    def test_its_reason_is_ecs_s_own_sentence(self, registered: Callable[..., Any]) -> None:
        w = registered()
        failed(w, "AmazonECS.Unknown", not_placed(QUOTA))
        assert w.summary().waiting_reason == f"AmazonECS.Unknown: ECS did not start the task: {QUOTA}"

    def test_a_further_attempt_is_waited_for_as_the_first_one_is(self, registered: Callable[..., Any]) -> None:
        w = registered(taskAttempts=2)
        look = {"execution": execution(), "workflowName": "copying", "runId": str(w.run_id)}
        for name in ("task_01", "task_02", "task_03"):
            arn, task = f"{TASK_ARN}-{name}", {"taskName": name, "objectKey": "in/1.txt"}
            assert failed(w, "States.TaskFailed", ecs_cause().replace(TASK_ARN, arn), task=task)["again"]
        for _ in range(30):
            assert failed(w, *BUSY[0], attempt=2)["again"]
            w.clock.advance(100)
            assert not w.monitor.monitor(look)["done"]
        assert w.summary().running_tasks == 3

    @pytest.mark.parametrize("early", [True, False])
    def test_a_run_that_ends_waits_no_more(self, registered: Callable[..., Any], early: bool) -> None:
        w = registered()
        failed(w, *BUSY[0])
        now = to_iso(w.clock.now())
        if early:
            w.summaries.end_early(w.summary(), RunStatus.TIMED_OUT, now)
        else:
            w.summaries.finish(w.summary(), RunStatus.FAILED, Counts(0, 3, 0), now)
        assert (w.summary().waiting_since, w.summary().waiting_reason) == (None, None)


class TestRefusals:
    def test_a_run_whose_row_is_gone(self, world: Callable[..., Any]) -> None:
        with pytest.raises(RunNotFound):
            failed(world(2), "States.TaskFailed", ecs_cause())

    def test_a_run_of_another_execution(self, registered: Callable[..., Any]) -> None:
        w = registered()
        with pytest.raises(RunIdInUse):
            failed(w, "States.TaskFailed", ecs_cause(), execution=execution(EXECUTION + "2"))

    def test_a_redrive_leaves_the_rows_alone(self, registered: Callable[..., Any]) -> None:
        w = registered()
        with pytest.raises(RedriveRefused):
            failed(w, "States.TaskFailed", ecs_cause(), execution=execution(redrive_count=1))
        assert w.rows() == []


class TestCauses:
    @pytest.mark.parametrize(
        "cause",
        ["", "junk", "{", '{"TaskArn":', "null", "[1]", ecs_cause()[:900], '{"TaskArn": 3}', '"\\"', "{% $error() %}"],
    )
    @pytest.mark.parametrize("error", ["States.TaskFailed", "Junk", ""])
    def test_any_text_is_survived(self, cause: str, error: str) -> None:
        assert failures.of_state(error, cause).kind in (FailureKind.JOB, FailureKind.REFUSED)

    @given(st.text(), st.text())
    def test_whatever_it_says(self, error: str, cause: str) -> None:
        assert failures.of_state(error, cause).failure.error

    def test_one_that_was_cut_short_still_names_its_task(self) -> None:
        cut = json.dumps({"TaskArn": TASK_ARN, "StopCode": "EssentialContainerExited", "Rest": "x" * 50})[:-20]
        assert failures.of_state("States.TaskFailed", cut).ecs_task_arn == TASK_ARN

    @pytest.mark.parametrize("text", ['a "quoted" word', "line\nline", "ü\\", "\u2028"])
    def test_texts_are_read_as_json_writes_them(self, text: str) -> None:
        cause = ecs_cause(StoppedReason=text, Containers=[])
        assert failures.of_state("States.TaskFailed", cause).failure.stopped_reason == text
