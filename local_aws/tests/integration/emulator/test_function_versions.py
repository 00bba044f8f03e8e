"""Published versions of functions, and how EventBridge calls functions.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html,
https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html,
https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html and
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_aws.testing.aws import allow, ask_until
from local_aws.tests.integration.emulator.expectations import refused

pytestmark = [
    pytest.mark.integration,
    pytest.mark.correction(name="lambda_versions"),
    pytest.mark.correction(name="lambda_functions"),
    pytest.mark.correction(name="request_authorization"),
    pytest.mark.correction(name="event_targets"),
]

TELLS = """
import os
import {module}
calls = 0
def handler(event, context):
    global calls
    calls += 1
    return [{module}.TEXT, os.environ["SETTING"], context.function_version, context.invoked_function_arn, calls]
"""


def telling(text: str) -> dict[str, str]:
    """A package whose handler tells its code's text, its setting, its version and how often this process was called."""
    return {"code.py": TELLS.format(module="text"), "text.py": f"TEXT = {text!r}\n"}


def setting(value: str) -> dict[str, Any]:
    return {"Environment": {"Variables": {"SETTING": value}}}


@pytest.fixture
def two_versions(functions: Any) -> Any:
    """Version 1 is `one` with setting `a`, version 2 `two` with setting `b`, `$LATEST` `three` with setting `c`."""
    functions.client.create_function(
        FunctionName=functions.name,
        Runtime="python3.13",
        Role=functions.role,
        Handler="code.handler",
        Code={"ZipFile": functions.package(telling("one"))},
        Publish=True,
        **setting("a"),
    )
    for text, value in (("two", "b"), ("three", "c")):
        functions.settle()
        functions.client.update_function_configuration(FunctionName=functions.name, **setting(value))
        functions.settle()
        functions.client.update_function_code(
            FunctionName=functions.name, ZipFile=functions.package(telling(text)), Publish=text == "two"
        )
    functions.settle()
    return functions


def test_a_version_keeps_its_code_and_its_environment(two_versions: Any) -> None:
    name, arn = two_versions.name, two_versions.arn
    for _ in (1, 2):
        assert two_versions.invoke(FunctionName=f"{arn}:1")[:4] == ["one", "a", "1", f"{arn}:1"]
        assert two_versions.invoke(FunctionName=name, Qualifier="2")[:4] == ["two", "b", "2", f"{arn}:2"]
        assert two_versions.invoke(FunctionName=name)[:4] == ["three", "c", "$LATEST", arn]
    assert [two_versions.invoke(FunctionName=f"{arn}:{number}")[4] for number in (1, 2)] == [3, 3], (
        "each version has an execution environment of its own"
    )
    assert two_versions.client.invoke(FunctionName=f"{arn}:1")["ExecutedVersion"] == "1"


def test_a_version_is_described_as_it_was_published(two_versions: Any) -> None:
    client, name, arn = two_versions.client, two_versions.name, two_versions.arn
    found = client.get_function(FunctionName=name, Qualifier="1")
    assert "Tags" not in found
    described = client.get_function_configuration(FunctionName=f"{arn}:1")
    assert described == {**found["Configuration"], "ResponseMetadata": described["ResponseMetadata"]}
    expected = {"FunctionArn": f"{arn}:1", "Version": "1", "State": "Active", "LastUpdateStatus": "Successful"}
    assert {**expected, "Environment": {"Variables": {"SETTING": "a"}}}.items() <= described.items()
    latest = client.get_function_configuration(FunctionName=name)
    assert (latest["FunctionArn"], latest["Version"]) == (arn, "$LATEST")
    versions = client.list_versions_by_function(FunctionName=name)["Versions"]
    found = [(version["FunctionArn"], version["Version"]) for version in versions]
    assert found == [(f"{arn}:{version}", version) for version in ("$LATEST", "1", "2")]


def test_a_version_that_does_not_exist_is_named(two_versions: Any) -> None:
    client, missing = two_versions.client, f"{two_versions.arn}:9"
    for call in (client.get_function, client.get_function_configuration, client.invoke):
        with refused("ResourceNotFoundException", missing):
            call(FunctionName=missing)


@pytest.mark.parametrize("how", ["publish", "create and update"])
def test_nothing_new_is_no_new_version(functions: Any, how: str) -> None:
    same = "def handler(event, context):\n    return 1\n"
    created = functions.create(same, Publish=how != "publish", Tags={"of": "the function"})
    if how == "publish":
        assert functions.publish()["FunctionArn"] == f"{functions.arn}:1"
    else:
        assert (created["Version"], created["FunctionArn"]) == ("1", f"{functions.arn}:1")
    assert functions.publish(Description="again")["Version"] == "1"
    assert functions.put_code(same, Publish=True)["Version"] == "1"
    functions.client.tag_resource(Resource=functions.arn, Tags={"of": "another"})
    assert functions.publish()["Version"] == "1"
    functions.client.update_function_configuration(FunctionName=functions.name, Timeout=9)
    assert functions.publish()["Version"] == "2"


def test_nothing_is_published_while_an_update_is_in_progress(functions: Any) -> None:
    functions.create("")
    functions.settle()
    functions.put_code("# other\n")
    with refused("ResourceConflictException", "An update is in progress for resource"):
        functions.client.publish_version(FunctionName=functions.name)


