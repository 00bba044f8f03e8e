"""Step Functions."""

from typing import Any, ClassVar

from local_aws.plugins.aws.base import Aws, AwsResource, Retry
from local_aws.plugins.aws.iam import PROPAGATION_SECONDS
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.schema import BOOLEAN, JSON, STRING, Object, Property, Table
from local_aws.plugins.framework.values import Properties


class StateMachine(AwsResource):
    """`aws.sfn.StateMachine`; its id is its ARN."""

    token = "aws:sfn/stateMachine:StateMachine"
    name_property = "name"
    service, creates, reads = "stepfunctions", "CreateStateMachine", "DescribeStateMachine"
    lists_tags, deletes = "ListTagsForResource", "DeleteStateMachine"
    id_property = "arn"
    renamed: ClassVar = {"arn": "stateMachineArn"}
    gone = ("StateMachineDoesNotExist",)
    # It is gone when its executions have ended; the published provider's limit.
    gone_seconds = 300
    not_yet = Retry(
        "role {roleArn} and its permissions to be visible to Step Functions",
        ("AccessDeniedException", "StateMachineDeleting"),
        PROPAGATION_SECONDS,
        ("provided role", "log destination", "being deleted"),
    )
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True, replaces=True),
        "type": Property(STRING, replaces=True, default="STANDARD", allowed=("STANDARD", "EXPRESS")),
        "definition": Property(JSON, required=True),
        "roleArn": Property(STRING, required=True),
        "loggingConfiguration": Property(
            Object(
                {
                    "level": Property(STRING, default="OFF"),
                    "includeExecutionData": Property(BOOLEAN, default=False),
                    "logDestination": Property(STRING),
                }
            ),
        ),
        "tracingConfiguration": Property(Object({"enabled": Property(BOOLEAN, default=False)})),
    }
    outputs = ("arn", "creationDate", "revisionId", "status", "tagsAll")
    volatile = ("revisionId",)
    deletes_before_replace = True

    def parameters(self, provider: AwsProvider, name: str, properties: Properties) -> dict[str, Any]:
        """With the log group where Step Functions takes it."""
        parameters = super().parameters(provider, name, properties)
        log_group = (properties.get("loggingConfiguration") or {}).get("logDestination")
        if "loggingConfiguration" in parameters and log_group:
            destination = {"cloudWatchLogsLogGroup": {"logGroupArn": log_group}}
            parameters["loggingConfiguration"]["destinations"] = [destination]
        return parameters

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateStateMachine, when the role and its permissions are visible."""
        return str(self.send(operation, inputs)["stateMachineArn"])

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeStateMachine."""
        machine = self.client(operation).describe_state_machine(stateMachineArn=resource_id)
        logging = machine.get("loggingConfiguration") or {}
        for destination in logging.get("destinations") or ():
            logging["logDestination"] = destination["cloudWatchLogsLogGroup"]["logGroupArn"]
        return self.found(machine)

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """UpdateStateMachine; active executions keep the definition that they started with."""
        off = {"loggingConfiguration": {"level": "OFF"}, "tracingConfiguration": {"enabled": False}}
        settings = {**(off if changed & off.keys() else {}), **new, "arn": resource_id}
        self.not_yet.call(operation, lambda: self.call_on(operation, "UpdateStateMachine", settings), new)
