"""Which calls a fault hits."""

from __future__ import annotations

from typing import Any

import pytest

from local_aws.emulator.faults import BadFaultRule, Call, FaultPlan, parse_rules
from local_aws.limits import aws_rules

ERROR = {"error": "ThrottlingException"}


def plan(*rules: dict[str, Any]) -> FaultPlan:
    return FaultPlan(parse_rules([{"service": "ecs", "effect": ERROR, **rule} for rule in rules]))


def call(**more: str) -> Call:
    given = {"service": "ecs", "operation": "RunTask", "caller": "arn:a", "request": "/ {}", **more}
    return Call(**given)


def hit(made: FaultPlan, calls: int, **more: str) -> list[int]:
    return [number for number in range(1, calls + 1) if made.decide(call(**more)) is not None]


def test_a_rule_without_a_choice_hits_every_call_of_its_service() -> None:
    made = plan({})
    assert hit(made, 3) == [1, 2, 3]
    assert hit(made, 3, service="s3") == []


def test_a_rule_hits_the_first_calls_the_numbered_ones_or_a_share() -> None:
    assert hit(plan({"first": 2}), 4) == [1, 2]
    assert hit(plan({"calls": [2, 4]}), 5) == [2, 4]
    assert hit(plan({"limit": 1}), 3) == [1]
    share = hit(plan({"share": 0.3, "seed": 7}), 1000)
    assert 250 < len(share) < 350
    assert share == hit(plan({"share": 0.3, "seed": 7}), 1000)


def test_a_rule_holds_for_some_time_from_its_first_call() -> None:
    now = [100.0]
    made = FaultPlan(parse_rules([{"service": "ecs", "forSeconds": 5, "effect": ERROR}]), clock=lambda: now[0])
    now[0] = 200.0
    times = []
    for now[0] in (200.0, 204.9, 205.0, 300.0):
        times += [now[0]] * len(hit(made, 1))
    assert times == [200.0, 204.9]


def test_operations_of_one_rule_share_its_bucket() -> None:
    rule = {"service": "ecs", "operation": ["RunTask", "Stop*"], "above": {"perSecond": 0, "burst": 2}, "effect": ERROR}
    made = FaultPlan(parse_rules([rule]))
    assert [made.decide(call(operation=name)) is not None for name in ("RunTask", "StopTask", "RunTask")] == [
        *(False, False, True)
    ]
    assert made.decide(call(operation="ListTasks")) is None


def test_the_limits_of_aws_are_rules_that_share_buckets_and_name_their_source() -> None:
    rules = aws_rules()
    parse_rules(rules)
    assert all(rule["source"].startswith("https://") and rule["checked"] for rule in rules)
    now = [0.0]
    made = FaultPlan(parse_rules(rules), clock=lambda: now[0])
    assert len(hit(made, 30)) == 10, "Fargate lets 20 calls of RunTask through"
    assert len(hit(made, 100, operation="StopTask")) == 30, "of the 100 in the bucket, RunTask has taken 30"
    now[0] += 1
    assert hit(made, 41, operation="StopTask") == [41]


def test_a_rule_hits_the_calls_above_a_rate() -> None:
    now = [100.0]
    rule = {"service": "ecs", "above": {"perSecond": 2, "burst": 3}, "effect": ERROR}
    made = FaultPlan(parse_rules([rule]), clock=lambda: now[0])
    assert hit(made, 5) == [4, 5]
    now[0] += 1
    assert hit(made, 4) == [3, 4]
    now[0] += 60
    assert hit(made, 4) == [4], "the bucket holds no more than the burst"
    assert made.report() == [{"name": "rule 0", "matched": 13, "met": 5}]


def test_operation_caller_and_request_are_patterns() -> None:
    assert hit(plan({"operation": "Run*"}), 1) == [1]
    assert hit(plan({"operation": "StopTask"}), 1) == []
    assert hit(plan({"caller": "*-task"}), 1, caller="arn:x-task") == [1]
    assert hit(plan({"request": "*needle*"}), 1, request='/ {"a": "needle"}') == [1]
    assert hit(plan({"request": "*needle*"}), 1) == []


