"""The engine's events, errors and state, as the driver reads them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pulumi.automation import CommandResult, EngineEvent
from pulumi.automation.errors import CommandError, ConcurrentUpdateError

from ecs_kit.automation.errors import BadInput, DriverError, NotYourStack
from ecs_kit.automation.stacks import lifecycle
from ecs_kit.automation.stacks.lifecycle import (
    Changes,
    PhysicalResource,
    ResourceStep,
    config_value,
    dead_owner,
    physical_resources,
    project_settings,
)
from ecs_kit.automation.stacks.target import Identity


def event(**content: Any) -> EngineEvent:
    return EngineEvent.from_json({"sequence": 1, "timestamp": 1, **content})


def metadata(op: str, type_token: str = "aws:ecs/cluster:Cluster") -> dict[str, Any]:
    urn = f"urn:pulumi:e2e::p::{type_token}::c"
    new = {"type": type_token, "urn": urn, "inputs": {"name": "c"}}
    return {"metadata": {"op": op, "urn": urn, "type": type_token, "provider": "", "new": new}}


def test_steps_are_passed_on_and_those_that_change_a_resource_are_kept() -> None:
    seen: list[ResourceStep] = []
    listener = lifecycle._Listener(seen.append)

    listener(event(resourcePreEvent=metadata("same")))
    listener(event(resourcePreEvent=metadata("create")))
    listener(event(resourcePreEvent=metadata("create", "pulumi:providers:aws")))
    listener(event(resOutputsEvent=metadata("create")))
    listener(event(resOpFailedEvent=metadata("update")))
    listener(event(summaryEvent={"resourceChanges": {"create": 1, "same": 1}}))

    assert [(step.operation, step.state) for step in seen] == [
        ("same", "started"),
        ("create", "started"),
        ("create", "done"),
        ("update", "failed"),
    ]
    created = ResourceStep("create", "aws:ecs/cluster:Cluster", "c", inputs={"name": "c"}, state="started")
    assert listener.changes == Changes({"create": 1, "same": 1}, (created,))


def test_errors_are_collected_once_in_plain_text_with_their_resource() -> None:
    listener = lifecycle._Listener(None)
    error = {"severity": "error", "message": "<{%fg 1%}>no such thing<{%reset%}>\n", "urn": "urn:x::type::bucket"}

    listener(event(diagnosticEvent=error))
    listener(event(diagnosticEvent=error))
    listener(event(diagnosticEvent={"severity": "warning", "message": "hm"}))

    assert listener.errors == ["bucket: no such thing"]


@pytest.mark.parametrize(
    ("counts", "nothing"), [({"same": 9}, True), ({}, True), ({"same": 9, "update": 1}, False), ({"update": 0}, True)]
)
def test_no_change_means_every_resource_is_the_same(counts: dict[str, int], nothing: bool) -> None:
    assert Changes(counts, ()).nothing is nothing


@pytest.mark.parametrize(
    ("resource", "environment"),
    [
        ("docker:index/image:Image", {"KIT_RUN": "work", "DOCKER_HOST": "unix:///mine"}),
        ("aws:s3/bucket:Bucket", {"KIT_RUN": "work"}),
    ],
)
def test_a_stack_with_an_image_gets_docker_s_engine_also_where_none_is_built(
    resource: str, environment: dict[str, str]
) -> None:
    found: dict[str, str] = {}
    target = SimpleNamespace(environment=found, use_docker=lambda: found.update(DOCKER_HOST="unix:///mine"))
    stack = lifecycle.Stack.__new__(lifecycle.Stack)
    stack._pulumi = SimpleNamespace(environment={"KIT_RUN": "work"})  # type: ignore[assignment]

    stack.use_docker(target, [PhysicalResource(resource, "urn", "id", {}, {})])  # type: ignore[arg-type]

    assert stack._pulumi.environment == environment


@pytest.mark.parametrize(
    ("found", "refusal"),
    [
        (
            {"pattern2": {"stateMachineArn": "arn:aws:states:eu-central-1:999999999999:stateMachine:kit"}},
            "stack e2e .* account 999999999999, region eu-central-1, and the credentials are for account 111122223333",
        ),
        (DriverError("no such host"), "(?s)Pulumi's backend cannot be used: no such host.*pulumi login"),
    ],
    ids=["another account", "no backend"],
)
@pytest.mark.parametrize("create", [True, False])
def test_a_stack_that_is_not_ours_is_not_adopted(
    monkeypatch: pytest.MonkeyPatch, create: bool, found: Any, refusal: str
) -> None:
    def outputs(_: object) -> Any:
        if isinstance(found, DriverError):
            raise found
        return found

    for name, answer in (("open", lambda _: True), ("select", lambda _: True), ("outputs", outputs)):
        monkeypatch.setattr(lifecycle.Stack, name, answer)
    stack = lifecycle.Stack.__new__(lifecycle.Stack)
    stack.name = "e2e"
    target: Any = SimpleNamespace(identity=Identity("111122223333", "eu-central-1", "arn"))

    with pytest.raises(BadInput, match=refusal):
        stack.adopt(target, create=create)


def test_resources_whose_creation_did_not_end_are_part_of_the_state() -> None:
    deployment = {
        "resources": [
            {"type": "pulumi:pulumi:Stack", "urn": "s"},
            {"type": "pulumi:providers:aws", "urn": "p", "custom": True, "id": "1"},
            {"type": "kit:x:Component", "urn": "c"},
            {"type": "aws:s3/bucket:Bucket", "urn": "b", "custom": True, "id": "bucket", "outputs": {"arn": "a"}},
        ],
        "pending_operations": [
            {
                "type": "creating",
                "resource": {"type": "aws:s3/bucket:Bucket", "urn": "n", "custom": True, "inputs": {"bucket": "new"}},
            }
        ],
    }

    assert physical_resources({}) == []
    assert [(found.urn, found.id, dict(found.inputs)) for found in physical_resources(deployment)] == [
        ("b", "bucket", {}),
        ("n", "", {"bucket": "new"}),
    ]


CLOSING = "Vpc: grpc: the client connection is closing"
GONE = "pulumi-resource-docker exited prematurely. This is *always* a bug in the provider."


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (["image: no engine", CLOSING, GONE], ["image: no engine"]),
        ([CLOSING], [CLOSING]),
        (["image: error reading from server: EOF", GONE], ["image: error reading from server: EOF", GONE]),
        ([], ["code: 255", "stdout: out", "stderr: passphrase must be set"]),
    ],
    ids=["after an error", "alone", "a plugin that broke", "no diagnostics"],
)
def test_the_engine_s_diagnostics_are_the_error_without_what_only_follows(said: list[str], shown: list[str]) -> None:
    with (
        pytest.raises(DriverError, match="pulumi up failed:") as failed,
        lifecycle._translated("up", "e2e", said),
    ):
        raise CommandError(CommandResult("out", "passphrase must be set", 255))

    assert [line.strip() for line in str(failed.value).splitlines()[1:]] == shown


def test_somebody_else_s_lock_is_not_broken() -> None:
    with pytest.raises(NotYourStack, match="pulumi cancel --stack e2e"), lifecycle._translated("up", "e2e", []):
        raise ConcurrentUpdateError(CommandResult("", "the stack is currently locked by 1 lock", 255))


LOCKED = """error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or …
  file:///state/.pulumi/locks/organization/kit/e2e/1.json: created by me@here (pid 20697) at 2026-11-24T08:42:06Z