def test_a_version_can_be_deleted_alone_and_all_go_with_the_function(two_versions: Any) -> None:
    client, name, arn = two_versions.client, two_versions.name, two_versions.arn
    with refused("InvalidParameterValueException", "cannot be deleted without deleting the function"):
        client.delete_function(FunctionName=name, Qualifier="$LATEST")
    client.delete_function(FunctionName=f"{arn}:1")
    with refused("ResourceNotFoundException", f"{arn}:1"):
        client.invoke(FunctionName=f"{arn}:1")
    assert two_versions.invoke(FunctionName=f"{arn}:2")[0] == "two"
    client.delete_function(FunctionName=name)
    with refused("ResourceNotFoundException"):
        client.invoke(FunctionName=f"{arn}:2")
    two_versions.create("def handler(event, context):\n    return 'new'\n")
    assert two_versions.publish()["Version"] == "3", "a number is never used again"


def test_an_invocation_ends_with_the_code_it_began_with(functions: Any, aws: Any) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html."""
    bucket, s3 = aws.name("bucket"), aws.client("s3")
    s3.create_bucket(Bucket=bucket)
    aws.policy(aws.name("function"), allow("s3:*", "logs:*"))
    slow = (
        "import boto3, time\n"
        "def handler(event, context):\n"
        "    s3 = boto3.client('s3')\n"
        f"    s3.put_object(Bucket='{bucket}', Key='began')\n"
        f"    while 'go' not in [item['Key'] for item in s3.list_objects_v2(Bucket='{bucket}')['Contents']]:\n"
        "        time.sleep(0.05)\n"
        f"    s3.put_object(Bucket='{bucket}', Key='ended', Body=b'old')\n"
    )
    functions.create(slow, Timeout=60)
    functions.settle()
    functions.client.invoke(FunctionName=functions.name, InvocationType="Event", Payload=b"{}")
    ask_until(lambda: s3.list_objects_v2(Bucket=bucket).get("Contents"))
    functions.put_code("def handler(event, context):\n    return 'new'\n")
    functions.settle()
    functions.client.update_function_configuration(FunctionName=functions.name, Timeout=59)
    assert functions.invoke() == "new"
    s3.put_object(Bucket=bucket, Key="go")
    ask_until(lambda: True if len(s3.list_objects_v2(Bucket=bucket)["Contents"]) == 3 else None)
    assert functions.invoke() == "new"


@pytest.mark.parametrize(
    ("qualifier", "granted", "allowed"),
    [
        ("2", "{arn}", False),
        ("2", "{arn}:2", True),
        ("2", "{arn}:1", False),
        ("2", "{arn}:*", True),
        ("", "{arn}:*", False),
        ("", "{arn}", True),
    ],
)
def test_a_call_is_authorized_on_the_arn_with_the_version(
    two_versions: Any, aws: Any, qualifier: str, granted: str, allowed: bool
) -> None:
    role = aws.role("caller", None, allow("lambda:InvokeFunction", on=granted.format(arn=two_versions.arn)))
    client = aws.client("lambda", role)
    arn = f"{two_versions.arn}:{qualifier}".rstrip(":")
    parameter = {"Qualifier": qualifier} if qualifier else {}
    for way in ({"FunctionName": arn}, {"FunctionName": two_versions.name, **parameter}):
        if allowed:
            assert client.invoke(**way)["ExecutedVersion"] == (qualifier or "$LATEST")
        else:
            with refused("AccessDeniedException", f"lambda:InvokeFunction on resource: {two_versions.arn}"):
                client.invoke(**way)


def test_eventbridge_calls_what_its_rule_names_where_its_policy_allows_and_again_when_it_fails(
    functions: Any, aws: Any
) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html."""
    functions.create(
        "def handler(event, context):\n"
        "    print('called', context.function_version)\n"
        "    if context.function_version == '1':\n"
        "        raise ValueError('again')\n"
    )
    functions.publish()
    events, rule, logs = aws.client("events"), aws.name("rule"), aws.client("logs")
    arn = events.put_rule(Name=rule, EventPattern=json.dumps({"source": [rule]}))["RuleArn"]
    granted = {"Action": "lambda:InvokeFunction", "Principal": "events.amazonaws.com", "SourceArn": arn}
    targets = [{"Id": "version", "Arn": f"{functions.arn}:1"}, {"Id": "function", "Arn": functions.arn}]
    events.put_targets(Rule=rule, Targets=targets)

    def called(version: str) -> int:
        group = f"/aws/lambda/{functions.name}"
        if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
            return 0
        found = logs.filter_log_events(logGroupName=group)["events"]
        return [event["message"] for event in found].count(f"called {version}")

    def send() -> None:
        events.put_events(Entries=[{"Source": rule, "DetailType": "test", "Detail": "{}"}])

    send()
    functions.client.add_permission(FunctionName=functions.name, StatementId="function", **granted)
    send()
    ask_until(lambda: called("$LATEST") or None)
    assert called("1") == 0
    functions.client.add_permission(FunctionName=functions.name, StatementId="version", Qualifier="1", **granted)
    send()
    ask_until(lambda: called("1") >= 2 or None)
    assert called("$LATEST") == 2
