"""Hostile specs: each is refused with its place and reason, or runs nothing but what the stack deployed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import event, example, given
from hypothesis import strategies as st

from ecs_kit.runtime.contract import environment
from ecs_kit.runtime.contract.environment import Attempt
from ecs_kit.runtime.contract.errors import LONGEST_MESSAGE, KitError, PayloadInvalid, RedriveRefused, SpecRefused
from ecs_kit.runtime.contract.run_ids import LARGEST_RUN_ID
from ecs_kit.runtime.contract.specs import Deployed, Spec
from ecs_kit.runtime.contract.task_lists import Form
from ecs_kit.runtime.functions import spec_check
from tests.fuzz.hostile import DOCUMENTS, NOT_QUITE_JSON, TEXTS, VALUES, json_text, nested, specs
from tests.unit.model.dynamodb import DynamoDb
from tests.unit.runtime.conftest import World, new_world
from tests.unit.runtime.fakes import FakeClock, execution, infrastructure, spec
from tests.unit.runtime.test_monitor import event as ended
from tests.unit.runtime.test_monitor import plenty

DEPLOYED = Deployed(infrastructure(), security_group_ids=("sg-tasks",), source_buckets=("elsewhere",))
ATTEMPT = Attempt("copying", 1, "a", 1, "kit-1", "k")


def assert_clear(refused: KitError) -> None:
    """What, where, and short enough for an execution's error; nothing that a terminal or a log would obey."""
    message = str(refused)
    assert message.isprintable() and len(message) <= LONGEST_MESSAGE
    if isinstance(refused, SpecRefused):
        assert "nothing was launched" in message
        assert refused.problems and all(problem.path.startswith("$") and problem.reason for problem in refused.problems)


def read(text: bytes) -> Any:
    """A document, or None where it is refused."""
    try:
        return spec_check.parse(text.decode("utf-8", "replace"))
    except SpecRefused as refused:
        assert_clear(refused)
        return None


def check(document: Any) -> Spec | None:
    try:
        return spec_check.check(document, deployed=DEPLOYED)
    except SpecRefused as refused:
        assert_clear(refused)
        return None


@given(DOCUMENTS)
def test_any_bytes_are_a_spec_or_refused(text: bytes) -> None:
    check(read(text))


@given(specs())
@example(spec(taskList=[{"taskName": "x" * 10_000_000, "objectKey": "k"}]))
@example(spec(taskList=[{"taskName": "a", "objectKey": "k", "cpu": float("nan"), "memory": 512}]))
@example(spec(workflowRunId=float("inf")))
@example({**spec(), "x" * 10_000_000: 1})
@example(spec(taskList=[{"taskName": "a", "objectKey": "k", str(number): 1} for number in range(5_000)]))
def test_a_document_is_a_spec_of_this_stack_or_refused(document: Any) -> None:
    found = check(document)
    if found:
        assert set(found.subnet_ids) <= {"subnet-1", "subnet-2"} and found.security_group_ids == ("sg-tasks",)
        assert {task.bucket for task in found.tasks} <= {"kit-1", "elsewhere"}


@pytest.mark.parametrize("depth", [900, 100_000])
def test_a_value_that_is_nested_too_deeply_to_be_shown_is_refused(depth: int) -> None:
    for document in (
        nested(depth),
        spec(region=nested(depth)),
        spec(taskList=nested(depth)),
        {"specUri": nested(depth)},
    ):
        assert not begins(new_world(DynamoDb(), FakeClock()), document)


ANOTHER = [
    *({"clusterName": "kit-3"}, {"taskDefinition": "kit-3:7"}, {"taskDefinition": "arn:aws:ecs:::task-definition/x"}),
    *({"ddbTableNameWFDetails": "workflow_details_pattern_3"}, {"ddbTableNameWFSummary": "mine"}),
    *({"containerName": "sidecar"}, {"subnetIdLiteral": "subnet-1$subnet-9"}, {"securityGroupId": "sg-9"}),
    {"taskList": [{"taskName": "a", "s3BucketName": "other", "objectKey": "k"}]},
    *({"s3BucketName": "other"}, {"region": "us-east-1"}, {"taskListUri": "s3://other/specs/a.csv", "taskList": None}),
    *({"taskListUri": f"s3://kit-1/{key}", "taskList": None} for key in ("a.csv", "specs/pinned/1.tasks.jsonl", "")),
    *(
        {"taskList": [{"taskName": "a", "objectKey": key}]}
        for key in ("a\x00", "\ud800", "a\n", "a/..", ".", "..", "in/../../..", "a\x7f")
    ),
    *({"taskList": [{"taskName": name, "objectKey": "k"}]} for name in ("a\x1b", "..", "../a", "x" * 10_000_000)),
    {"taskList": [{"taskName": "a", "objectKey": "k", "environment": {"KIT_TARGET_BUCKET": "other"}}]},
    {"taskList": [{"taskName": "a", "objectKey": "k", "cpu": float("nan"), "memory": float("nan")}]},
    {"workflowName": "../other"},
]
"""What a hostile spec would reach for."""


