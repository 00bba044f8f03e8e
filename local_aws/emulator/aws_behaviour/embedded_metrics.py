"""Log events in embedded metric format become metrics.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html: an
event that is one JSON object with `_aws`, in any log group. One that breaks the format stays a log event alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from ministack.services import cloudwatch, cloudwatch_logs

from local_aws.emulator.aws_behaviour.patching import around

MAX_METRICS = MAX_VALUES = 100
MAX_DIMENSIONS = 30


class Datum(NamedTuple):
    """Values of one metric at a time in seconds since 1970."""

    namespace: str
    name: str
    dimensions: dict[str, str]
    seconds: float
    unit: str
    values: list[float]


def data_of(message: str) -> Iterator[Datum]:
    """What the metrics of a log event are; nothing where it has none."""
    if not message.startswith("{") or '"_aws"' not in message:
        return
    try:
        event = json.loads(message)
        metadata = event["_aws"]
        for directive in metadata["CloudWatchMetrics"]:
            if len(directive["Metrics"]) > MAX_METRICS:
                continue
            for names in directive["Dimensions"]:
                if len(names) > MAX_DIMENSIONS:
                    continue
                dimensions = {name: _text(event[name]) for name in names}
                for metric in directive["Metrics"]:
                    values = _numbers(event, metric["Name"])
                    seconds, unit = metadata["Timestamp"] / 1000, metric.get("Unit", "None")
                    yield Datum(directive["Namespace"], metric["Name"], dimensions, seconds, unit, values)
    except (ValueError, KeyError, TypeError, AttributeError):
        return


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _numbers(event: Mapping[str, Any], name: str) -> list[float]:
    found = event[name]
    values = found if isinstance(found, list) else [found]
    if len(values) > MAX_VALUES or not all(type(value) in (int, float) for value in values):
        raise TypeError(found)
    return [float(value) for value in values]


@around("embedded_metrics", cloudwatch_logs, "_append_log_events")
def append(original: Callable[..., None], stream: dict[str, Any], events: list[dict[str, Any]]) -> None:
    """Wrap MiniStack's storing of log events, of PutLogEvents and of functions alike."""
    original(stream, events)
    found = [datum for event in events for datum in data_of(event.get("message", ""))]
    for datum in found:
        cloudwatch._store_datum(
            datum.namespace, datum.name, datum.dimensions, datum.seconds, datum.unit, None, datum.values, None, None
        )
    if found:
        cloudwatch._evaluate_all_alarms()