def test_calls_are_counted_for_each_caller_apart_where_the_rule_says_so() -> None:
    made = plan({"first": 1, "perCaller": True})
    assert (hit(made, 2, caller="a"), hit(made, 2, caller="b")) == ([1], [1])


def test_the_first_rule_that_hits_a_call_decides_and_each_is_counted() -> None:
    made = plan({"name": "one", "first": 1}, {"name": "two", "first": 1, "effect": {"delaySeconds": 2}})
    kinds = [effect.kind if effect else None for effect in (made.decide(call()) for _ in range(3))]
    assert kinds == ["error", "delaySeconds", None]
    assert made.report() == [
        {"name": "one", "matched": 3, "met": 1},
        {"name": "two", "matched": 2, "met": 1},
    ]


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ({"effect": ERROR}, "'service' is missing"),
        ({"service": "ecs"}, "'effect' is missing"),
        ({"service": "ecs", "effect": ERROR, "shar": 1}, "'shar' is not one of"),
        ({"service": "ecs", "effect": ERROR, "share": 2}, "'share' is 2, but has to be a number from 0 to 1"),
        ({"service": "ecs", "effect": ERROR, "above": {"perSecond": 1}}, "'above' is .*, but has to be an object"),
        ({"service": "ecs", "effect": ERROR, "share": "half"}, "'share' is 'half', but has to be a number from 0 to 1"),
        ({"service": 7, "effect": ERROR}, "'service' is 7, but has to be a text"),
        ({"service": "ecs", "effect": ERROR, "first": True}, "'first' is True, but has to be a whole number from 0"),
        ({"service": "ecs", "effect": ERROR, "limit": -1}, "'limit' is -1"),
        ({"service": "ecs", "effect": ERROR, "calls": [0]}, "'calls' is .0., but has to be a list of whole numbers"),
        ({"service": "ecs", "effect": ERROR, "calls": []}, "'calls' is .., but has to be .* with one at least"),
        ({"service": "ecs", "effect": ERROR, "forSeconds": "1"}, "'forSeconds' is '1', but has to be a number from 0"),
        ({"service": "ecs", "effect": {"vcpus": -1}}, "'vcpus' is -1, but has to be a number from 0"),
        ({"service": "ecs", "effect": ERROR, "perCaller": "yes"}, "'perCaller' is 'yes', but has to be true or false"),
        ({"service": "ecs", "effect": ERROR, "first": 1, "share": 0.5}, "only one of .* not first and share"),
        ({"service": "ecs", "effect": {"error": "X", "status": 200}}, "'status' is 200, but has to be from 400 to 599"),
        ({"service": "ecs", "effect": {"error": 7}}, "'error' is 7, but has to be a text"),
        ({"service": "ecs", "effect": {"drop": "after", "status": 500}}, "'status' is not one of drop"),
        ({"service": "ecs", "effect": {"delaySeconds": "1"}}, "'delaySeconds' is '1', but has to be a number from 0"),
        ({"service": "ecs", "effect": {"failures": []}}, "'failures' is .., but has to be a list of objects"),
        ({"service": "ecs", "effect": {}}, "exactly one of"),
        ({"service": "ecs", "effect": {"drop": "now"}}, "'before' or 'after'"),
        ({"service": "ecs", "effect": {"interrupt": "now"}}, "'before' or 'after'"),
        ("rule", "has to be an object"),
    ],
)
def test_a_rule_that_is_not_understood_is_named(rule: Any, reason: str) -> None:
    with pytest.raises(BadFaultRule, match=f"fault rule 0: .*{reason}"):
        parse_rules([rule])


def test_rules_may_stand_in_an_object() -> None:
    assert len(parse_rules({"rules": [{"service": "ecs", "effect": ERROR}]})) == 1
    with pytest.raises(BadFaultRule, match="have to be a list"):
        parse_rules("rules")
