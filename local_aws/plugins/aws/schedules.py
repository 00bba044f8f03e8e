"""EventBridge Scheduler."""

from typing import Any, ClassVar

from local_aws.plugins.aws.base import Aws, AwsResource, Retry
from local_aws.plugins.aws.iam import PROPAGATION_SECONDS
from local_aws.plugins.framework.schema import INTEGER, STRING, Object, Property, Table, required
from local_aws.plugins.framework.values import Properties

GROUP = "default"


class Schedule(AwsResource):
    """`aws.scheduler.Schedule` in the default group; its id is `default/<name>`."""

    token = "aws:scheduler/schedule:Schedule"
    name_property = "name"
    service, creates, reads, deletes = "scheduler", "CreateSchedule", "GetSchedule", "DeleteSchedule"
    gone = ("ResourceNotFoundException",)
    tagged = False
    not_yet = Retry(
        "role {target[roleArn]} to be usable by Scheduler", ("ValidationException",), PROPAGATION_SECONDS, ("role",)
    )
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True, replaces=True),
        "description": Property(STRING),
        "scheduleExpression": Property(STRING, required=True),
        "scheduleExpressionTimezone": Property(STRING, default="UTC"),
        "flexibleTimeWindow": Property(required(mode=STRING), required=True),
        "target": Property(
            Object(
                {
                    "arn": Property(STRING, required=True),
                    "roleArn": Property(STRING, required=True),
                    "input": Property(STRING),
                    "retryPolicy": Property(
                        Object(
                            {
                                "maximumEventAgeInSeconds": Property(INTEGER, default=86400),
                                "maximumRetryAttempts": Property(INTEGER, default=185),
                            }
                        )
                    ),
                    "deadLetterConfig": Property(required(arn=STRING)),
                }
            ),
            required=True,
        ),
    }
    outputs = ("arn",)
    deletes_before_replace = True

    def create(self, operation: Aws, inputs: Properties) -> str:
        """CreateSchedule."""
        return f"{GROUP}/{super().create(operation, inputs)}"

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """GetSchedule."""
        return self.found(self.client(operation).get_schedule(Name=resource_id.removeprefix(f"{GROUP}/")))

    def change(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """UpdateSchedule, which replaces all settings."""
        parameters: dict[str, Any] = self.parameters(operation.provider, "UpdateSchedule", new)
        self.not_yet.call(operation, lambda: self.call(operation, "UpdateSchedule", parameters), new)

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteSchedule."""
        self.client(operation).delete_schedule(Name=resource_id.removeprefix(f"{GROUP}/"))
