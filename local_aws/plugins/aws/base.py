"""What the `aws` resource types share: the provider's configuration, clients, regions, tags and errors."""

import json
import os
import threading
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.validate import ParamValidator

from local_aws.plugins.aws import shapes
from local_aws.plugins.framework.diff import Change, Kind
from local_aws.plugins.framework.errors import CheckFailure, InitFailed, ProviderError
from local_aws.plugins.framework.provider import Function, Provider
from local_aws.plugins.framework.resource import Operation, Resource
from local_aws.plugins.framework.schema import (
    BOOLEAN,
    INTEGER,
    STRING,
    ListOf,
    MapOf,
    Object,
    Property,
    Table,
    check,
)
from local_aws.plugins.framework.values import Properties, contains_unknown

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


@dataclass(frozen=True)
class Request:
    """One call of AWS: boto3's name of the service, AWS's name of the operation, its parameters."""

    service: str
    operation: str
    parameters: Mapping[str, Any]


class AwsProvider(Provider):
    """The configured provider: one session, one client per service, made when first needed."""

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
        self._clients: dict[str, Any] = {}
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
            ProviderError: a key that is unknown or a value of a wrong type.
        """
        checked, failures = check(_CONFIGURATION, _parsed(settings))
        if failures:
            raise ProviderError("; ".join(f"aws:{failure.path}: {failure.reason}" for failure in failures))
        self._settings = checked
        self._session = None
        self._clients.clear()

    @property
    def region(self) -> str:
        """The region of resources that name none.

        Raises:
            ProviderError: there is none.
        """
        region = self._settings.get("region") or _region_of_environment(self._settings)
        if not region:
            raise ProviderError("no region: set aws:region, or AWS_REGION in the environment")
        return str(region)

    @property
    def default_tags(self) -> dict[str, str]:
        """The tags that every resource gets."""
        return dict((self._settings.get("defaultTags") or {}).get("tags") or {})

    def client(self, service: str) -> Any:
        """The boto3 client of a service, by boto3's name of it."""
        client = self._clients.get(service)
        if client is None:
            with self._lock:
                client = self._clients.get(service) or self._make_client(service)
                self._clients[service] = client
        return client

    def _make_client(self, service: str) -> Any:
        settings, region = self._settings, self.region
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
        endpoints: dict[str, str] = (self._settings.get("endpoints") or [{}])[0]
        return endpoints.get({"stepfunctions": "sfn"}.get(service, service))

    @cached_property
    def account(self) -> str:
        """The number of the account that the credentials belong to."""
        return str(self.client("sts").get_caller_identity()["Account"])

    @property
    def partition(self) -> str:
        """The AWS partition that the region is in: `aws`, `aws-cn`, …"""
        return str(self.client("sts").meta.partition)

    def ec2_arn(self, kind: str, resource_id: str, owner: str | None = None) -> str:
        """The ARN of something of EC2, which answers without it; `owner` is another account than this one."""
        return f"arn:{self.partition}:ec2:{self.region}:{owner or self.account}:{kind}/{resource_id}"

    def send(self, request: Request) -> Any:
        """Make one call and return AWS's answer."""
        return call(self.client(request.service), request.operation, request.parameters)

    def check_request(self, resource: Resource[Any], inputs: Properties) -> Iterable[CheckFailure]:
        """botocore's own validation of the request that creating `resource` would send."""
        request = resource.request(self, inputs) if isinstance(resource, AwsResource) else None
        if request is None or contains_unknown(request.parameters):
            return ()
        shape = shapes.input_of(self.client(request.service), request.operation)
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


def _parsed(settings: Properties) -> Properties:
    """Settings in Python's form: all but texts come as JSON documents."""
    result = dict(settings)
    for key, row in _CONFIGURATION.items():
        if row.shape != STRING and isinstance(settings.get(key), str):
            try:
                result[key] = json.loads(settings[key])
            except ValueError as error:
                raise ProviderError(f"aws:{key} is not a JSON document: {error}") from error
    return result


def _region_of_environment(settings: Properties) -> str | None:
    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return named or boto3.Session(profile_name=settings.get("profile")).region_name


Aws = Operation[AwsProvider]


