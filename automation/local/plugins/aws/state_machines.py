"""Step Functions."""

from typing import ClassVar, Final

from automation.local.plugins.aws.base import (
    ROLE_PROPAGATION_SECONDS,
    Aws,
    AwsResource,
    Request,
    compact,
    retrying,
    tag_changes,
    tag_list,
    tag_map,
    tolerating,
)
from automation.local.plugins.framework.schema import BOOLEAN, INTEGER, JSON, STRING, Object, Property, Table
from automation.local.plugins.framework.values import Properties

_GONE: Final = "StateMachineDoesNotExist"
_DELETE_SECONDS: Final = 300.0
"""The published provider's limit; a state machine goes when its executions have ended."""


class StateMachine(AwsResource):
    """`aws.sfn.StateMachine`; its id is its ARN."""

    token = "aws:sfn/stateMachine:StateMachine"
    properties: ClassVar[Table] = {
        "name": Property(STRING, replaces=True, computed=True),
        "type": Property(STRING, replaces=True, default="STANDARD", allowed=("STANDARD", "EXPRESS")),
        "definition": Property(JSON, required=True),
        "roleArn": Property(STRING, required=True),
        "publish": Property(BOOLEAN, default=False, unreadable=True),
        "loggingConfiguration": Property(
            Object(
                {
                    "level": Property(STRING, default="OFF"),
                    "includeExecutionData": Property(BOOLEAN, default=False),
                    "logDestination": Property(STRING),
                }
            ),
            computed=True,
        ),
        "tracingConfiguration": Property(Object({"enabled": Property(BOOLEAN, default=False)}), computed=True),
        "encryptionConfiguration": Property(
            Object(
                {
                    "type": Property(STRING, default="AWS_OWNED_KEY"),
                    "kmsKeyId": Property(STRING),
                    "kmsDataKeyReusePeriodSeconds": Property(INTEGER, computed=True),
                }
            ),
            computed=True,
        ),
    }
    outputs = ("arn", "creationDate", "description", "revisionId", "status", "stateMachineVersionArn", "tagsAll")
    volatile = ("revisionId", "stateMachineVersionArn")
    name_property = "name"
    name_limit = 80

    def request(self, inputs: Properties) -> Request:
        """CreateStateMachine."""
        return Request(
            "stepfunctions",
            "CreateStateMachine",
            compact(
                {
                    "name": inputs["name"],
                    "type": inputs.get("type", "STANDARD"),
                    "publish": inputs.get("publish") or None,
                    "tags": tag_list(inputs, "key", "value") or None,
                    **_settings(inputs),
                }
            ),
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateStateMachine, once the role and its permissions are seen."""
        answer = self._when_allowed(operation, inputs, self.request(inputs))
        return str(answer["stateMachineArn"])

    def _when_allowed(self, operation: Aws, inputs: Properties, request: Request) -> dict[str, str]:
        answer: dict[str, str] = retrying(
            operation,
            f"role {inputs['roleArn']} and its permissions to be seen by Step Functions",
            lambda: operation.provider.send(request, inputs.get("region")),
            "AccessDeniedException",
            "StateMachineDeleting",
            messages=("provided role", "log destination", "being deleted"),
            seconds=ROLE_PROPAGATION_SECONDS,
        )
        return answer

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeStateMachine, ListTagsForResource."""
        client = self.client(operation, "stepfunctions", state)
        with tolerating(_GONE):
            machine = client.describe_state_machine(stateMachineArn=resource_id)
            if machine.get("status") == "DELETING":
                return None
            tags = client.list_tags_for_resource(resourceArn=resource_id).get("tags")
            logging = machine.get("loggingConfiguration") or {}
            destinations = logging.get("destinations") or [{}]
            encryption = machine.get("encryptionConfiguration") or {"type": "AWS_OWNED_KEY"}
            return {
                "name": machine["name"],
                "arn": machine["stateMachineArn"],
                "type": machine.get("type", "STANDARD"),
                "definition": machine["definition"],
                "roleArn": machine["roleArn"],
                "publish": state.get("publish"),
                "loggingConfiguration": compact(
                    {
                        "level": logging.get("level", "OFF"),
                        "includeExecutionData": bool(logging.get("includeExecutionData")),
                        "logDestination": (destinations[0].get("cloudWatchLogsLogGroup") or {}).get("logGroupArn"),
                    }
                ),
                "tracingConfiguration": {"enabled": bool((machine.get("tracingConfiguration") or {}).get("enabled"))},
                "encryptionConfiguration": compact(
                    {
                        "type": encryption.get("type", "AWS_OWNED_KEY"),
                        "kmsKeyId": encryption.get("kmsKeyId"),
                        "kmsDataKeyReusePeriodSeconds": encryption.get("kmsDataKeyReusePeriodSeconds"),
                    }
                ),
                "creationDate": machine["creationDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
                "description": machine.get("description", ""),
                "revisionId": machine.get("revisionId", ""),
                "status": machine.get("status", "ACTIVE"),
                "tags": tag_map(tags, "key", "value"),
            }
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """UpdateStateMachine; running executions go on with what they started with."""
        client = self.client(operation, "stepfunctions", new)
        if changed - {"tags"}:
            settings = {"loggingConfiguration": {"level": "OFF"}, "tracingConfiguration": {"enabled": False}}
            parameters = {
                "stateMachineArn": resource_id,
                **(settings if changed & settings.keys() else {}),
                **_settings(new),
            }
            if new.get("publish"):
                parameters["publish"] = True
            self._when_allowed(operation, new, Request("stepfunctions", "UpdateStateMachine", parameters))
        if "tags" in changed:
            changes, removed = tag_changes(old, new)
            if removed:
                client.untag_resource(resourceArn=resource_id, tagKeys=removed)
            if changes:
                client.tag_resource(resourceArn=resource_id, tags=tag_list({"tags": changes}, "key", "value"))

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteStateMachine, and wait until it is gone."""
        client = self.client(operation, "stepfunctions", state)
        with tolerating(_GONE):
            client.delete_state_machine(stateMachineArn=resource_id)

        def gone() -> bool | None:
            with tolerating(_GONE):
                client.describe_state_machine(stateMachineArn=resource_id)
                return None
            return True

        operation.wait(f"{resource_id} to be gone", gone, default_seconds=_DELETE_SECONDS)


def _settings(inputs: Properties) -> dict[str, object]:
    logging, tracing = inputs.get("loggingConfiguration"), inputs.get("tracingConfiguration")
    encryption = inputs.get("encryptionConfiguration")
    destination = (logging or {}).get("logDestination")
    return compact(
        {
            "definition": inputs["definition"],
            "roleArn": inputs["roleArn"],
            "loggingConfiguration": logging
            and compact(
                {
                    "level": logging.get("level", "OFF"),
                    "includeExecutionData": logging.get("includeExecutionData", False),
                    "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": destination}}] if destination else None,
                }
            ),
            "tracingConfiguration": tracing and {"enabled": tracing.get("enabled", False)},
            "encryptionConfiguration": encryption
            and compact(
                {
                    "type": encryption.get("type", "AWS_OWNED_KEY"),
                    "kmsKeyId": encryption.get("kmsKeyId"),
                    "kmsDataKeyReusePeriodSeconds": encryption.get("kmsDataKeyReusePeriodSeconds"),
                }
            ),
        }
    )
