"""Alarms on metric math, which MiniStack neither keeps nor evaluates.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html (`Metrics`) and
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html. Of the functions there are `FILL`
with a number and `IF`; a period ends now, and not at a full minute.
"""

from __future__ import annotations

import ast
import operator
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ministack.services import cloudwatch

from local_aws.emulator.aws_behaviour.patching import around

_OPERATORS: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
}
_COMPARISONS = {
    "GreaterThanThreshold": operator.gt,
    "GreaterThanOrEqualToThreshold": operator.ge,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
_OF_ONE_METRIC = ("MetricName", "Namespace", "Statistic", "ExtendedStatistic", "Period", "Dimensions", "Unit")


def calculate(expression: str, values: Mapping[str, float | None]) -> float | None:
    """The value of an expression of metric math; None where it has none; `ValueError` where it is not supported."""

    def of(node: ast.AST) -> Any:
        match node:
            case ast.Constant(value=int() | float() as number):
                return number
            case ast.Name(id=name) if name in values:
                return values[name]
            case ast.BinOp(left=left, op=by, right=right) if type(by) in _OPERATORS:
                return _combine(type(by), of(left), of(right))
            case ast.Compare(left=left, ops=[by], comparators=[right]) if type(by) in _OPERATORS:
                return _combine(type(by), of(left), of(right))
            case ast.Call(func=ast.Name(id="FILL"), args=[series, instead]):
                found = of(series)
                return of(instead) if found is None else found
            case ast.Call(func=ast.Name(id="IF"), args=[condition, then, otherwise]):
                return of(then) if of(condition) else of(otherwise)
        raise ValueError(f"{ast.unparse(node)} of {expression} is not supported by this emulator")

    result: float | None = of(ast.parse(expression, mode="eval").body)
    return result


def _combine(by: type[ast.AST], left: float | None, right: float | None) -> Any:
    if left is None or right is None or (by is ast.Div and right == 0):
        return None
    return _OPERATORS[by](left, right)


def value_of(queries: Sequence[Mapping[str, Any]], ends: float) -> float | None:
    """The value that an alarm's queries return for the period that ends then, in seconds since 1970."""
    values = {query["Id"]: _statistic(query["MetricStat"], ends) for query in queries if query.get("MetricStat")}
    returned = next(query for query in queries if query.get("ReturnData", True))
    return calculate(returned["Expression"], values) if returned.get("Expression") else values[returned["Id"]]


def _statistic(wanted: Mapping[str, Any], ends: float) -> float | None:
    metric = wanted["Metric"]
    dimensions = cloudwatch._dims_key({pair["Name"]: pair["Value"] for pair in metric.get("Dimensions", ())})
    points = cloudwatch._metrics.get((metric["Namespace"], metric["MetricName"], dimensions)) or []
    inside = [point for point in points if ends - wanted["Period"] < point["Timestamp"] <= ends]
    if not inside:
        return None
    found: float | None = cloudwatch._stat_value(cloudwatch._calc_stats(inside), wanted["Stat"], inside)
    return found


def state_of(alarm: Mapping[str, Any], now: float) -> str:
    """The state that an alarm on queries has."""
    period = min(query["MetricStat"]["Period"] for query in alarm["Metrics"] if query.get("MetricStat"))
    found = [value_of(alarm["Metrics"], now - index * period) for index in range(alarm["EvaluationPeriods"])]
    missing = {"notBreaching": False, "breaching": True}.get(alarm["TreatMissingData"])
    is_over = _COMPARISONS[alarm["ComparisonOperator"]]
    breaching = [missing if value is None else is_over(value, alarm["Threshold"]) for value in found]
    if None in breaching:
        return "INSUFFICIENT_DATA"
    return "ALARM" if all(breaching) else "OK"


@around("metric_math", cloudwatch, "_put_metric_alarm")
def put_alarm(
    original: Callable[..., Any], params: Any, request: dict[str, Any], is_cbor: bool, is_json: bool = False
) -> Any:
    """Wrap MiniStack's PutMetricAlarm: an alarm on queries keeps them."""
    queries = request.get("Metrics")
    for query in queries or ():
        if query.get("Expression"):
            names = {other["Id"]: 1.0 for other in queries or ()}
            try:
                calculate(query["Expression"], names)
            except (ValueError, SyntaxError) as error:
                return cloudwatch._error("ValidationError", str(error), 400, use_json=is_json, use_cbor=is_cbor)
    answer = original(params, request, is_cbor, is_json)
    if queries and answer[0] == 200:
        alarm = cloudwatch._alarms[request["AlarmName"]]
        for member in _OF_ONE_METRIC:
            alarm.pop(member, None)
        alarm["Metrics"] = queries
        cloudwatch._evaluate_alarm(alarm)
    return answer


@around("metric_math", cloudwatch, "_evaluate_alarm")
def evaluate(original: Callable[[dict[str, Any]], None], alarm: dict[str, Any]) -> None:
    """Wrap MiniStack's evaluation of an alarm."""
    if "Metrics" not in alarm:
        original(alarm)
        return
    before, state = alarm["StateValue"], state_of(alarm, time.time())
    if state != before:
        reason = f"Threshold Crossed: the value of {alarm['AlarmName']} is now {state}"
        alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
        cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
        cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
        cloudwatch._evaluate_parent_alarms(alarm)
