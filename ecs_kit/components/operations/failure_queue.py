"""The queue of events that were not handled: of EventBridge's rules, the schedule, and the monitor."""

import json

import pulumi
import pulumi_aws as aws

from ecs_kit.components import policies
from ecs_kit.components.parts import PartArgs

RETENTION_SECONDS = 14 * 24 * 3600
"""The longest that Amazon SQS offers (API reference, CreateQueue)."""


class FailureQueue(pulumi.ComponentResource):
    """An encrypted queue, written by EventBridge and by the kit's roles, and by TLS only.

    It is encrypted with keys of Amazon SQS itself: EventBridge may use a key of your own only if the key's policy says
    so, and where it does not, the events are lost.
    """

    arn: pulumi.Output[str]
    url: pulumi.Output[str]

    def __init__(self, name: str, args: PartArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:operations:FailureQueue", name, None, opts)
        queue = aws.sqs.Queue(
            name,
            name=args.names.failure_queue,
            message_retention_seconds=RETENTION_SECONDS,
            sqs_managed_sse_enabled=True,
            policy=json.dumps(policies.failure_queue(args.names)),
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.arn, self.url = queue.arn, queue.url
        self.register_outputs({"arn": self.arn})
