"""Published versions of functions.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-versions.html,
https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html and
https://docs.aws.amazon.com/lambda/latest/dg/lambda-api-permissions-ref.html
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

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


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


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
    assert described["FunctionArn"] == f"{arn}:1"
    assert described["Version"] == "1"
    assert described["Environment"]["Variables"] == {"SETTING": "a"}
    assert (described["State"], described["LastUpdateStatus"]) == ("Active", "Successful")
    latest = client.get_function_configuration(FunctionName=name)
    assert (latest["FunctionArn"], latest["Version"]) == (arn, "$LATEST")
    versions = client.list_versions_by_function(FunctionName=name)["Versions"]
    assert [version["FunctionArn"] for version in versions] == [f"{arn}:$LATEST", f"{arn}:1", f"{arn}:2"]
    assert [version["Version"] for version in versions] == ["$LATEST", "1", "2"]


def test_a_version_that_is_not_there_is_named(two_versions: Any) -> None:
    for call in (two_versions.client.get_function, two_versions.client.get_function_configuration):
        with pytest.raises(ClientError, match=f"Function not found: {two_versions.arn}:9"):
            call(FunctionName=two_versions.name, Qualifier="9")
    with pytest.raises(ClientError) as error:
        two_versions.client.invoke(FunctionName=f"{two_versions.arn}:9")
    assert code(error) == "ResourceNotFoundException"


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
    with pytest.raises(ClientError, match="An update is in progress for resource") as error:
        functions.client.publish_version(FunctionName=functions.name)
    assert code(error) == "ResourceConflictException"


def test_a_version_can_be_deleted_alone_and_all_go_with_the_function(two_versions: Any) -> None:
    client, name, arn = two_versions.client, two_versions.name, two_versions.arn
    with pytest.raises(ClientError, match="cannot be deleted without deleting the function"):
        client.delete_function(FunctionName=name, Qualifier="$LATEST")
    client.delete_function(FunctionName=f"{arn}:1")
    with pytest.raises(ClientError, match=f"{arn}:1"):
        client.invoke(FunctionName=f"{arn}:1")
    assert two_versions.invoke(FunctionName=f"{arn}:2")[0] == "two"
    client.delete_function(FunctionName=name)
    with pytest.raises(ClientError) as error:
        client.invoke(FunctionName=f"{arn}:2")
    assert code(error) == "ResourceNotFoundException"
    two_versions.create("def handler(event, context):\n    return 'new'\n")
    assert two_versions.publish()["Version"] == "3", "a number is never used again"


def test_an_invocation_ends_with_the_code_it_began_with(functions: Any, aws: Any, until: Any) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html."""
    bucket, s3 = aws.name("bucket"), aws.client("s3")
    s3.create_bucket(Bucket=bucket)
    aws.policy(
        aws.name("function"),
        {"Effect": "Allow", "Action": ["s3:*", "logs:*"], "Resource": "*"},
    )
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
    until(lambda: s3.list_objects_v2(Bucket=bucket).get("Contents"))
    functions.put_code("def handler(event, context):\n    return 'new'\n")
    functions.settle()
    functions.client.update_function_configuration(FunctionName=functions.name, Timeout=59)
    assert functions.invoke() == "new"
    s3.put_object(Bucket=bucket, Key="go")
    until(lambda: True if len(s3.list_objects_v2(Bucket=bucket)["Contents"]) == 3 else None)
    assert functions.invoke() == "new"


def test_another_role_is_that_of_the_next_invocation(functions: Any, aws: Any) -> None:
    functions.create(
        "import boto3\ndef handler(event, context):\n    return boto3.client('sts').get_caller_identity()['Arn']\n"
    )
    assert f"/{aws.name('function')}/" in functions.invoke()
    other = aws.role("other", "lambda.amazonaws.com")
    functions.client.update_function_configuration(FunctionName=functions.name, Role=other)
    functions.settle()
    assert f"/{aws.name('other')}/" in functions.invoke()


def test_reserved_concurrency_is_shared_by_all_versions(two_versions: Any) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html."""
    two_versions.client.put_function_concurrency(FunctionName=two_versions.name, ReservedConcurrentExecutions=0)
    with pytest.raises(ClientError) as error:
        two_versions.client.invoke(FunctionName=f"{two_versions.arn}:1")
    assert code(error) == "TooManyRequestsException"


@pytest.mark.parametrize(
    ("named", "granted", "allowed"),
    [
        ("{arn}:2", "{arn}", False),
        ("{arn}:2", "{arn}:2", True),
        ("{arn}:2", "{arn}:1", False),
        ("{arn}:2", "{arn}:*", True),
        ("{arn}", "{arn}:*", False),
        ("{arn}", "{arn}", True),
    ],
)
def test_step_functions_needs_leave_for_the_arn_that_it_names(
    two_versions: Any, machines: Any, aws: Any, statement: Any, named: str, granted: str, allowed: bool
) -> None:
    resource = granted.format(arn=two_versions.arn)
    role = aws.role("machine", "states.amazonaws.com", statement("lambda:InvokeFunction", on=resource))
    invoked = named.format(arn=two_versions.arn)
    call = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Arguments": {"FunctionName": invoked},
        "End": True,
    }
    end = machines.run({"Call": call}, "Call", role)
    if allowed:
        assert json.loads(end["output"])["Payload"][3] == invoked
    else:
        assert end["error"] == "Lambda.AWSLambdaException"
        assert f"lambda:InvokeFunction on resource: {invoked}" in end["cause"]


def test_a_qualifier_beside_the_name_is_authorized_on_the_qualified_arn(
    two_versions: Any, aws: Any, statement: Any
) -> None:
    role = aws.role("caller", None, statement("lambda:InvokeFunction", on=two_versions.arn))
    client = aws.client("lambda", role)
    client.invoke(FunctionName=two_versions.name)
    with pytest.raises(ClientError, match=f"lambda:InvokeFunction on resource: {two_versions.arn}:2") as error:
        client.invoke(FunctionName=two_versions.name, Qualifier="2")
    assert code(error) == "AccessDeniedException"


def test_eventbridge_needs_leave_on_the_version_that_its_rule_names(functions: Any, aws: Any, until: Any) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/access-control-resource-based.html."""
    functions.create("def handler(event, context):\n    print('called', context.function_version)\n")
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

    functions.client.add_permission(FunctionName=functions.name, StatementId="function", **granted)
    send()
    until(lambda: called("$LATEST") or None)
    assert called("1") == 0
    functions.client.add_permission(FunctionName=functions.name, StatementId="version", Qualifier="1", **granted)
    send()
    until(lambda: called("1") or None)
    until(lambda: True if called("$LATEST") == 2 else None)
