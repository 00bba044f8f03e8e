"""Step Functions."""

from typing import Any, ClassVar, Final

from local_aws.plugins.aws.base import ROLE_PROPAGATION_SECONDS, Aws, AwsProvider, AwsResource, Request, retrying
from local_aws.plugins.framework.schema import BOOLEAN, JSON, STRING, Object, Property, Table
from local_aws.plugins.framework.values import Properties

_DELETE_SECONDS: Final = 300.0
"""The published provider's limit; a state machine goes when its executions have ended."""


class StateMachine(AwsResource):
    """`aws.sfn.StateMachine`; its id is its ARN."""

    token = "aws:sfn/stateMachine:StateMachine"
    name_property = "name"
    service = "stepfunctions"
    creates = "CreateStateMachine"
    renamed: ClassVar = {"arn": "stateMachineArn"}
    gone = ("StateMachineDoesNotExist",)
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

    def request(self, provider: AwsProvider, inputs: Properties) -> Request:
        """CreateStateMachine."""
        return Request(self.service, self.creates, self._settings(provider, inputs))

    def _settings(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        parameters = self.parameters(provider, inputs)
        destination = (inputs.get("loggingConfiguration") or {}).get("logDestination")
        if destination:
            parameters["loggingConfiguration"]["destinations"] = [
                {"cloudWatchLogsLogGroup": {"logGroupArn": destination}}
            ]
        return parameters

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateStateMachine, once the role and its permissions are seen."""
        request = self.request(operation.provider, inputs)
        return str(self._when_allowed(operation, inputs, request)["stateMachineArn"])

    def _when_allowed(self, operation: Aws, inputs: Properties, request: Request) -> dict[str, str]:
        answer: dict[str, str] = retrying(
            operation,
            f"role {inputs['roleArn']} and its permissions to be seen by Step Functions",
            lambda: operation.provider.send(request),
            "AccessDeniedException",
            "StateMachineDeleting",
            messages=("provided role", "log destination", "being deleted"),
            seconds=ROLE_PROPAGATION_SECONDS,
        )
        return answer

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeStateMachine, ListTagsForResource."""
        machine = self.client(operation).describe_state_machine(stateMachineArn=resource_id)
        logging = machine.get("loggingConfiguration") or {}
        for destination in logging.get("destinations") or ():
            logging["logDestination"] = destination["cloudWatchLogsLogGroup"]["logGroupArn"]
        tags = self.client(operation).list_tags_for_resource(resourceArn=resource_id).get("tags")
        return {**self.found(machine), "tags": tags}

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """UpdateStateMachine; running executions go on with what they started with."""
        settings = {"loggingConfiguration": {"level": "OFF"}, "tracingConfiguration": {"enabled": False}}
        parameters = self._settings(operation.provider, {**new, "name": None, "type": None, "tags": None})
        emptied = settings if changed & settings.keys() else {}
        request = Request(self.service, "UpdateStateMachine", {"stateMachineArn": resource_id, **emptied, **parameters})
        self._when_allowed(operation, new, request)

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteStateMachine, and wait until it is gone."""
        self.client(operation).delete_state_machine(stateMachineArn=resource_id)
        self.wait_until_gone(operation, resource_id, state, _DELETE_SECONDS)
