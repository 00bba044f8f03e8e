"""Lambda."""

import json
import zipfile
from pathlib import Path
from typing import ClassVar, Final

from local_aws.plugins.aws.base import (
    ROLE_PROPAGATION_SECONDS,
    Aws,
    AwsProvider,
    AwsResource,
    Request,
    created,
    retrying,
    tolerating,
)
from local_aws.plugins.framework.errors import ProviderError
from local_aws.plugins.framework.schema import (
    ARCHIVE,
    BOOLEAN,
    INTEGER,
    STRING,
    ListOf,
    MapOf,
    Object,
    Property,
    SetOf,
    Table,
)
from local_aws.plugins.framework.values import Archive, Properties

_GONE: Final = ("ResourceNotFoundException",)
_READY_SECONDS: Final = 600.0
"""The published provider's limit for a function to become active or updated."""
_CODE: Final = frozenset({"code", "architectures"})
_NOT_CONFIGURATION: Final = _CODE | {"tags", "publish", "replaceSecurityGroupsOnDestroy"}


class Function(AwsResource):
    """`aws.lambda_.Function` from a zip; its id is its name."""

    token = "aws:lambda/function:Function"
    name_property = "name"
    service = "lambda"
    creates = "CreateFunction"
    renamed: ClassVar = {"name": "FunctionName", "arn": "FunctionArn", "sourceCodeSize": "CodeSize"}
    gone = _GONE
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
        "environment": Property(Object({"variables": Property(MapOf(STRING))})),
        "vpcConfig": Property(
            Object(
                {
                    "subnetIds": Property(SetOf(STRING), required=True),
                    "securityGroupIds": Property(SetOf(STRING), required=True),
                }
            ),
            required=True,
        ),
        "loggingConfig": Property(
            Object({"logFormat": Property(STRING, required=True), "logGroup": Property(STRING, required=True)}),
            required=True,
        ),
        "tracingConfig": Property(Object({"mode": Property(STRING, required=True)}), required=True),
        "publish": Property(BOOLEAN, default=False, unreadable=True),
        "replaceSecurityGroupsOnDestroy": Property(BOOLEAN, unreadable=True),
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
        """A new version has another ARN; nothing else of a function's outputs follows from its tags.

        So what names a version, such as the definition of a state machine, shows as changing in a preview.
        """
        code = {"codeSha256", "sourceCodeSize"} if changed & _CODE else set()
        modified = {"lastModified"} if _modifies(changed) else set()
        version = {"version", "qualifiedArn", "qualifiedInvokeArn"} if _publishes(new, changed) else set()
        return code | modified | version

    def request(self, provider: AwsProvider, inputs: Properties) -> Request:
        """CreateFunction, with the archive as a stand-in of no size: only its name is known here."""
        parameters = self.parameters(provider, {**inputs, "code": None})
        return Request(self.service, self.creates, {**parameters, "Code": {"ZipFile": b""}})

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateFunction once Lambda sees the role, and wait until it is active."""
        bare = self.request(operation.provider, inputs)
        request = Request(
            bare.service, bare.operation, {**bare.parameters, "Code": {"ZipFile": zip_of(inputs["code"])}}
        )
        retrying(
            operation,
            f"role {inputs['role']} to be usable by Lambda",
            lambda: operation.provider.send(request),
            "InvalidParameterValueException",
            messages=("role",),
            seconds=ROLE_PROPAGATION_SECONDS,
        )
        name = str(inputs["name"])
        with created(name, inputs):
            self._wait(operation, name)
        return name

    def _wait(self, operation: Aws, name: str, **qualifier: str) -> None:
        def ready() -> bool | None:
            with tolerating(*_GONE):
                configuration = self.client(operation).get_function_configuration(FunctionName=name, **qualifier)
                state = configuration.get("State", "Active")
                last = configuration.get("LastUpdateStatus", "Successful")
                if state == "Failed" or last == "Failed":
                    reasons = (configuration.get("StateReason"), configuration.get("LastUpdateStatusReason"))
                    raise ProviderError(f"function {name} failed: {'; '.join(filter(None, reasons)) or state}")
                return True if state in ("Active", "Inactive") and last == "Successful" else None
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
        functions = self.client(operation)
        if changed - _NOT_CONFIGURATION:
            asked = self.parameters(operation.provider, {**new, **dict.fromkeys(_NOT_CONFIGURATION)})
            retrying(
                operation,
                f"function {resource_id} to be ready for a change",
                lambda: functions.update_function_configuration(**{**_EMPTIED, **asked}),
                "ResourceConflictException",
                seconds=_READY_SECONDS,
            )
            self._wait(operation, resource_id)
        if changed & _CODE:
            architectures = new.get("architectures") or ["x86_64"]
            functions.update_function_code(
                FunctionName=resource_id, ZipFile=zip_of(new["code"]), Architectures=architectures
            )
            self._wait(operation, resource_id)
        if _publishes(new, changed):
            published = retrying(
                operation,
                f"function {resource_id} to be ready to be published",
                lambda: functions.publish_version(FunctionName=resource_id),
                "ResourceConflictException",
                messages=("in progress",),
                seconds=_READY_SECONDS,
            )
            self._wait(operation, resource_id, Qualifier=published["Version"])
        if "tags" in changed:
            self.change_tags(operation, resource_id, old, new)

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteFunction, after its security groups are free where the program asks for that."""
        if state.get("replaceSecurityGroupsOnDestroy"):
            self._release_security_groups(operation, resource_id)
        retrying(
            operation,
            f"function {resource_id} to be ready to go",
            lambda: self.client(operation).delete_function(FunctionName=resource_id),
            "ResourceConflictException",
            seconds=_READY_SECONDS,
        )

    def _release_security_groups(self, operation: Aws, name: str) -> None:
        """Lambda's network interfaces outlive the function; with the VPC's own group they do not hold the program's."""
        functions, ec2 = self.client(operation), operation.provider.client("ec2")
        subnets = (functions.get_function_configuration(FunctionName=name).get("VpcConfig") or {}).get("SubnetIds")
        if not subnets:
            return
        vpc_id = ec2.describe_subnets(SubnetIds=subnets[:1])["Subnets"][0]["VpcId"]
        in_vpc = [{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "group-name", "Values": ["default"]}]
        groups = [group["GroupId"] for group in ec2.describe_security_groups(Filters=in_vpc)["SecurityGroups"]]
        if groups:
            functions.update_function_configuration(
                FunctionName=name, VpcConfig={"SubnetIds": subnets, "SecurityGroupIds": groups}
            )
            self._wait(operation, name)


