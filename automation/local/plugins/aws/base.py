"""What the `aws` resource types share: the provider's configuration, clients, regions, tags and errors."""

import json
import os
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.validate import ParamValidator

from automation.local.plugins.framework.diff import Change, Kind
from automation.local.plugins.framework.errors import CheckFailure, ConfigurationError, InitFailed, ProviderError
from automation.local.plugins.framework.provider import Function, Provider
from automation.local.plugins.framework.resource import Operation, Resource
from automation.local.plugins.framework.schema import (
    BOOLEAN,
    INTEGER,
    STRING,
    ListOf,
    MapOf,
    Object,
    Property,
    Scalar,
    Table,
    check,
)
from automation.local.plugins.framework.values import Properties, contains_unknown

CONNECTIONS: Final = 64
"""Connections kept open to an endpoint: as many as the plugin's workers."""
ROLE_PROPAGATION_SECONDS: Final = 120.0
"""How long a new IAM role or policy may not be seen yet by other services (IAM: "changes are not always
immediately visible"; the published provider waits as long)."""

_CONFIGURATION: Final[Table] = {
    "region": Property(STRING, replaces=True),
    "accessKey": Property(STRING),
    "secretKey": Property(STRING),
    "token": Property(STRING),
    "profile": Property(STRING),
    "endpoints": Property(ListOf(MapOf(STRING))),
    "s3UsePathStyle": Property(BOOLEAN),
    "skipCredentialsValidation": Property(BOOLEAN),
    "skipMetadataApiCheck": Property(BOOLEAN),
    "skipRegionValidation": Property(BOOLEAN),
    "skipRequestingAccountId": Property(BOOLEAN),
    "maxRetries": Property(INTEGER),
    "defaultTags": Property(Object({"tags": Property(MapOf(STRING))})),
    "version": Property(STRING),
    "pluginDownloadURL": Property(STRING),
}
_ENDPOINT_NAMES: Final = {
    "events": ("eventbridge", "events", "cloudwatchevents"),
    "logs": ("logs", "cloudwatchlog", "cloudwatchlogs"),
    "stepfunctions": ("sfn", "stepfunctions"),
    "lambda": ("lambda",),
}
"""What `aws:endpoints` calls a service where boto3's name is not enough."""


@dataclass(frozen=True)
class Request:
    """One call of AWS: boto3's name of the service, AWS's name of the operation, its parameters."""

    service: str
    operation: str
    parameters: Mapping[str, Any]


