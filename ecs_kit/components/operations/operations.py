"""Dashboard, alarms and saved queries of a pattern, and the rule that reports runs that ended."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from ecs_kit.components.operations import alarms, dashboard
from ecs_kit.components.operations.alarms import Alarm
from ecs_kit.components.operations.failure_queue import FailureQueue
from ecs_kit.components.operations.queries import QUERIES
from ecs_kit.components.parts import PartArgs
from ecs_kit.components.run_guard import TERMINAL, executions


@dataclass(frozen=True)
class OperationsArgs:
    """Arguments of `Operations`: the pattern's functions, and the queue of events that were not handled."""

    part: PartArgs
    functions: Sequence[str]
    failure_queue: FailureQueue


class Operations(pulumi.ComponentResource):
    """A dashboard, alarms, saved queries, each unless the configuration leaves it out; a notification where it asks."""

    def __init__(self, name: str, args: OperationsArgs, opts: pulumi.ResourceOptions | None = None):
        super().__init__("kit:operations:Operations", name, None, opts)
        self._name, self._part, self._child = name, args.part, pulumi.ResourceOptions(parent=self)
        names, config = args.part.names, args.part.config
        planned = alarms.alarms(names, args.functions, config.alarm_failed_task_percentage)
        for alarm in planned if config.alarms == "create" else ():
            self._alarm(alarm)
        if config.dashboard == "create":
            arns = [names.alarm_arn(alarm.name) for alarm in planned if config.alarms == "create"]
            body = dashboard.body(names, args.functions, arns)
            aws.cloudwatch.Dashboard(
                name, dashboard_name=names.base, dashboard_body=json.dumps(body, sort_keys=True), opts=self._child
            )
        groups = [names.task_log_group, *map(names.function_log_group, args.functions)]
        for query, text in QUERIES.items():
            aws.cloudwatch.QueryDefinition(
                f"{name}-{query}",
                name=f"{names.base}/{query}",
                log_group_names=groups,
                query_string=text,
                opts=self._child,
            )
        if config.notification_topic_arn and not config.has_run_reports:
            self._notify(config.notification_topic_arn, args.failure_queue)
        self.register_outputs({})

    def _alarm(self, alarm: Alarm) -> None:
        queries = [
            aws.cloudwatch.MetricAlarmMetricQueryArgs(
                id=f"m{index}",
                metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                    namespace=measure.namespace,
                    metric_name=measure.name,
                    dimensions=measure.dimensions,
                    period=alarm.period_seconds,
                    stat=measure.stat,
                ),
            )
            for index, measure in enumerate(alarm.measures)
        ]
        value = aws.cloudwatch.MetricAlarmMetricQueryArgs(
            id="value", expression=alarm.expression, label=alarm.name, return_data=True
        )
        topic = self._part.config.alarm_topic_arn
        aws.cloudwatch.MetricAlarm(
            f"{self._name}-{alarm.name}",
            name=self._part.names.alarm(alarm.name),
            alarm_description=f"{alarm.description} See {alarms.RUNBOOK}#{alarm.name}.",
            comparison_operator="GreaterThanThreshold",
            threshold=alarm.threshold,
            evaluation_periods=alarm.periods,
            metric_queries=[*queries, value],
            treat_missing_data="notBreaching",
            alarm_actions=[topic] if topic else [],
            ok_actions=[topic] if topic else [],
            tags=self._part.tags,
            opts=self._child,
        )

    def _notify(self, topic_arn: str, failure_queue: FailureQueue) -> None:
        """Report each run that ended to a topic.

        The event of its execution has the run's counts, in `output` of one that succeeded and in words in `cause` of
        one that failed. So nothing in the VPC has to reach EventBridge, and no run is reported by two writers.
        """
        names, name = self._part.names, f"{self._name}-run-ended"
        rule = aws.cloudwatch.EventRule(
            name,
            name=names.rule("run-ended"),
            description="A run has ended: tell the topic",
            event_pattern=json.dumps(executions(names.state_machine_arn, TERMINAL)),
            tags=self._part.tags,
            opts=self._child,
        )
        aws.cloudwatch.EventTarget(
            name,
            rule=rule.name,
            target_id="topic",
            arn=topic_arn,
            dead_letter_config=aws.cloudwatch.EventTargetDeadLetterConfigArgs(arn=failure_queue.arn),
            opts=self._child,
        )
