"""The aws plugin's configuration, errors, retries, tags and parameters."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, ParamValidationError

from local_aws.plugins.aws.base import Retry, tolerating
from local_aws.plugins.aws.functions import zip_of
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.aws.registry import provider
from local_aws.plugins.aws.shapes import tags_of
from local_aws.plugins.framework.errors import ProviderError
from local_aws.plugins.framework.resource import Operation
from local_aws.plugins.framework.values import UNKNOWN, Archive


@pytest.fixture(autouse=True)
def no_profiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def configured(**settings: str) -> AwsProvider:
    made = provider()
    made.configure(settings)
    return made


def error(code: str, message: str = "no", operation: str = "CreateThing") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, operation)


def operation(**more: Any) -> Operation[AwsProvider]:
    return Operation(AwsProvider(), **more)


def test_nested_settings_come_as_json() -> None:
    made = configured(
        region="eu-central-1",
        accessKey="key",
        secretKey="secret",
        s3UsePathStyle="true",
        maxRetries="3",
        endpoints=json.dumps([{"sfn": "http://127.0.0.1:1", "s3": "http://127.0.0.1:2"}]),
        defaultTags=json.dumps({"tags": {"owner": "me"}}),
    )
    machines, buckets = made.client("stepfunctions"), made.client("s3")
    assert (machines.meta.endpoint_url, machines.meta.region_name) == ("http://127.0.0.1:1", "eu-central-1")
    assert buckets.meta.endpoint_url == "http://127.0.0.1:2"
    assert buckets.meta.config.s3["addressing_style"] == "path"
    assert made.client("stepfunctions") is machines
    assert buckets.meta.config.retries["total_max_attempts"] == 4
    assert made.default_tags == {"owner": "me"}


def test_the_environment_and_a_profile_fill_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config").write_text("[profile work]\nregion = sa-east-1\n")
    assert configured(profile="work").region == "sa-east-1"
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    made = configured()
    assert (made.region, made.client("logs").meta.endpoint_url) == ("eu-north-1", "http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"region": "x", "colour": "1"}, "there is no such property"),
        ({"region": "x", "skipRegionValidation": "[]"}, "it must be true or false"),
        ({"region": "x", "endpoints": "{}"}, "it must be a list"),
        ({}, "no region: set aws:region"),
        ({"region": UNKNOWN}, ""),
    ],
)
def test_a_wrong_configuration_is_refused(settings: dict[str, Any], reason: str) -> None:
    found = [item.reason for item in provider().check_configuration(settings)]
    assert [text.startswith(reason) for text in found] == ([True] if reason else [])


def test_a_setting_that_is_no_json_is_named() -> None:
    with pytest.raises(ProviderError, match="aws:endpoints is not a JSON document"):
        provider().check_configuration({"endpoints": "[{"})


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (error("Throttled", "slower"), "AWS answered CreateThing with Throttled: slower"),
        (EndpointConnectionError(endpoint_url="http://x"), "AWS could not be reached: "),
        (ParamValidationError(report="bad"), "AWS would refuse the call: "),
        (ProviderError("other"), "other"),
    ],
)
def test_failures_are_explained(failure: Exception, text: str) -> None:
    assert provider().explain(failure).startswith(text)


def test_only_the_given_codes_are_tolerated() -> None:
    with tolerating("Gone", "AlreadyGone"):
        raise error("AlreadyGone")
    with pytest.raises(ClientError):
        with tolerating("Gone"):
            raise error("Denied")


def answering(*answers: Any) -> Callable[[], Any]:
    left = iter(answers)

    def call() -> Any:
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return call


ROLE = Retry("role {role}", ("NotYet",), 60, ("role",))


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = Operation.wait
    monkeypatch.setattr(
        Operation, "wait", lambda self, *args, **named: wait(self, *args, **{**named, "interval_seconds": 0})
    )


@pytest.mark.usefixtures("no_pauses")
def test_a_refusal_that_passes_is_retried_and_shown_once_and_no_other_is_retried() -> None:
    said: list[str] = []
    call = answering(error("NotYet", "role not seen"), error("NotYet", "Role not seen"), "done")
    assert ROLE.call(operation(say=said.append), call, {"role": "one"}) == "done"
    assert said == ["waiting for role one: AWS answered CreateThing with NotYet: role not seen"]
    for failure in (error("Denied"), error("NotYet", "you may not")):
        with pytest.raises(ClientError):
            ROLE.call(operation(), answering(failure), {"role": "one"})


@pytest.mark.usefixtures("no_pauses")
def test_a_retry_that_times_out_shows_the_last_answer() -> None:
    def call() -> None:
        raise error("NotYet", "role not seen")

    with pytest.raises(ProviderError, match=r"role one did not happen within 0\.001 s.*NotYet: role not seen"):
        ROLE.call(operation(timeout_seconds=0.001), call, {"role": "one"})


def test_tags_of_aws_itself_are_left_out() -> None:
    assert tags_of([{"Key": "a", "Value": "1"}, {"Key": "aws:cloudformation:stack-id", "Value": "x"}]) == {"a": "1"}
    assert tags_of(None) == {}


def test_code_that_is_no_zip_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="none is no zip file"):
        zip_of(Archive(str(tmp_path / "none")))