"""


def test_only_a_lock_whose_owner_on_this_machine_has_ended_is_ours_to_break() -> None:
    other = LOCKED.replace("me@here (pid 20697)", "you@there (pid 1)")

    def owner(message: str, *running: int) -> str | None:
        return dead_owner(message, host="here", is_running=lambda pid: pid in running)

    assert owner(LOCKED) == "process 20697"
    assert owner(LOCKED, 20697) is None, "it lives"
    assert owner(other) is None, "another machine's"
    assert owner(LOCKED + other) is None, "one of two is another machine's"
    assert owner("[409] Conflict: Another update is currently in progress.") is None, "a backend that names nobody"


DECLARED = {
    "name": "kit",
    "runtime": {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}},
    "config": {"zones": {"type": "array", "items": {"type": "string"}}, "cpu": {"type": "integer", "default": 256}},
}


def test_a_stack_s_project_file_is_the_project_s_own_with_its_folder_and_this_virtual_environment() -> None:
    assert project_settings(DECLARED, Path("/kit"), virtualenv="/venv") == {
        **DECLARED,
        "runtime": {"name": "python", "options": {"toolchain": "pip", "virtualenv": "/venv"}},
        "main": "/kit",
    }
    assert project_settings({"name": "kit", "runtime": "python"}, Path("/kit"), virtualenv=None) == {
        "name": "kit",
        "runtime": {"name": "python", "options": {}},
        "main": "/kit",
    }


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("kit:zones", '["a", "b"]', ["a", "b"]),
        ("kit:cpu", "512", "512"),
        ("kit:unknown", "[1]", "[1]"),
        ("aws:zones", '["a"]', '["a"]'),
    ],
)
def test_only_lists_and_objects_of_the_project_are_written_as_such(key: str, text: str, value: object) -> None:
    assert config_value(DECLARED, key, text) == value
