"""EventBridge."""

from typing import Any, ClassVar

from local_aws.plugins.aws import shapes
from local_aws.plugins.aws.base import Aws, AwsResource
from local_aws.plugins.aws.provider import AwsProvider
from local_aws.plugins.framework.errors import ProviderError
from local_aws.plugins.framework.schema import INTEGER, JSON, STRING, MapOf, Object, Property, Table, required
from local_aws.plugins.framework.values import Properties

_GONE = ("ResourceNotFoundException",)


class EventRule(AwsResource):
    """`aws.cloudwatch.EventRule` on the default bus; its id is its name."""

    token = "aws:cloudwatch/eventRule:EventRule"
    name_property = "name"
    service, creates, reads, deletes = "events", "PutRule", "DescribeRule", "DeleteRule"
    lists_tags = "ListTagsForResource"
    updates: ClassVar = {"PutRule": ("description", "eventPattern", "scheduleExpression")}
    gone = _GONE
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True, replaces=True),
        "description": Property(STRING),
        "eventPattern": Property(JSON),
        "scheduleExpression": Property(STRING),
    }
    outputs = ("arn", "tagsAll")
    deletes_before_replace = True


class EventTarget(AwsResource):
    """`aws.cloudwatch.EventTarget`; its id is `<rule>-<target id>`."""

    token = "aws:cloudwatch/eventTarget:EventTarget"
    service, creates = "events", "PutTargets"
    puts = True
    renamed: ClassVar = {"targetId": "Id"}
    gone = _GONE
    tagged = False
    properties: ClassVar[Table] = {
        "rule": Property(STRING, required=True, replaces=True),
        "targetId": Property(STRING, required=True, replaces=True),
        "arn": Property(STRING, required=True),
        "input": Property(JSON),
        "inputTransformer": Property(
            Object({"inputPaths": Property(MapOf(STRING)), "inputTemplate": Property(STRING, required=True)})
        ),
        "deadLetterConfig": Property(required(arn=STRING)),
        "retryPolicy": Property(
            Object(
                {
                    "maximumEventAgeInSeconds": Property(INTEGER, default=86400),
                    "maximumRetryAttempts": Property(INTEGER, default=185),
                }
            )
        ),
    }
    deletes_before_replace = True

    def request(self, provider: AwsProvider, inputs: Properties) -> dict[str, Any]:
        """PutTargets."""
        targets: Any = shapes.input_of(provider.client("events"), self.creates).members["Targets"]
        target = shapes.to_aws(targets.member, inputs, self.renamed)
        if transformer := inputs.get("inputTransformer"):
            paths = transformer.get("inputPaths") or {}
            target["InputTransformer"] = {"InputPathsMap": paths, "InputTemplate": transformer["inputTemplate"]}
        return {"Rule": inputs["rule"], "Targets": [target]}

    def create(self, operation: Aws, inputs: Properties) -> str:
        """PutTargets."""
        answer = self.send(operation, inputs)
        if answer.get("FailedEntryCount"):
            failed = answer["FailedEntries"][0]
            raise ProviderError(f"AWS answered PutTargets with {failed.get('ErrorCode')}: {failed.get('ErrorMessage')}")
        return f"{inputs['rule']}-{inputs['targetId']}"

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """ListTargetsByRule."""
        pages = self.client(operation).get_paginator("list_targets_by_rule").paginate(Rule=state["rule"])
        targets: list[dict[str, Any]] = [item for page in pages for item in page["Targets"]]
        target = next((item for item in targets if item["Id"] == state["targetId"]), None)
        if target is None:
            return None
        found = {**self.found(target), "rule": state["rule"]}
        if transformer := target.get("InputTransformer"):
            paths, template = transformer.get("InputPathsMap"), transformer["InputTemplate"]
            found["inputTransformer"] = {**({"inputPaths": paths} if paths else {}), "inputTemplate": template}
        return found

    def remove(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """RemoveTargets."""
        self.client(operation).remove_targets(Rule=state["rule"], Ids=[state["targetId"]])
