"""Lambda."""

import json
import zipfile
from pathlib import Path
from typing import Any, ClassVar, Final

from local_aws.plugins.aws.base import Aws, AwsResource, Retry, tolerating
from local_aws.plugins.aws.iam import PROPAGATION_SECONDS
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.errors import ProviderError
from local_aws.plugins.framework.schema import (
    ARCHIVE,
    BOOLEAN,
    INTEGER,
    STRING,
    ListOf,
    MapOf,
    Property,
    SetOf,
    Table,
    optional,
    required,
)
from local_aws.plugins.framework.values import Archive, Properties

_GONE: Final = ("ResourceNotFoundException",)
_READY_SECONDS: Final = 600.0
"""The published provider's limit for a function to become active or updated."""
_CODE: Final = frozenset({"code", "architectures"})
_NOT_CONFIGURATION: Final = _CODE | {"tags", "publish"}
_EMPTIED: Final = {
    "DeadLetterConfig": {"TargetArn": ""},
    "Description": "",
    "Environment": {"Variables": {}},
    "MemorySize": 128,
    "Timeout": 3,
}
"""What an update sends for properties that are no longer set."""
_UPDATING: Final = Retry("function {id} to be ready for a change", ("ResourceConflictException",), _READY_SECONDS)
_PUBLISHING: Final = Retry(
    "function {id} to be ready for a new version", ("ResourceConflictException",), _READY_SECONDS, ("in progress",)
)


class Function(AwsResource):
    """`aws.lambda_.Function` from a zip; its id is its name."""

    token = "aws:lambda/function:Function"
    name_property = "name"
    service, creates, deletes = "lambda", "CreateFunction", "DeleteFunction"
    renamed: ClassVar = {"name": "FunctionName", "arn": "FunctionArn", "sourceCodeSize": "CodeSize"}
    gone = _GONE
    not_yet = Retry(
        "role {role} to be usable by Lambda", ("InvalidParameterValueException",), PROPAGATION_SECONDS, ("role",)
    )
    in_use = Retry("function {id} to be ready for its deletion", ("ResourceConflictException",), _READY_SECONDS)
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True, replaces=True),
        "role": Property(STRING, required=True),
        "description": Property(STRING),
        "handler": Property(STRING, required=True),
        "runtime": Property(STRING, required=True),
        "architectures": Property(ListOf(STRING), default=["x86_64"]),
        "code": Property(ARCHIVE, required=True, unreadable=True),
        "memorySize": Property(INTEGER, default=128),
        "timeout": Property(INTEGER, default=3),
        "environment": Property(optional(variables=MapOf(STRING))),
        "vpcConfig": Property(required(subnetIds=SetOf(STRING), securityGroupIds=SetOf(STRING)), required=True),
        "loggingConfig": Property(required(logFormat=STRING, logGroup=STRING), required=True),
        "tracingConfig": Property(required(mode=STRING), required=True),
        "deadLetterConfig": Property(required(targetArn=STRING)),
        "publish": Property(BOOLEAN, default=False, unreadable=True),
    }
    outputs = (
        "arn",
        "codeSha256",
        "invokeArn",
        "lastModified",
        "qualifiedArn",
        "qualifiedInvokeArn",
        "sourceCodeSize",
        "tagsAll",
        "version",
    )
    deletes_before_replace = True

    def changing(self, new: Properties, changed: set[str]) -> set[str]:
        """A new version has another ARN; tags change no other output.

        A preview shows as changing what uses the version's ARN, such as the definition of a state machine.
        """
        code = {"codeSha256", "sourceCodeSize"} if changed & _CODE else set()
        modified = {"lastModified"} if _modifies(changed) else set()
        version = {"version", "qualifiedArn", "qualifiedInvokeArn"} if _publishes(new, changed) else set()
        return code | modified | version

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """CreateFunction, with an empty archive: only its name is known in a check."""
        return {**super().request(provider, {**inputs, "code": None}), "Code": {"ZipFile": b""}}

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateFunction when Lambda can use the role, and wait until it is active."""
        parameters = {**self.request(operation.provider, inputs), "Code": {"ZipFile": zip_of(inputs["code"])}}
        self.not_yet.call(operation, lambda: self.call(operation, self.creates, parameters), inputs)
        operation.created = str(inputs["name"])
        self._wait(operation, operation.created)
        return operation.created

    def _wait(self, operation: Aws, name: str, **qualifier: str) -> None:
        def ready() -> bool | None:
            with tolerating(*_GONE):
                configuration = self.client(operation).get_function_configuration(FunctionName=name, **qualifier)
                state = configuration.get("State", "Active")
                last = configuration.get("LastUpdateStatus", "Successful")
                if state == "Failed" or last == "Failed":
                    reasons = (configuration.get("StateReason"), configuration.get("LastUpdateStatusReason"))
                    raise ProviderError(f"function {name} failed: {'; '.join(filter(None, reasons)) or state}")
                return (state in ("Active", "Inactive") and last == "Successful") or None
            return None

        operation.wait(f"function {name} to be ready", ready, default_seconds=_READY_SECONDS)

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetFunction, and ListVersionsByFunction: the last one is the newest, `$LATEST` where none is published."""
        functions, provider = self.client(operation), operation.provider
        answer = functions.get_function(FunctionName=resource_id)
        configuration = answer["Configuration"]
        arn = ":".join(configuration["FunctionArn"].split(":")[:7])
        pages = functions.get_paginator("list_versions_by_function").paginate(FunctionName=resource_id)
        newest = [version for page in pages for version in page["Versions"]][-1]
        invoke = f"arn:{provider.partition}:apigateway:{provider.region}:lambda:path/2015-03-31/functions"
        return {
            **self.found(configuration),
            "arn": arn,
            "invokeArn": f"{invoke}/{arn}/invocations",
            "qualifiedArn": newest["FunctionArn"],
            "qualifiedInvokeArn": f"{invoke}/{newest['FunctionArn']}/invocations",
            "version": newest["Version"],
            "tags": answer.get("Tags"),
        }

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """UpdateFunctionConfiguration, UpdateFunctionCode, waiting after each; then one PublishVersion for both."""
        functions, this = self.client(operation), {"id": resource_id}
        if changed - _NOT_CONFIGURATION:
            given = {**new, **dict.fromkeys(_NOT_CONFIGURATION)}
            name = "UpdateFunctionConfiguration"
            parameters = {**_EMPTIED, **self.parameters(operation.provider, name, given)}
            _UPDATING.call(operation, lambda: self.call(operation, name, parameters), this)
            self._wait(operation, resource_id)
        if changed & _CODE:
            architectures = new.get("architectures") or ["x86_64"]
            functions.update_function_code(
                FunctionName=resource_id, ZipFile=zip_of(new["code"]), Architectures=architectures
            )
            self._wait(operation, resource_id)
        if _publishes(new, changed):
            answer = _PUBLISHING.call(operation, lambda: functions.publish_version(FunctionName=resource_id), this)
            self._wait(operation, resource_id, Qualifier=answer["Version"])
        if "tags" in changed:
            self.change_tags(operation, resource_id, old, new)


