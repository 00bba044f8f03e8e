"""The configured `aws` provider: its settings, its clients, its errors."""

import json
import os
import threading
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.validate import ParamValidator

from local_aws.plugins.aws import shapes
from local_aws.plugins.framework.errors import CheckFailure, ProviderError
from local_aws.plugins.framework.provider import Function, Provider
from local_aws.plugins.framework.resource import Resource
from local_aws.plugins.framework.schema import BOOLEAN, INTEGER, STRING, ListOf, MapOf, Object, Property, Table, check
from local_aws.plugins.framework.values import Properties

CONNECTIONS: Final = 64
"""Connections kept open to an endpoint: as many as the plugin's workers."""
_RETRIES: Final = 8
_SETTINGS: Final[Table] = {
    "region": Property(STRING),
    "accessKey": Property(STRING),
    "secretKey": Property(STRING),
    "token": Property(STRING),
    "profile": Property(STRING),
    "maxRetries": Property(INTEGER),
    "endpoints": Property(ListOf(MapOf(STRING))),
    "s3UsePathStyle": Property(BOOLEAN),
    "skipCredentialsValidation": Property(BOOLEAN),
    "skipMetadataApiCheck": Property(BOOLEAN),
    "skipRegionValidation": Property(BOOLEAN),
    "skipRequestingAccountId": Property(BOOLEAN),
    "defaultTags": Property(Object({"tags": Property(MapOf(STRING))})),
    "version": Property(STRING),
    "pluginDownloadURL": Property(STRING),
}


class AwsProvider(Provider):
    """One session, and one client per service, created when first needed."""

    call_errors = (ClientError, BotoCoreError)
    replaced_by = ("region",)

    def __init__(
        self, resources: Iterable[Resource[Any]] = (), functions: Mapping[str, Function] | None = None
    ) -> None:
        super().__init__("aws", resources, functions)
        self._settings: Properties = {}
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()

    def check_configuration(self, settings: Properties) -> list[CheckFailure]:
        """Unknown keys, values of a wrong type, no region."""
        _, failures = check(_SETTINGS, _parsed(settings))
        if not failures and not settings.get("region") and not _region_of_environment(settings):
            failures.append(
                CheckFailure("region", "no region: set aws:region, or AWS_REGION in the environment, or a profile's")
            )
        return failures

    def configure(self, settings: Properties) -> None:
        """Take `aws:*`, as checked; what is absent comes from the environment, as for every AWS tool."""
        self._settings = _parsed(settings)

    @property
    def region(self) -> str:
        """The region of resources."""
        return str(self._settings.get("region") or _region_of_environment(self._settings))

    @property
    def default_tags(self) -> dict[str, str]:
        """The tags that every resource gets."""
        return dict((self._settings.get("defaultTags") or {}).get("tags") or {})

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session(
            aws_access_key_id=self._settings.get("accessKey"),
            aws_secret_access_key=self._settings.get("secretKey"),
            aws_session_token=self._settings.get("token"),
            profile_name=self._settings.get("profile"),
            region_name=self.region,
        )

    def client(self, service: str) -> Any:
        """The boto3 client of a service, by boto3's name of it."""
        if service not in self._clients:
            with self._lock:
                if service not in self._clients:
                    self._clients[service] = self._make_client(service)
        return self._clients[service]

    def _make_client(self, service: str) -> Any:
        endpoints: dict[str, str] = (self._settings.get("endpoints") or [{}])[0]
        config = Config(
            max_pool_connections=CONNECTIONS,
            retries={"mode": "standard", "total_max_attempts": self._settings.get("maxRetries", _RETRIES) + 1},
            s3={"addressing_style": "path"} if self._settings.get("s3UsePathStyle") else None,
        )
        make: Any = self._session.client
        return make(
            service, endpoint_url=endpoints.get("sfn" if service == "stepfunctions" else service), config=config
        )

    @cached_property
    def account(self) -> str:
        """The id of the account that the credentials belong to."""
        return str(self.client("sts").get_caller_identity()["Account"])

    @property
    def partition(self) -> str:
        """The AWS partition that the region is in: `aws`, `aws-cn`, …"""
        return str(self.client("sts").meta.partition)

    def check_request(self, resource: Resource[Any], inputs: Properties) -> Iterable[CheckFailure]:
        """botocore's own validation of the request that creating `resource` would send."""
        of: Any = resource
        shape = shapes.input_of(self.client(of.service), of.creates)
        report = ParamValidator().validate(of.request(self, inputs), shape)
        if not report.has_errors():
            return ()
        return (CheckFailure("", f"AWS would refuse {of.creates}: {report.generate_report()}"),)

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
    """Settings as Python values: all but texts come as JSON documents."""
    result = dict(settings)
    for key, row in _SETTINGS.items():
        if row.shape != STRING and isinstance(settings.get(key), str):
            try:
                result[key] = json.loads(settings[key])
            except ValueError as error:
                raise ProviderError(f"aws:{key} is not a JSON document: {error}") from error
    return result


def _region_of_environment(settings: Properties) -> str | None:
    named = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return named or boto3.Session(profile_name=settings.get("profile")).region_name