class AwsProvider(Provider):
    """The configured provider: one session, one client per service and region, made when first needed."""

    package = "aws"
    call_errors = (ClientError, BotoCoreError)

    def __init__(
        self, resources: Iterable[Resource[Any]] = (), functions: Mapping[str, Callable[..., Function]] | None = None
    ) -> None:
        super().__init__()
        self._resources = tuple(resources)
        self._functions = {token: make(self) for token, make in (functions or {}).items()}
        self._settings: Properties = {}
        self._session: boto3.Session | None = None
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()

    def resources(self) -> Iterable[Resource[Any]]:
        """The resource types."""
        return self._resources

    def functions(self) -> Mapping[str, Function]:
        """The functions by token."""
        return self._functions

    def check_configuration(self, settings: Properties) -> list[CheckFailure]:
        """Unknown keys, values of a wrong type, no region anywhere."""
        _, failures = check(_CONFIGURATION, _parsed(settings))
        if not failures and not settings.get("region") and not _region_of_environment(settings):
            failures.append(
                CheckFailure("region", "no region: set aws:region, or AWS_REGION in the environment, or a profile's")
            )
        return failures

    def compare_configuration(self, old: Properties, new: Properties) -> dict[str, Change]:
        """Another region means other resources; all else is taken over as it is."""
        before, after = old.get("region"), new.get("region")
        return {"region": Change(Kind.UPDATE, replaces=True)} if before != after and before and after else {}

    def configure(self, settings: Properties) -> None:
        """Take `aws:*`; what is absent comes from the environment, as for every AWS tool.

        Raises:
            ConfigurationError: a key that is unknown or a value of a wrong type.
        """
        checked, failures = check(_CONFIGURATION, _parsed(settings))
        if failures:
            raise ConfigurationError("; ".join(f"aws:{failure.path}: {failure.reason}" for failure in failures))
        self._settings = checked
        self._session = None
        self._clients.clear()

    @property
    def region(self) -> str:
        """The region of resources that name none.

        Raises:
            ConfigurationError: there is none.
        """
        region = self._settings.get("region") or _region_of_environment(self._settings)
        if not region:
            raise ConfigurationError("no region: set aws:region, or AWS_REGION in the environment")
        return str(region)

    @property
    def default_tags(self) -> dict[str, str]:
        """The tags that every resource gets."""
        return dict((self._settings.get("defaultTags") or {}).get("tags") or {})

    def client(self, service: str, region: str | None = None) -> Any:
        """The boto3 client of a service.

        Args:
            service: boto3's name of it.
            region: another region than the provider's.
        """
        key = (service, region or self.region)
        client = self._clients.get(key)
        if client is None:
            with self._lock:
                client = self._clients.get(key) or self._make_client(*key)
                self._clients[key] = client
        return client

    def _make_client(self, service: str, region: str) -> Any:
        settings = self._settings
        if self._session is None:
            self._session = boto3.Session(
                aws_access_key_id=settings.get("accessKey"),
                aws_secret_access_key=settings.get("secretKey"),
                aws_session_token=settings.get("token"),
                profile_name=settings.get("profile"),
                region_name=region,
            )
        config = Config(
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": settings.get("maxRetries", 8) + 1},
            s3={"addressing_style": "path"} if settings.get("s3UsePathStyle") else None,
        )
        make: Any = self._session.client
        return make(service, region_name=region, endpoint_url=self._endpoint(service), config=config)

    def _endpoint(self, service: str) -> str | None:
        endpoints = (self._settings.get("endpoints") or [{}])[0]
        names = _ENDPOINT_NAMES.get(service, (service,))
        return next((endpoints[name] for name in names if endpoints.get(name)), None)

    @cached_property
    def account(self) -> str:
        """The number of the account that the credentials belong to."""
        return str(self.client("sts").get_caller_identity()["Account"])

    @staticmethod
    def partition(region: str) -> str:
        """The AWS partition that a region is in: `aws`, `aws-cn`, …"""
        return partition_of(region)

    def send(self, request: Request, region: str | None = None) -> Any:
        """Make one call and return AWS's answer."""
        client = self.client(request.service, region)
        method = next(
            name for name, operation in client.meta.method_to_api_mapping.items() if operation == request.operation
        )
        return getattr(client, method)(**request.parameters)

    def check_request(self, resource: Resource[Any], inputs: Properties) -> Iterable[CheckFailure]:
        """botocore's own validation of the request that creating `resource` would send."""
        request = resource.request(inputs) if isinstance(resource, AwsResource) else None
        if request is None or contains_unknown(request.parameters):
            return ()
        model = self.client(request.service, inputs.get("region")).meta.service_model
        shape = model.operation_model(request.operation).input_shape
        report = ParamValidator().validate(dict(request.parameters), shape)
        if not report.has_errors():
            return ()
        return (CheckFailure("", f"AWS would refuse {request.operation}: {report.generate_report()}"),)

    def explain(self, error: BaseException) -> str:
        """The call, the code and AWS's message."""
        if isinstance(error, ClientError):
            details = error.response.get("Error", {})
            code, message = details.get("Code", "unknown error"), details.get("Message", "")
            return f"AWS answered {error.operation_name} with {code}: {message}"
        if isinstance(error, ParamValidationError):
            return f"AWS would refuse the call: {error}"
        return f"AWS could not be reached: {error}" if isinstance(error, BotoCoreError) else str(error)


