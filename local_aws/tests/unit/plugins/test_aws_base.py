"""The aws plugin's configuration, errors, retries, tags and policies."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError

from local_aws.plugins.aws.base import (
    AwsProvider,
    Request,
    created,
    retrying,
    tag_changes,
    tolerating,
)
from local_aws.plugins.aws.functions import Function, zip_of
from local_aws.plugins.aws.registry import provider
from local_aws.plugins.aws.security_groups import Rule, expand, from_permissions
from local_aws.plugins.aws.shapes import from_aws, input_of, tags_of, to_aws
from local_aws.plugins.framework.errors import InitFailed, ProviderError
from local_aws.plugins.framework.resource import Operation
from local_aws.plugins.framework.values import UNKNOWN, Archive


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def error(code: str, message: str = "no", operation: str = "CreateThing") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def operation(**more: Any) -> Operation[AwsProvider]:
    return Operation(AwsProvider(), "urn:pulumi:s::p::aws:x/y:Y::it", **more)


def test_nested_settings_come_as_json() -> None:
    configured = provider()
    configured.configure(
        {
            "region": "eu-central-1",
            "accessKey": "key",
            "secretKey": "secret",
            "s3UsePathStyle": "true",
            "maxRetries": "3",
            "endpoints": json.dumps([{"sfn": "http://127.0.0.1:1", "s3": "http://127.0.0.1:2"}]),
            "defaultTags": json.dumps({"tags": {"owner": "me"}}),
        }
    )
    machines, buckets = configured.client("stepfunctions"), configured.client("s3")
    assert machines.meta.endpoint_url == "http://127.0.0.1:1"
    assert machines.meta.region_name == "eu-central-1"
    assert buckets.meta.endpoint_url == "http://127.0.0.1:2"
    assert buckets.meta.config.s3["addressing_style"] == "path"
    assert configured.client("stepfunctions") is machines
    assert configured.default_tags == {"owner": "me"}


def test_the_environment_fills_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    configured = provider()
    configured.configure({})
    assert configured.region == "eu-north-1"
    assert configured.client("logs").meta.endpoint_url == "http://127.0.0.1:9"


def test_a_profile_gives_the_region(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[profile work]\nregion = sa-east-1\n")
    configured = provider()
    configured.configure({"profile": "work"})
    assert configured.region == "sa-east-1"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"region": "x", "colour": "1"}, "there is no such property"),
        ({"region": "x", "skipRegionValidation": "[]"}, "it must be true or false"),
        ({"region": "x", "endpoints": "{}"}, "it must be a list"),
        ({}, "no region: set aws:region"),
    ],
)
def test_configuration_that_cannot_be_used_is_refused(settings: dict[str, Any], reason: str) -> None:
    assert [item.reason.startswith(reason) for item in provider().check_configuration(settings)] == [True]


def test_settings_that_are_no_json_are_refused() -> None:
    with pytest.raises(ProviderError, match="aws:endpoints is not a JSON document"):
        provider().configure({"endpoints": "[{"})
    with pytest.raises(ProviderError, match="aws:colour: there is no such property"):
        provider().configure({"colour": "red"})
    with pytest.raises(ProviderError, match="no region"):
        _ = provider().region


def test_an_unknown_region_is_taken_on_trust() -> None:
    assert provider().check_configuration({"region": UNKNOWN}) == []


def test_another_region_means_other_resources() -> None:
    old = {"region": "a", "token": "1"}
    assert list(provider().compare_configuration(old, {"region": "b"})) == ["region"]
    assert provider().compare_configuration(old, {"region": "a", "token": "2"}) == {}


@pytest.mark.parametrize(("region", "partition"), [("us-east-1", "aws"), ("cn-north-1", "aws-cn")])
def test_the_partition_follows_from_the_region(region: str, partition: str) -> None:
    configured = provider()
    configured.configure({"region": region})
    assert configured.partition == partition


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (error("Throttled", "slower"), "AWS answered CreateThing with Throttled: slower"),
        (EndpointConnectionError(endpoint_url="http://x"), "AWS could not be reached: "),
        (ParamValidationError(report="bad"), "AWS would refuse the call: "),
        (ProviderError("other"), "other"),
    ],
)
def test_failures_are_put_into_words(failure: Exception, text: str) -> None:
    assert provider().explain(failure).startswith(text)


def test_only_named_codes_are_tolerated() -> None:
    with tolerating("Gone", "AlreadyGone"):
        raise error("AlreadyGone")
    with pytest.raises(ClientError):
        with tolerating("Gone"):
            raise error("Denied")


def test_a_failure_after_creation_keeps_the_id() -> None:
    with pytest.raises(InitFailed) as failure:
        with created("id-1", {"name": "x"}):
            raise error("Denied")
    assert (failure.value.resource_id, failure.value.properties) == ("id-1", {"name": "x"})


def answering(*answers: Any) -> Callable[[], Any]:
    left = iter(answers)

    def call() -> Any:
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return call


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting without pauses."""
    wait = Operation.wait
    monkeypatch.setattr(
        Operation, "wait", lambda self, *args, **named: wait(self, *args, **{**named, "interval_seconds": 0})
    )