@pytest.mark.parametrize("changes", ANOTHER, ids=lambda changes: "-".join(changes))
@pytest.mark.parametrize("pattern", [1, 2])
def test_a_spec_that_reaches_for_more_is_refused_and_nothing_is_launched_or_written(
    pattern: int, changes: dict[str, Any]
) -> None:
    world = new_world(DynamoDb(), FakeClock(), pattern, sourceBuckets=["elsewhere"])
    assert not begins(world, spec(pattern, **changes))


def begins(world: World, document: Any, *, of: Any = None) -> bool:
    """Do the first step of a run: whether it is accepted. Nothing is launched, or only what the stack deployed."""
    payload = {"execution": execution() if of is None else of, "spec": document}
    first = {1: lambda: world.launcher.launch(payload, lambda: 300), 2: lambda: world.monitor.register(payload)}
    given_objects = set(world.bucket.objects)
    try:
        first[world.settings.pattern]()
    except (SpecRefused, PayloadInvalid, RedriveRefused) as refused:
        assert_clear(refused)
        assert not world.ecs.calls and not world.ecs.tasks
        assert not world.dynamodb.items("summary") and not world.dynamodb.items("details")
        assert {key for key in set(world.bucket.objects) - given_objects if "tasks" in key} == set()
        return False
    for call in world.ecs.calls:
        assert (call["cluster"], call["taskDefinition"]) == ("kit-1", "kit-1:7")
        network = call["networkConfiguration"]["awsvpcConfiguration"]
        assert set(network["subnets"]) <= {"subnet-1", "subnet-2"} and network["assignPublicIp"] == "DISABLED"
        assert set(network["securityGroups"]) <= {"sg-tasks", "sg-monitor"}
        assert not {"taskRoleArn", "executionRoleArn"} & call["overrides"].keys()
        (container,) = call["overrides"]["containerOverrides"]
        values = {pair["name"]: pair["value"] for pair in container["environment"]}
        assert container["name"] == "app" and values["KIT_SOURCE_BUCKET"] in ("kit-1", "elsewhere")
        assert not {"KIT_TARGET_BUCKET", "KIT_DETAILS_TABLE", "AWS_ACCESS_KEY_ID"} & values.keys()
    for item in world.dynamodb.items("summary"):
        assert 1 <= int(item["workflow_run_id"]["N"]) <= LARGEST_RUN_ID
    return True


def count(world: World, document: Any, **more: Any) -> None:
    """`begins`, in the statistics of Hypothesis (`--hypothesis-show-statistics`)."""
    event("accepted" if begins(world, document, **more) else "refused")


@given(specs())
def test_the_launcher_refuses_or_launches_what_the_stack_deployed(document: Any) -> None:
    count(new_world(DynamoDb(), FakeClock(), 1, sourceBuckets=["elsewhere"]), document)


@given(specs(2))
def test_the_monitor_refuses_or_registers(document: Any) -> None:
    count(new_world(DynamoDb(), FakeClock(), 2, sourceBuckets=["elsewhere"]), document)


EXECUTIONS = st.fixed_dictionaries({"arn": TEXTS | VALUES, "startTime": TEXTS}, optional={"redriveCount": VALUES})


@given(VALUES | EXECUTIONS)
@example({**execution(), "startTime": "0001-01-01T00:00:00+23:59"})
@example({**execution(), "redriveCount": float("inf")})
@example({**execution(), "arn": ["a"]})
@example({**execution(), "arn": "\ud800"})
def test_a_forged_execution_is_refused(forged: Any) -> None:
    world = new_world(DynamoDb(), FakeClock())
    count(world, spec(), of=execution() if forged is None else forged)