@lru_cache(maxsize=32)
def partition_of(region: str) -> str:
    """The AWS partition that a region is in, from botocore's table."""
    return boto3.Session().get_partition_for_region(region)


def _parsed(settings: Properties) -> Properties:
    """Settings with nested values, which come as JSON documents, in Python's form."""
    nested = {"endpoints", "defaultTags"}
    result: Properties = {}
    for key, value in settings.items():
        if isinstance(value, str) and (key in nested or not _is_text(key)):
            try:
                value = json.loads(value)
            except ValueError as error:
                raise ConfigurationError(f"aws:{key} is not a JSON document: {error}") from error
        result[key] = value
    return result


def _is_text(key: str) -> bool:
    row = _CONFIGURATION.get(key)
    return row is None or (isinstance(row.shape, Scalar) and row.shape.kind == "string")


def _region_of_environment(settings: Properties) -> str | None:
    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return named or boto3.Session(profile_name=settings.get("profile")).region_name


Aws = Operation[AwsProvider]


class AwsResource(Resource[AwsProvider]):
    """A resource type of AWS.

    Attributes:
        tagged: whether it takes tags.
        regional: whether it lives in a region.
    """

    tagged: ClassVar[bool] = True
    regional: ClassVar[bool] = True

    @property
    def table(self) -> Table:
        """The type's own inputs, `region` and `tags`."""
        common: dict[str, Property] = {}
        if self.regional:
            common["region"] = Property(STRING, replaces=True, computed=True)
        if self.tagged:
            common["tags"] = Property(MapOf(STRING))
        return {**self.properties, **common}

    def complete(self, provider: AwsProvider, inputs: Properties) -> Properties:
        """Add the provider's default tags; the resource's own win."""
        defaults = provider.default_tags
        own = inputs.get("tags") or {}
        if self.tagged and defaults and isinstance(own, dict):
            return {**inputs, "tags": {**defaults, **own}}
        return inputs

    def foresee(self, provider: AwsProvider, inputs: Properties) -> Properties:
        """Region and tags are known beforehand."""
        known: Properties = {}
        if self.regional:
            known["region"] = inputs.get("region") or provider.region
        if self.tagged:
            known["tagsAll"] = inputs.get("tags") or {}
        return known

    def request(self, inputs: Properties) -> Request | None:
        """The call that creates it, as far as inputs alone say; `None` where there is no single one."""
        del inputs
        return None

    @staticmethod
    def client(operation: Aws, service: str, properties: Mapping[str, Any]) -> Any:
        """The client for a resource with these inputs or this state."""
        return operation.provider.client(service, properties.get("region"))

    def send(self, operation: Aws, inputs: Properties) -> Any:
        """Make the call that creates it."""
        request = self.request(inputs)
        assert request is not None
        return operation.provider.send(request, inputs.get("region"))

    def read(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """`find`, with the properties that all types have."""
        found = self.find(operation, resource_id, state)
        if found is None:
            return None
        if self.regional:
            found["region"] = state.get("region") or operation.provider.region
        if self.tagged:
            tags = found.get("tags") or {}
            found["tags"] = tags or None
            found["tagsAll"] = tags
        return {key: value for key, value in found.items() if value is not None}

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """The type's own properties as AWS tells them, or `None` if there is no such resource."""
        raise NotImplementedError


def code_of(error: ClientError) -> str:
    """AWS's error code."""
    return str(error.response.get("Error", {}).get("Code", ""))


@contextmanager
def tolerating(*codes: str) -> Generator[None, None, None]:
    """Go on after an AWS error with one of `codes`: what was to be found is absent, what was to be gone is gone."""
    try:
        yield
    except ClientError as error:
        if code_of(error) not in codes:
            raise


@contextmanager
def created(resource_id: str, inputs: Properties) -> Generator[None, None, None]:
    """Within it the resource exists: a failure leaves it in the state, so that it is not lost.

    Raises:
        InitFailed: anything AWS refuses in there.
    """
    try:
        yield
    except (ClientError, BotoCoreError, ProviderError) as error:
        raise InitFailed(resource_id, inputs, error) from error


def retrying(
    operation: Aws, what: str, call: Callable[[], Any], *codes: str, seconds: float, messages: tuple[str, ...] = ("",)
) -> Any:
    """Call until AWS no longer answers with one of `codes`, which mean "not yet".

    Args:
        operation: the engine's call this is for.
        what: what is waited for, for the error.
        call: the AWS call.
        codes: error codes that mean "not yet".
        seconds: how long at most, unless the program sets a timeout.
        messages: only errors whose message has one of these texts (any case) mean "not yet".
    """
    last: list[ClientError] = []

    def attempt() -> tuple[Any] | None:
        try:
            return (call(),)
        except ClientError as error:
            text = str(error.response.get("Error", {}).get("Message", "")).lower()
            if code_of(error) not in codes or not any(part.lower() in text for part in messages):
                raise
            if not last:
                operation.say(f"waiting for {what}: {operation.provider.explain(error)}")
            last[:] = [error]
            return None

    try:
        (answer,) = operation.wait(what, attempt, default_seconds=seconds, interval_seconds=0.5)
    except ProviderError as error:
        if last:
            raise ProviderError(f"{error} ({operation.provider.explain(last[0])})") from error
        raise
    return answer


def tag_list(inputs: Mapping[str, Any], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    """Tags as most AWS services take them: a list of pairs."""
    return [{key: name, value: text} for name, text in sorted((inputs.get("tags") or {}).items())]


def tag_map(pairs: Iterable[Mapping[str, str]] | None, key: str = "Key", value: str = "Value") -> dict[str, str]:
    """Tags from a list of pairs; AWS's own (`aws:…`) are left out."""
    return {pair[key]: pair[value] for pair in pairs or () if not pair[key].startswith("aws:")}


def tag_changes(old: Properties, new: Properties) -> tuple[dict[str, str], list[str]]:
    """What to set and what to remove to get from one set of tags to another."""
    before, after = old.get("tagsAll") or old.get("tags") or {}, new.get("tags") or {}
    return {key: text for key, text in after.items() if before.get(key) != text}, sorted(before.keys() - after.keys())


def compact(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters without those that are absent."""
    return {key: value for key, value in parameters.items() if value is not None}


def policy_meaning(document: Any) -> Any:
    """An IAM policy in a form in which equal means equal: single values as lists, lists as sets.

    AWS gives documents back in such other words (IAM user guide, "Grammar of the IAM JSON policy language").
    """
    if not isinstance(document, dict):
        return document
    statements = document.get("Statement", [])
    meaning = {**document, "Statement": [_statement(item) for item in _as_list(statements)]}
    return {key: value for key, value in meaning.items() if value not in ("", [], None)}


def _statement(statement: Any) -> Any:
    if not isinstance(statement, dict):
        return statement
    result: dict[str, Any] = {}
    for key, value in statement.items():
        if key == "Condition" and isinstance(value, dict):
            result[key] = {
                operator: {name: _as_set(items) for name, items in keys.items()} if isinstance(keys, dict) else keys
                for operator, keys in value.items()
            }
        elif isinstance(value, dict):
            result[key] = {name: _as_set(items) for name, items in value.items()}
        elif key in ("Sid", "Effect"):
            if value:
                result[key] = value
        else:
            result[key] = _as_set(value)
    return result


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _as_set(value: Any) -> list[str]:
    return sorted({"true" if item is True else "false" if item is False else str(item) for item in _as_list(value)})


POLICY: Final = Scalar("json", meaning=policy_meaning)
"""A text that holds an IAM policy."""