@pytest.mark.usefixtures("hurried")
def test_not_yet_is_asked_again_and_said_once() -> None:
    said: list[str] = []
    call = answering(error("NotYet", "role not seen"), error("NotYet", "Role not seen"), "done")
    answer = retrying(operation(say=said.append), "the role", call, "NotYet", seconds=60, messages=("ROLE",))
    assert answer == "done"
    assert said == ["waiting for the role: AWS answered CreateThing with NotYet: role not seen"]


@pytest.mark.usefixtures("hurried")
def test_other_errors_and_other_messages_are_not_asked_again() -> None:
    for failure in (error("Denied"), error("NotYet", "you may not")):
        with pytest.raises(ClientError):
            retrying(operation(), "it", answering(failure), "NotYet", seconds=60, messages=("role",))


@pytest.mark.usefixtures("hurried")
def test_when_time_is_up_the_last_answer_is_told() -> None:
    def call() -> None:
        raise error("NotYet", "still not")

    with pytest.raises(ProviderError, match=r"within 0\.001 s.*NotYet: still not"):
        retrying(operation(timeout_seconds=0.001), "it", call, "NotYet", seconds=60)


def test_a_request_is_sent_by_aws_s_name_of_the_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    configured = provider()
    configured.configure({"region": "us-east-1", "accessKey": "a", "secretKey": "b"})
    client = configured.client("logs")
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(client, "create_log_group", lambda **parameters: sent.append(parameters))
    configured.send(Request("logs", "CreateLogGroup", {"logGroupName": "x"}))
    assert sent == [{"logGroupName": "x"}]


def test_tags_of_aws_itself_are_left_alone() -> None:
    assert tags_of([{"Key": "a", "Value": "1"}, {"Key": "aws:cloudformation:stack-id", "Value": "x"}]) == {"a": "1"}
    assert tags_of(None) == {}


def test_only_differing_tags_are_touched() -> None:
    old, new = {"tagsAll": {"a": "1", "b": "1", "c": "1"}}, {"tags": {"a": "1", "b": "2", "d": "1"}}
    assert tag_changes(old, new) == ({"b": "2", "d": "1"}, ["c"])


RULES: list[dict[str, Any]] = [
    {
        "protocol": "tcp",
        "fromPort": 443,
        "toPort": 443,
        "cidrBlocks": ["10.0.0.0/8", "192.168.0.0/16"],
        "securityGroups": ["sg-2"],
        "description": "why",
    },
    {"protocol": "-1", "fromPort": 0, "toPort": 65535, "cidrBlocks": ["0.0.0.0/0"]},
]


def test_inline_rules_are_many_single_ones() -> None:
    single = expand(RULES)
    assert {(rule.protocol, rule.from_port, rule.peer) for rule in single} == {
        ("tcp", 443, "10.0.0.0/8"),
        ("tcp", 443, "192.168.0.0/16"),
        ("tcp", 443, "sg-2"),
        ("-1", 0, "0.0.0.0/0"),
    }
    assert from_permissions([rule.permission() for rule in single]) == single
    assert expand([rule.inline() for rule in single]) == single


def test_a_rule_is_what_ec2_takes() -> None:
    rule = Rule("tcp", 1, 2, "cidrBlocks", "10.0.0.0/8", "why")
    assert rule.permission() == {
        "IpProtocol": "tcp",
        "FromPort": 1,
        "ToPort": 2,
        "IpRanges": [{"CidrIp": "10.0.0.0/8", "Description": "why"}],
    }


def test_properties_are_parameters_by_the_service_s_own_description() -> None:
    configured = provider()
    configured.configure({"region": "us-east-1"})
    given: dict[str, Any] = {
        "name": "one",
        "memorySize": 256,
        "vpcConfig": {"subnetIds": ["b", "a"], "securityGroupIds": UNKNOWN},
        "environment": {"variables": {"camelCase": "1"}},
        "tags": {"a": "1"},
        "publish": None,
        "replaceSecurityGroupsOnDestroy": True,
    }
    shape = input_of(configured.client("lambda"), "CreateFunction")
    sent = {
        "FunctionName": "one",
        "MemorySize": 256,
        "VpcConfig": {"SubnetIds": ["b", "a"], "SecurityGroupIds": UNKNOWN},
        "Environment": {"Variables": {"camelCase": "1"}},
        "Tags": {"a": "1"},
    }
    assert to_aws(shape, given, Function.renamed) == sent
    answer = {**sent, "VpcConfig": {**sent["VpcConfig"], "SecurityGroupIds": ["c"], "VpcId": "v"}, "Description": ""}
    told = {**given, "vpcConfig": {"subnetIds": ["a", "b"], "securityGroupIds": ["c"]}}
    assert from_aws(Function().table, answer, Function.renamed) == {
        name: told[name] for name in ("name", "memorySize", "vpcConfig", "environment", "tags")
    }
    pairs = input_of(configured.client("ecs"), "CreateCluster")
    assert to_aws(pairs, {"tags": {"b": "2", "a": "1"}}) == {
        "tags": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]
    }


def test_code_that_is_no_zip_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "code.zip", "w") as bundle:
        bundle.writestr("main.py", "")
    assert zip_of(Archive(str(tmp_path / "code.zip"))) == (tmp_path / "code.zip").read_bytes()
    with pytest.raises(ProviderError, match="none is no zip file"):
        zip_of(Archive(str(tmp_path / "none")))