def _modifies(changed: set[str]) -> bool:
    return bool(changed & _CODE or changed - _NOT_CONFIGURATION)


def _publishes(new: Properties, changed: set[str]) -> bool:
    """Whether an update makes a version: as in the published provider, tags make none."""
    return bool(new.get("publish")) and (_modifies(changed) or "publish" in changed)


def zip_of(code: Archive) -> bytes:
    """The bytes of an archive that is a zip file; `ProviderError`: it is none."""
    if not zipfile.is_zipfile(code.path):
        raise ProviderError(f"{code.path} is no zip file (looked for it from {Path.cwd()})")
    return Path(code.path).read_bytes()


class Permission(AwsResource):
    """`aws.lambda_.Permission`; its id is its statement's."""

    token = "aws:lambda/permission:Permission"
    service, creates, deletes = "lambda", "AddPermission", "RemovePermission"
    id_property = "statementId"
    renamed: ClassVar = {"function": "FunctionName"}
    gone = _GONE
    tagged = False
    # Lambda takes one change of a policy at a time.
    not_yet = Retry(
        "the policy of {function} to be free", ("ResourceNotFoundException", "PreconditionFailedException"), 60
    )
    properties: ClassVar[Table] = {
        "statementId": Property(STRING, required=True, replaces=True),
        "action": Property(STRING, required=True, replaces=True),
        "function": Property(STRING, required=True, replaces=True),
        "principal": Property(STRING, required=True, replaces=True),
        "sourceArn": Property(STRING, replaces=True),
    }
    deletes_before_replace = True

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetPolicy."""
        answer = self.client(operation).get_policy(FunctionName=state["function"])
        statements = json.loads(answer["Policy"])["Statement"]
        statement = next((item for item in statements if item.get("Sid") == resource_id), None)
        if statement is None:
            return None
        conditions = (statement.get("Condition") or {}).values()
        told = {key.lower(): value for tests in conditions for key, value in tests.items()}
        principal = statement["Principal"]
        return {
            "statementId": resource_id,
            "action": statement["Action"],
            "function": state["function"],
            "principal": principal.get("Service") or principal.get("AWS") if isinstance(principal, dict) else principal,
            "sourceArn": told.get("aws:sourcearn"),
        }


class FunctionEventInvokeConfig(AwsResource):
    """`aws.lambda_.FunctionEventInvokeConfig` of a function without a qualifier; its id is the function's name."""

    token = "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig"
    service, creates = "lambda", "PutFunctionEventInvokeConfig"
    reads, deletes = "GetFunctionEventInvokeConfig", "DeleteFunctionEventInvokeConfig"
    puts = True
    id_property = "functionName"
    gone = _GONE
    tagged = False
    not_yet = Retry(
        "the role of {functionName} to reach the destination",
        ("InvalidParameterValueException",),
        PROPAGATION_SECONDS,
        ("role", "destination"),
    )
    properties: ClassVar[Table] = {
        "functionName": Property(STRING, required=True, replaces=True),
        "destinationConfig": Property(optional(onSuccess=required(destination=STRING))),
        "maximumRetryAttempts": Property(INTEGER, default=2),
    }
    deletes_before_replace = True

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetFunctionEventInvokeConfig, which answers with the function's ARN instead of its name."""
        found = self.found(self.call(operation, self.reads, {"FunctionName": resource_id}))
        return {**found, "functionName": resource_id}
