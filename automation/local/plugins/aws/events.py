"""EventBridge."""

from typing import Any, ClassVar

from automation.local.plugins.aws.base import (
    Aws,
    AwsResource,
    Request,
    compact,
    tag_changes,
    tag_list,
    tag_map,
    tolerating,
)
from automation.local.plugins.framework.errors import ProviderError
from automation.local.plugins.framework.schema import BOOLEAN, INTEGER, JSON, STRING, MapOf, Object, Property, Table
from automation.local.plugins.framework.values import Properties

_GONE = "ResourceNotFoundException"
_DEFAULT_BUS = "default"


class EventRule(AwsResource):
    """`aws.cloudwatch.EventRule`; its id is its name, behind its bus's where that is not the default one."""

    token = "aws:cloudwatch/eventRule:EventRule"
    properties: ClassVar[Table] = {
        "name": Property(STRING, replaces=True, computed=True),
        "description": Property(STRING),
        "eventBusName": Property(STRING, replaces=True, default=_DEFAULT_BUS),
        "eventPattern": Property(JSON),
        "scheduleExpression": Property(STRING),
        "roleArn": Property(STRING),
        "state": Property(STRING, default="ENABLED"),
        "forceDestroy": Property(BOOLEAN, default=False, unreadable=True),
    }
    outputs = ("arn", "tagsAll")
    name_property = "name"
    name_limit = 64

    def request(self, inputs: Properties) -> Request:
        """PutRule."""
        return Request(
            "events",
            "PutRule",
            compact(
                {
                    "Name": inputs["name"],
                    "Description": inputs.get("description"),
                    "EventBusName": inputs.get("eventBusName"),
                    "EventPattern": inputs.get("eventPattern"),
                    "ScheduleExpression": inputs.get("scheduleExpression"),
                    "RoleArn": inputs.get("roleArn"),
                    "State": inputs.get("state", "ENABLED"),
                    "Tags": tag_list(inputs) or None,
                }
            ),
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """PutRule."""
        self.send(operation, inputs)
        return _join(inputs.get("eventBusName"), str(inputs["name"]))

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """DescribeRule, ListTagsForResource."""
        events = self.client(operation, "events", state)
        bus, name = _split(resource_id)
        with tolerating(_GONE):
            rule = events.describe_rule(Name=name, EventBusName=bus)
            tags = events.list_tags_for_resource(ResourceARN=rule["Arn"])["Tags"]
            return {
                "name": name,
                "arn": rule["Arn"],
                "description": rule.get("Description") or None,
                "eventBusName": bus,
                "eventPattern": rule.get("EventPattern") or None,
                "scheduleExpression": rule.get("ScheduleExpression") or None,
                "roleArn": rule.get("RoleArn") or None,
                "state": rule.get("State", "ENABLED"),
                "forceDestroy": state.get("forceDestroy"),
                "tags": tag_map(tags),
            }
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """PutRule again; tags by their own calls, as PutRule leaves them alone."""
        del resource_id
        events = self.client(operation, "events", new)
        if changed - {"tags", "forceDestroy"}:
            events.put_rule(**{key: value for key, value in self.request(new).parameters.items() if key != "Tags"})
        if "tags" in changed:
            changes, removed = tag_changes(old, new)
            if removed:
                events.untag_resource(ResourceARN=old["arn"], TagKeys=removed)
            if changes:
                events.tag_resource(ResourceARN=old["arn"], Tags=tag_list({"tags": changes}))

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """DeleteRule, after its targets where `forceDestroy` says so."""
        events = self.client(operation, "events", state)
        bus, name = _split(resource_id)
        with tolerating(_GONE):
            if state.get("forceDestroy"):
                targets = events.list_targets_by_rule(Rule=name, EventBusName=bus)["Targets"]
                if targets:
                    events.remove_targets(
                        Rule=name, EventBusName=bus, Ids=[target["Id"] for target in targets], Force=True
                    )
            events.delete_rule(Name=name, EventBusName=bus, Force=bool(state.get("forceDestroy")))


class EventTarget(AwsResource):
    """`aws.cloudwatch.EventTarget`; its id is `<rule>-<target id>`, behind the bus's name if it is not the default."""

    token = "aws:cloudwatch/eventTarget:EventTarget"
    tagged = False
    properties: ClassVar[Table] = {
        "rule": Property(STRING, required=True, replaces=True),
        "targetId": Property(STRING, replaces=True, computed=True),
        "arn": Property(STRING, required=True),
        "eventBusName": Property(STRING, replaces=True, default=_DEFAULT_BUS),
        "input": Property(JSON),
        "inputPath": Property(STRING),
        "inputTransformer": Property(
            Object({"inputPaths": Property(MapOf(STRING)), "inputTemplate": Property(STRING, required=True)})
        ),
        "roleArn": Property(STRING),
        "retryPolicy": Property(
            Object(
                {
                    "maximumEventAgeInSeconds": Property(INTEGER, default=86400),
                    "maximumRetryAttempts": Property(INTEGER, default=185),
                }
            )
        ),
        "deadLetterConfig": Property(Object({"arn": Property(STRING)})),
        "forceDestroy": Property(BOOLEAN, default=False, unreadable=True),
    }
    name_property = "targetId"
    name_limit = 64

    def request(self, inputs: Properties) -> Request:
        """PutTargets."""
        transformer, retry = inputs.get("inputTransformer"), inputs.get("retryPolicy")
        dead_letters = inputs.get("deadLetterConfig")
        target = compact(
            {
                "Id": inputs["targetId"],
                "Arn": inputs["arn"],
                "Input": inputs.get("input"),
                "InputPath": inputs.get("inputPath"),
                "RoleArn": inputs.get("roleArn"),
                "InputTransformer": transformer
                and compact(
                    {"InputPathsMap": transformer.get("inputPaths"), "InputTemplate": transformer["inputTemplate"]}
                ),
                "RetryPolicy": retry
                and compact(
                    {
                        "MaximumEventAgeInSeconds": retry.get("maximumEventAgeInSeconds"),
                        "MaximumRetryAttempts": retry.get("maximumRetryAttempts"),
                    }
                ),
                "DeadLetterConfig": dead_letters and compact({"Arn": dead_letters.get("arn")}),
            }
        )
        return Request(
            "events",
            "PutTargets",
            compact({"Rule": inputs["rule"], "EventBusName": inputs.get("eventBusName"), "Targets": [target]}),
        )

    def create(self, operation: Aws, inputs: Properties) -> str:
        """PutTargets."""
        self._put(operation, inputs)
        return _join(inputs.get("eventBusName"), f"{inputs['rule']}-{inputs['targetId']}", separator="-")

    def _put(self, operation: Aws, inputs: Properties) -> None:
        answer = self.send(operation, inputs)
        if answer.get("FailedEntryCount"):
            failed = answer["FailedEntries"][0]
            raise ProviderError(f"AWS answered PutTargets with {failed.get('ErrorCode')}: {failed.get('ErrorMessage')}")

    def find(self, operation: Aws, resource_id: str, state: Properties) -> Properties | None:
        """ListTargetsByRule. An import's id is `<rule>/<target id>`, as the published provider's."""
        events = self.client(operation, "events", state)
        if state:
            bus, rule, target_id = state.get("eventBusName") or _DEFAULT_BUS, state["rule"], state["targetId"]
        else:
            *buses, rule, target_id = resource_id.split("/")
            bus = buses[0] if buses else _DEFAULT_BUS
        with tolerating(_GONE):
            pages = events.get_paginator("list_targets_by_rule").paginate(Rule=rule, EventBusName=bus)
            target = next((item for page in pages for item in page["Targets"] if item["Id"] == target_id), None)
            if target is not None:
                return {"rule": rule, "eventBusName": bus, **_target(target), "forceDestroy": state.get("forceDestroy")}
        return None

    def update(self, operation: Aws, resource_id: str, old: Properties, new: Properties, changed: set[str]) -> None:
        """PutTargets replaces the whole target."""
        del resource_id, old
        if changed - {"forceDestroy"}:
            self._put(operation, new)

    def delete(self, operation: Aws, resource_id: str, state: Properties) -> None:
        """RemoveTargets."""
        del resource_id
        with tolerating(_GONE):
            self.client(operation, "events", state).remove_targets(
                Rule=state["rule"],
                EventBusName=state.get("eventBusName") or _DEFAULT_BUS,
                Ids=[state["targetId"]],
                Force=bool(state.get("forceDestroy")),
            )


def _target(target: dict[str, Any]) -> Properties:
    transformer, retry = target.get("InputTransformer"), target.get("RetryPolicy")
    dead_letters = target.get("DeadLetterConfig")
    return {
        "targetId": target["Id"],
        "arn": target["Arn"],
        "input": target.get("Input"),
        "inputPath": target.get("InputPath"),
        "roleArn": target.get("RoleArn"),
        "inputTransformer": transformer
        and compact({"inputPaths": transformer.get("InputPathsMap"), "inputTemplate": transformer["InputTemplate"]}),
        "retryPolicy": retry
        and compact(
            {
                "maximumEventAgeInSeconds": retry.get("MaximumEventAgeInSeconds"),
                "maximumRetryAttempts": retry.get("MaximumRetryAttempts"),
            }
        ),
        "deadLetterConfig": dead_letters and compact({"arn": dead_letters.get("Arn")}),
    }


def _join(bus: str | None, name: str, separator: str = "/") -> str:
    return name if bus in (None, _DEFAULT_BUS) else f"{bus}{separator}{name}"


def _split(rule_id: str) -> tuple[str, str]:
    bus, _, name = rule_id.rpartition("/")
    return bus or _DEFAULT_BUS, name