class AwsResource(Resource[AwsProvider]):
    """A resource type of AWS. Its request and its tags follow from botocore's description of the service.

    Attributes:
        service: boto3's name of the service.
        creates: AWS's name of the operation that creates one.
        id_property: the input that is its id, where `create` says no other.
        renamed: AWS's names of properties that it calls otherwise than Pulumi (`shapes` has the rule), by Pulumi's.
        gone: the error codes that mean that there is none.
        tagged: whether it takes tags.
        tagging: AWS's names of the operations that set and remove tags.
    """

    service: ClassVar[str]
    creates: ClassVar[str]
    id_property: ClassVar[str] = "name"
    renamed: ClassVar[Mapping[str, str]] = {}
    gone: ClassVar[tuple[str, ...]]
    tagged: ClassVar[bool] = True
    tagging: ClassVar[tuple[str, str]] = ("TagResource", "UntagResource")

    @property
    def table(self) -> Table:
        """The type's own inputs and `tags`."""
        return {**self.properties, "tags": Property(MapOf(STRING))} if self.tagged else self.properties

    def complete(self, provider: AwsProvider, inputs: Properties) -> Properties:
        """Add the provider's default tags; the resource's own win."""
        defaults = provider.default_tags
        own = inputs.get("tags") or {}
        if self.tagged and defaults and isinstance(own, dict):
            return {**inputs, "tags": {**defaults, **own}}
        return inputs

    def foresee(self, provider: AwsProvider, inputs: Properties) -> Properties:
        """Tags are known beforehand."""
        return {"tagsAll": inputs.get("tags") or {}} if self.tagged else {}

    def request(self, provider: AwsProvider, inputs: Properties) -> Request | None:
        """The call that creates it; `None` where inputs do not tell it yet."""
        return Request(self.service, self.creates, self.parameters(provider, inputs))

    def parameters(
        self, provider: AwsProvider, inputs: Properties, part: Callable[[Any], Any] = lambda shape: shape
    ) -> dict[str, Any]:
        """`inputs` in the names of the operation that creates it, or of a part of what that takes."""
        shape = part(shapes.input_of(provider.client(self.service), self.creates))
        parameters: dict[str, Any] = shapes.to_aws(shape, inputs, self.renamed)
        return parameters

    def client(self, operation: Aws) -> Any:
        """The service's client."""
        return operation.provider.client(self.service)

    def send(self, operation: Aws, inputs: Properties) -> Any:
        """Make the call that creates it."""
        request = self.request(operation.provider, inputs)
        assert request is not None
        return operation.provider.send(request)

    def found(self, answer: Mapping[str, Any]) -> Properties:
        """The type's inputs and outputs, as far as `answer` has them under their names."""
        return shapes.from_aws(
            {**{name: Property(STRING) for name in self.outputs}, **self.table}, answer, self.renamed
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """The one call, where no more is needed."""
        self.send(operation, inputs)
        return str(inputs[self.id_property])

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Bring it to the inputs `new`, by making it again where nothing else is said; `changed` is without tags."""
        self.create(operation, new)

    def read(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """`find`, with the tags that the type has."""
        found: Properties | None = None
        with tolerating(*self.gone):
            found = self.find(operation, resource_id, state)
        if found is None:
            return None
        if self.tagged:
            found["tags"] = found["tagsAll"] = shapes.tags_of(found.get("tags"))
        return {key: value for key, value in found.items() if value is not None}

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """The type's own properties as AWS tells them, or `None` if there is no such resource."""
        raise NotImplementedError

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """Tags by their own calls, all else as the type has it; what AWS never hears of changes in the state alone."""
        heard = {name for name in changed if name != "tags" and not self.table[name].unreadable}
        if heard:
            self.change(operation, resource_id, old, new, heard)
        if "tags" in changed:
            self.change_tags(operation, resource_id, old, new)

    def change_tags(self, operation: Aws, resource_id: str, old: Properties, new: Properties) -> None:
        """Set the tags that differ, and remove those that went."""
        target = old["arn"] if self.tagging == AwsResource.tagging else resource_id
        changes, removed = tag_changes(old, new)
        for name, given in zip(reversed(self.tagging), (removed, changes), strict=True):
            if given:
                shape = shapes.input_of(self.client(operation), name)
                whose, which = shape.members
                value = shapes.tags_for(shape.members[which], changes) if given is changes else removed
                call(self.client(operation), name, {whose: target, which: value})

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """`remove`; not finding it is fine."""
        with tolerating(*self.gone):
            self.remove(operation, resource_id, state)

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """Remove it."""
        raise NotImplementedError

    def wait_until_gone(self, operation: Aws, resource_id: str, state: Properties, seconds: float) -> None:
        """Ask for it until it is gone."""
        operation.wait(
            f"{resource_id} to be gone",
            lambda: self.read(operation, resource_id, state) is None or None,
            default_seconds=seconds,
        )


def call(client: Any, operation: str, parameters: Mapping[str, Any]) -> Any:
    """Call an operation by AWS's name of it."""
    return getattr(client, xform_name(operation))(**parameters)


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


def tag_changes(old: Properties, new: Properties) -> tuple[dict[str, str], list[str]]:
    """What to set and what to remove to get from one set of tags to another."""
    before, after = old.get("tagsAll") or old.get("tags") or {}, new.get("tags") or {}
    return {key: text for key, text in after.items() if before.get(key) != text}, sorted(before.keys() - after.keys())