def _modifies(changed: set[str]) -> bool:
    return bool(changed & _CODE or changed - _NOT_CONFIGURATION)


def _publishes(new: Properties, changed: set[str]) -> bool:
    """Whether an update makes a version: as in the published provider, tags make none."""
    return bool(new.get("publish")) and (_modifies(changed) or "publish" in changed)


_EMPTIED: Final = {"Description": "", "Environment": {"Variables": {}}, "MemorySize": 128, "Timeout": 3}
"""What an update must say so that something is no longer set."""


def zip_of(code: Archive) -> bytes:
    """The bytes of an archive that is a zip file.

    Raises:
        ProviderError: it is none.
    """
    if not zipfile.is_zipfile(code.path):
        raise ProviderError(f"{code.path} is no zip file (looked for it from {Path.cwd()})")
    return Path(code.path).read_bytes()


class Permission(AwsResource):
    """`aws.lambda_.Permission`; its id is its statement's."""

    token = "aws:lambda/permission:Permission"
    service = "lambda"
    creates = "AddPermission"
    renamed: ClassVar = {"function": "FunctionName", "statementId": "StatementId"}
    gone = _GONE
    tagged = False
    properties: ClassVar[Table] = {
        "statementId": Property(STRING, required=True, replaces=True),
        "action": Property(STRING, required=True, replaces=True),
        "function": Property(STRING, required=True, replaces=True),
        "principal": Property(STRING, required=True, replaces=True),
        "sourceArn": Property(STRING, replaces=True),
    }
    deletes_before_replace = True

    def create(self, operation: Aws, inputs: Properties) -> str:
        """AddPermission; Lambda takes one change of a policy at a time."""
        retrying(
            operation,
            f"the policy of {inputs['function']} to be free",
            lambda: self.send(operation, inputs),
            "ResourceNotFoundException",
            "PreconditionFailedException",
            seconds=60,
        )
        return str(inputs["statementId"])

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

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """RemovePermission."""
        self.client(operation).remove_permission(FunctionName=state["function"], StatementId=resource_id)