@given(specs(2).map(json_text) | DOCUMENTS.map(lambda text: text.decode("utf-8", "replace")))
@example(json_text({**spec(2), "workflowRunId": 10**400}))
@example(json_text({**spec(2), "workflowRunId": float("inf")}))
@example(json_text({**spec(2), "workflowName": "\ud800"}))
@example(json_text({**spec(2), "workflowName": "x" * 5_000}))
def test_the_end_of_an_execution_with_a_hostile_input_is_handled(text: str) -> None:
    world = new_world(DynamoDb(), FakeClock(), 2)
    world.monitor.finalize_from_event(ended(pattern=2, input=text), plenty)
    assert not world.ecs.calls


@given(st.dictionaries(st.sampled_from([*environment.override(ATTEMPT, "")]), TEXTS))
@example({environment.RUN_ID: "9" * 5_000})
def test_the_variables_of_a_forged_task_name_a_run_or_none(variables: dict[str, str]) -> None:
    found = environment.attempt_of({**environment.override(ATTEMPT, ""), **variables})
    assert found is None or found.run_id < 10**18


VALID = json.dumps(spec()).encode()
REFERENCES = st.fixed_dictionaries(
    {"specUri": TEXTS | st.sampled_from(("s3://kit-1/specs/a.json", "s3://kit-1/specs/pinned/1.json")) | VALUES},
    optional={"scheduledTime": TEXTS | VALUES, "more": VALUES},
)


@given(REFERENCES, DOCUMENTS)
@example({"specUri": "s3://kit-1/specs/a.json"}, b"[" * 100_000)
@example({"specUri": "s3://kit-1/specs/a.json"}, b"9" * 5_000)
@example(
    {"specUri": "s3://kit-1/specs/a.json", "scheduledTime": "0001-01-01T00:00:00+23:59"}, json.dumps(spec()).encode()
)
@example({"specUri": "s3://kit-1/specs/a.json", "scheduledTime": "1969-01-01"}, json.dumps(spec()).encode())
@example({"specUri": "s3://kit-1/specs/a.json", "scheduledTime": "9999-01-01"}, json.dumps(spec()).encode())
@example({"specUri": "s3://kit-1/specs/\ud800", "scheduledTime": "2026-11-24"}, b"")
def test_a_spec_in_the_bucket_is_checked_in_the_same_way(reference: Any, text: bytes) -> None:
    world = new_world(DynamoDb(), FakeClock(), 1)
    world.bucket.objects["specs/a.json"] = text
    count(world, reference)


ENTRIES = st.lists(
    st.fixed_dictionaries({"taskName": TEXTS}, optional={"objectKey": TEXTS, "cpu": VALUES, "command": VALUES})
    | VALUES,
    max_size=3,
)


@st.composite
def list_files(draw: st.DrawFn) -> tuple[Form, bytes]:
    """A list file: of hostile entries in its form, or of any bytes."""
    form = draw(st.sampled_from((Form.JSON_LINES, Form.JSON, Form.CSV)))
    if draw(st.booleans()):
        return form, draw(NOT_QUITE_JSON | st.binary(max_size=60))
    if form is Form.CSV:
        columns = draw(
            st.lists(st.sampled_from(("taskName", "objectKey", "cpu", "memory", "command", "environment.A")))
        )
        rows = [columns, *draw(st.lists(st.lists(TEXTS, max_size=4), max_size=3))]
        return form, "\n".join(",".join(row) for row in rows).encode("utf-8", "replace")
    entries = [json_text(entry) for entry in draw(ENTRIES)]
    return form, (f"[{','.join(entries)}]" if form is Form.JSON else "\n".join(entries)).encode()


@given(list_files(), st.integers(1, 2))
@example((Form.JSON_LINES, b'{"taskName": ' + b"9" * 5_000 + b"}"), 1)
@example((Form.JSON, b'[{"taskName": ' + b"9" * 5_000 + b"}]"), 1)
@example((Form.CSV, b"taskName,command\na," + b"9" * 5_000), 2)
def test_a_list_file_is_checked_line_by_line(given_file: tuple[Form, bytes], pattern: int) -> None:
    form, text = given_file
    world = new_world(DynamoDb(), FakeClock(), pattern, sourceBuckets=["elsewhere"])
    world.bucket.objects[f"specs/list{form}"] = text
    count(world, spec(pattern, taskList=None, taskListUri=f"s3://kit-{pattern}/specs/list{form}"))


@given(st.lists(TEXTS, max_size=4), TEXTS)
def test_a_prefix_may_hold_any_keys(keys: list[str], uri: str) -> None:
    world = new_world(DynamoDb(), FakeClock())
    world.bucket.objects.update({f"in/{key}": b"" for key in keys})
    count(world, spec(taskList=None, taskListUri=uri if uri.startswith("s3") else "s3://kit-1/in/"))
