"""Lambda."""

import json
from typing import Any, ClassVar, Final

from automation.local.plugins.aws.archives import zip_bytes
from automation.local.plugins.aws.base import (
    ROLE_PROPAGATION_SECONDS,
    Aws,
    AwsResource,
    Request,
    compact,
    created,
    retrying,
    tag_changes,
    tolerating,
)
from automation.local.plugins.framework.errors import CheckFailure, ProviderError
from automation.local.plugins.framework.schema import (
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
from automation.local.plugins.framework.values import UNKNOWN, Archive, Asset, Properties

_GONE: Final = "ResourceNotFoundException"
_READY_SECONDS: Final = 600.0
"""The published provider's limit for a function to become active or updated."""
_CODE: Final = frozenset(
    {"code", "s3Bucket", "s3Key", "s3ObjectVersion", "imageUri", "sourceCodeHash", "codeSha256", "architectures"}
)
_CONCURRENCY: Final = "reservedConcurrentExecutions"
_NOT_CONFIGURATION: Final = _CODE | {
    "tags",
    "publish",
    "skipDestroy",
    _CONCURRENCY,
    "replaceSecurityGroupsOnDestroy",
    "replacementSecurityGroupIds",
}


class Function(AwsResource):
    """`aws.lambda_.Function`; its id is its name."""

    token = "aws:lambda/function:Function"
    properties: ClassVar[Table] = {
        "name": Property(STRING, replaces=True, computed=True),
        "role": Property(STRING, required=True),
        "description": Property(STRING),
        "handler": Property(STRING),
        "runtime": Property(STRING),
        "packageType": Property(STRING, replaces=True, default="Zip", allowed=("Zip", "Image")),
        "architectures": Property(ListOf(STRING), computed=True),
        "code": Property(ARCHIVE, unreadable=True),
        "s3Bucket": Property(STRING, unreadable=True),
        "s3Key": Property(STRING, unreadable=True),
        "s3ObjectVersion": Property(STRING, unreadable=True),
        "imageUri": Property(STRING),
        "sourceCodeHash": Property(STRING, computed=True, unreadable=True),
        "codeSha256": Property(STRING, computed=True),
        "memorySize": Property(INTEGER, default=128),
        "timeout": Property(INTEGER, default=3),
        "environment": Property(Object({"variables": Property(MapOf(STRING))})),
        "kmsKeyArn": Property(STRING),
        "layers": Property(ListOf(STRING)),
        "deadLetterConfig": Property(Object({"targetArn": Property(STRING, required=True)})),
        "ephemeralStorage": Property(Object({"size": Property(INTEGER, default=512, computed=True)}), computed=True),
        "vpcConfig": Property(
            Object(
                {
                    "subnetIds": Property(SetOf(STRING), required=True),
                    "securityGroupIds": Property(SetOf(STRING), required=True),
                    "ipv6AllowedForDualStack": Property(BOOLEAN, default=False),
                    "vpcId": Property(STRING, computed=True),
                }
            )
        ),
        "loggingConfig": Property(
            Object(
                {
                    "logFormat": Property(STRING, required=True),
                    "logGroup": Property(STRING, computed=True),
                    "applicationLogLevel": Property(STRING),
                    "systemLogLevel": Property(STRING),
                }
            ),
            computed=True,
        ),
        "tracingConfig": Property(Object({"mode": Property(STRING, required=True)}), computed=True),
        _CONCURRENCY: Property(INTEGER, default=-1),
        "publish": Property(BOOLEAN, default=False, unreadable=True),
        "skipDestroy": Property(BOOLEAN, default=False, unreadable=True),
        "replaceSecurityGroupsOnDestroy": Property(BOOLEAN, unreadable=True),
        "replacementSecurityGroupIds": Property(SetOf(STRING), unreadable=True),
    }
    outputs = (
        "arn",
        "invokeArn",
        "lastModified",
        "qualifiedArn",
        "qualifiedInvokeArn",
        "sourceCodeSize",
        "tagsAll",
        "version",
    )
    name_property = "name"
    name_limit = 64

    def changing(self, new: Properties, changed: set[str]) -> set[str]:
        """A new version has another ARN; nothing else of a function's outputs follows from its tags or its concurrency.

        So what names a version, such as the definition of a state machine, shows as changing in a preview.
        """
        code = {"codeSha256", "sourceCodeSize"} if changed & _CODE else set()
        modified = {"lastModified"} if _modifies(changed) else set()
        version = {"version", "qualifiedArn", "qualifiedInvokeArn"} if _publishes(new, changed) else set()
        return code | modified | version

    def check(self, provider: Any, inputs: Properties) -> list[CheckFailure]:
        """One source of code; a zip needs handler and runtime."""
        del provider
        failures: list[CheckFailure] = []
        sources = [name for name in ("code", "s3Bucket", "imageUri") if inputs.get(name) is not None]
        if len(sources) != 1:
            failures.append(CheckFailure("code", "exactly one of code, s3Bucket and imageUri is required"))
        if inputs.get("packageType", "Zip") == "Zip":
            failures += [
                CheckFailure(name, "a function from a zip needs it")
                for name in ("handler", "runtime")
                if inputs.get(name) is None
            ]
        if inputs.get("replacementSecurityGroupIds") and not inputs.get("replaceSecurityGroupsOnDestroy"):
            failures.append(CheckFailure("replacementSecurityGroupIds", "it needs replaceSecurityGroupsOnDestroy"))
        return failures

    def request(self, inputs: Properties) -> Request:
        """CreateFunction, with the archive as a stand-in of no size: only its name is known here."""
        return self._request(inputs, b"")

    def _request(self, inputs: Properties, archive: bytes) -> Request:
        architectures = inputs.get("architectures")
        return Request(
            "lambda",
            "CreateFunction",
            compact(
                {
                    "FunctionName": inputs["name"],
                    "Code": _source(inputs, archive),
                    "PackageType": inputs.get("packageType"),
                    "Architectures": architectures,
                    "Publish": bool(inputs.get("publish")),
                    "Tags": inputs.get("tags") or None,
                    **_configuration(inputs),
                }
            ),
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateFunction once Lambda sees the role, and wait until it is active."""
        request = self._request(inputs, _archive(inputs))
        retrying(
            operation,
            f"role {inputs['role']} to be usable by Lambda",
            lambda: operation.provider.send(request, inputs.get("region")),
            "InvalidParameterValueException",
            messages=("role",),
            seconds=ROLE_PROPAGATION_SECONDS,
        )
        name = str(inputs["name"])
        with created(name, inputs):
            self._wait(operation, name, inputs)
            self._reserve(operation, name, inputs)
        return name

    def _reserve(self, operation: Aws, name: str, inputs: Properties) -> None:
        functions = self.client(operation, "lambda", inputs)
        reserved = inputs.get(_CONCURRENCY, -1)
        if reserved >= 0:
            functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=reserved)

    def _wait(self, operation: Aws, name: str, properties: Properties, **qualifier: str) -> None:
        functions = self.client(operation, "lambda", properties)

        def ready() -> bool | None:
            with tolerating(_GONE):
                configuration = functions.get_function_configuration(FunctionName=name, **qualifier)
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
        functions = self.client(operation, "lambda", state)
        with tolerating(_GONE):
            answer = functions.get_function(FunctionName=resource_id)
            configuration = answer["Configuration"]
            region = state.get("region") or operation.provider.region
            arn = configuration["FunctionArn"]
            arn = ":".join(arn.split(":")[:7])
            pages = functions.get_paginator("list_versions_by_function").paginate(FunctionName=resource_id)
            newest = [version for page in pages for version in page["Versions"]][-1]
            partition = operation.provider.partition(region)
            invoke = f"arn:{partition}:apigateway:{region}:lambda:path/2015-03-31/functions"
            reserved = (answer.get("Concurrency") or {}).get("ReservedConcurrentExecutions", -1)
            return {
                **_found(configuration),
                "arn": arn,
                "imageUri": (answer.get("Code") or {}).get("ImageUri"),
                "invokeArn": f"{invoke}/{arn}/invocations",
                "qualifiedArn": newest["FunctionArn"],
                "qualifiedInvokeArn": f"{invoke}/{newest['FunctionArn']}/invocations",
                "version": newest["Version"],
                _CONCURRENCY: reserved,
                **{
                    name: state.get(name)
                    for name, row in self.properties.items()
                    if row.unreadable and name != "sourceCodeHash"
                },
                "sourceCodeHash": state.get("sourceCodeHash") or configuration.get("CodeSha256"),
                "tags": {key: text for key, text in (answer.get("Tags") or {}).items() if not key.startswith("aws:")},
            }
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """UpdateFunctionConfiguration, UpdateFunctionCode, waiting after each; then one PublishVersion for both."""
        functions = self.client(operation, "lambda", new)
        if changed - _NOT_CONFIGURATION:
            configuration = {**_EMPTIED, **_configuration(new)}
            retrying(
                operation,
                f"function {resource_id} to be ready for a change",
                lambda: functions.update_function_configuration(
                    FunctionName=resource_id, **{k: v for k, v in configuration.items() if v is not None}
                ),
                "ResourceConflictException",
                seconds=_READY_SECONDS,
            )
            self._wait(operation, resource_id, new)
        if changed & _CODE:
            source = _source(new, _archive(new))
            functions.update_function_code(
                FunctionName=resource_id,
                **source,
                **({"Architectures": new["architectures"]} if new.get("architectures") else {}),
            )
            self._wait(operation, resource_id, new)
        if _CONCURRENCY in changed:
            if new.get(_CONCURRENCY, -1) < 0:
                functions.delete_function_concurrency(FunctionName=resource_id)
            self._reserve(operation, resource_id, new)
        if _publishes(new, changed):
            published = retrying(
                operation,
                f"function {resource_id} to be ready to be published",
                lambda: functions.publish_version(FunctionName=resource_id),
                "ResourceConflictException",
                messages=("in progress",),
                seconds=_READY_SECONDS,
            )
            self._wait(operation, resource_id, new, Qualifier=published["Version"])
        if "tags" in changed:
            changes, removed = tag_changes(old, new)
            if removed:
                functions.untag_resource(Resource=old["arn"], TagKeys=removed)
            if changes:
                functions.tag_resource(Resource=old["arn"], Tags=changes)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteFunction, after its security groups are free where the program asks for that."""
        if state.get("skipDestroy"):
            return
        functions = self.client(operation, "lambda", state)
        with tolerating(_GONE):
            if state.get("replaceSecurityGroupsOnDestroy") and state.get("vpcConfig"):
                self._release_security_groups(operation, resource_id, state)
            retrying(
                operation,
                f"function {resource_id} to be ready to go",
                lambda: functions.delete_function(FunctionName=resource_id),
                "ResourceConflictException",
                seconds=_READY_SECONDS,
            )

    def _release_security_groups(self, operation: Aws, name: str, state: Properties) -> None:
        """Lambda's network interfaces outlive the function; with other groups they do not hold the program's."""
        functions = self.client(operation, "lambda", state)
        vpc = functions.get_function_configuration(FunctionName=name).get("VpcConfig") or {}
        if not vpc.get("VpcId") and not vpc.get("SubnetIds"):
            return
        groups = state.get("replacementSecurityGroupIds")
        if not groups:
            ec2 = operation.provider.client("ec2", state.get("region"))
            vpc_id = vpc.get("VpcId") or ec2.describe_subnets(SubnetIds=vpc["SubnetIds"][:1])["Subnets"][0]["VpcId"]
            found = ec2.describe_security_groups(
                Filters=[{"Name": "vpc-id", "Values": [vpc_id]}, {"Name": "group-name", "Values": ["default"]}]
            )["SecurityGroups"]
            groups = [group["GroupId"] for group in found]
        if groups:
            functions.update_function_configuration(
                FunctionName=name, VpcConfig={"SubnetIds": vpc["SubnetIds"], "SecurityGroupIds": sorted(groups)}
            )
            self._wait(operation, name, state)


def _modifies(changed: set[str]) -> bool:
    return bool(changed & _CODE or changed - _NOT_CONFIGURATION)


def _publishes(new: Properties, changed: set[str]) -> bool:
    """Whether an update makes a version: as in the published provider, tags and concurrency make none."""
    return bool(new.get("publish")) and (_modifies(changed) or "publish" in changed)


_EMPTIED: Final[dict[str, Any]] = {
    "Description": "",
    "Environment": {"Variables": {}},
    "Layers": [],
    "KMSKeyArn": "",
    "DeadLetterConfig": {},
    "VpcConfig": {"SubnetIds": [], "SecurityGroupIds": []},
    "MemorySize": 128,
    "Timeout": 3,
}
"""What an update must say so that something is no longer set."""


def _configuration(inputs: Properties) -> dict[str, Any]:
    environment, vpc = inputs.get("environment"), inputs.get("vpcConfig")
    logging, tracing = inputs.get("loggingConfig"), inputs.get("tracingConfig")
    storage, dead_letters = inputs.get("ephemeralStorage"), inputs.get("deadLetterConfig")
    return compact(
        {
            "Role": inputs["role"],
            "Description": inputs.get("description"),
            "Handler": inputs.get("handler"),
            "Runtime": inputs.get("runtime"),
            "MemorySize": inputs.get("memorySize"),
            "Timeout": inputs.get("timeout"),
            "Environment": environment and {"Variables": environment.get("variables") or {}},
            "KMSKeyArn": inputs.get("kmsKeyArn"),
            "Layers": inputs.get("layers"),
            "EphemeralStorage": storage and {"Size": storage.get("size", 512)},
            "DeadLetterConfig": dead_letters and {"TargetArn": dead_letters["targetArn"]},
            "TracingConfig": tracing and {"Mode": tracing["mode"]},
            "LoggingConfig": logging
            and compact(
                {
                    "LogFormat": logging["logFormat"],
                    "LogGroup": logging.get("logGroup"),
                    "ApplicationLogLevel": logging.get("applicationLogLevel"),
                    "SystemLogLevel": logging.get("systemLogLevel"),
                }
            ),
            "VpcConfig": vpc
            and compact(
                {
                    "SubnetIds": _sorted(vpc["subnetIds"]),
                    "SecurityGroupIds": _sorted(vpc["securityGroupIds"]),
                    "Ipv6AllowedForDualStack": vpc.get("ipv6AllowedForDualStack"),
                }
            ),
        }
    )


def _sorted(items: Any) -> Any:
    return items if items is UNKNOWN or UNKNOWN in items else sorted(items)


def _archive(inputs: Properties) -> bytes:
    code = inputs.get("code")
    return zip_bytes(code) if isinstance(code, (Archive, Asset)) else b""


def _source(inputs: Properties, archive: bytes) -> dict[str, Any]:
    if inputs.get("imageUri") is not None:
        return {"ImageUri": inputs["imageUri"]}
    if inputs.get("s3Bucket") is not None:
        names = {"S3Bucket": "s3Bucket", "S3Key": "s3Key", "S3ObjectVersion": "s3ObjectVersion"}
        return compact({theirs: inputs.get(ours) for theirs, ours in names.items()})
    return {"ZipFile": archive}


def _found(configuration: dict[str, Any]) -> Properties:
    vpc, logging = configuration.get("VpcConfig") or {}, configuration.get("LoggingConfig") or {}
    environment = (configuration.get("Environment") or {}).get("Variables")
    dead_letters = configuration.get("DeadLetterConfig") or {}
    return {
        "name": configuration["FunctionName"],
        "role": configuration["Role"],
        "description": configuration.get("Description") or None,
        "handler": configuration.get("Handler") or None,
        "runtime": configuration.get("Runtime") or None,
        "packageType": configuration.get("PackageType", "Zip"),
        "architectures": configuration.get("Architectures") or ["x86_64"],
        "memorySize": configuration.get("MemorySize", 128),
        "timeout": configuration.get("Timeout", 3),
        "environment": {"variables": environment} if environment else None,
        "kmsKeyArn": configuration.get("KMSKeyArn") or None,
        "layers": [layer["Arn"] for layer in configuration.get("Layers") or ()] or None,
        "ephemeralStorage": {"size": (configuration.get("EphemeralStorage") or {}).get("Size", 512)},
        "deadLetterConfig": {"targetArn": dead_letters["TargetArn"]} if dead_letters.get("TargetArn") else None,
        "tracingConfig": {"mode": (configuration.get("TracingConfig") or {}).get("Mode", "PassThrough")},
        "loggingConfig": compact(
            {
                "logFormat": logging.get("LogFormat", "Text"),
                "logGroup": logging.get("LogGroup") or f"/aws/lambda/{configuration['FunctionName']}",
                "applicationLogLevel": logging.get("ApplicationLogLevel"),
                "systemLogLevel": logging.get("SystemLogLevel"),
            }
        ),
        "vpcConfig": compact(
            {
                "subnetIds": sorted(vpc["SubnetIds"]),
                "securityGroupIds": sorted(vpc.get("SecurityGroupIds") or ()),
                "ipv6AllowedForDualStack": bool(vpc.get("Ipv6AllowedForDualStack")),
                "vpcId": vpc.get("VpcId") or None,
            }
        )
        if vpc.get("SubnetIds")
        else None,
        "codeSha256": configuration.get("CodeSha256"),
        "sourceCodeSize": configuration.get("CodeSize"),
        "lastModified": configuration.get("LastModified"),
    }


class Permission(AwsResource):
    """`aws.lambda_.Permission`; its id is its statement's. An import's id is `<function>/<statement id>`."""

    token = "aws:lambda/permission:Permission"
    tagged = False
    properties: ClassVar[Table] = {
        "statementId": Property(STRING, replaces=True, computed=True),
        "action": Property(STRING, required=True, replaces=True),
        "function": Property(STRING, required=True, replaces=True),
        "principal": Property(STRING, required=True, replaces=True),
        "sourceArn": Property(STRING, replaces=True),
        "sourceAccount": Property(STRING, replaces=True),
        "qualifier": Property(STRING, replaces=True),
        "eventSourceToken": Property(STRING, replaces=True),
        "principalOrgId": Property(STRING, replaces=True),
    }
    name_property = "statementId"
    name_limit = 100

    def request(self, inputs: Properties) -> Request:
        """AddPermission."""
        names = {
            "FunctionName": "function",
            "StatementId": "statementId",
            "Action": "action",
            "Principal": "principal",
            "SourceArn": "sourceArn",
            "SourceAccount": "sourceAccount",
            "Qualifier": "qualifier",
            "EventSourceToken": "eventSourceToken",
            "PrincipalOrgID": "principalOrgId",
        }
        parameters = {theirs: inputs.get(ours) for theirs, ours in names.items()}
        return Request("lambda", "AddPermission", compact(parameters))

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
        function, _, statement_id = resource_id.rpartition("/")
        if state:
            function, statement_id = state["function"], state.get("statementId") or resource_id
        qualifier = {"Qualifier": state["qualifier"]} if state.get("qualifier") else {}
        with tolerating(_GONE):
            answer = self.client(operation, "lambda", state).get_policy(FunctionName=function, **qualifier)
            statements = json.loads(answer["Policy"])["Statement"]
            statement = next((item for item in statements if item.get("Sid") == statement_id), None)
            if statement is not None:
                return {**_permission(statement), "function": function, "qualifier": state.get("qualifier")}
        return None

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """RemovePermission."""
        qualifier = {"Qualifier": state["qualifier"]} if state.get("qualifier") else {}
        with tolerating(_GONE):
            self.client(operation, "lambda", state).remove_permission(
                FunctionName=state["function"], StatementId=resource_id, **qualifier
            )


def _permission(statement: dict[str, Any]) -> Properties:
    principal: Any = statement["Principal"]
    if isinstance(principal, dict):
        principal = principal.get("Service") or principal.get("AWS")
    conditions: dict[str, Any] = {}
    for tests in (statement.get("Condition") or {}).values():
        conditions.update({key.lower(): value for key, value in tests.items()})
    return {
        "statementId": statement["Sid"],
        "action": statement["Action"],
        "principal": principal,
        "sourceArn": conditions.get("aws:sourcearn"),
        "sourceAccount": conditions.get("aws:sourceaccount"),
        "eventSourceToken": conditions.get("lambda:eventsourcetoken"),
        "principalOrgId": conditions.get("aws:principalorgid"),
    }
