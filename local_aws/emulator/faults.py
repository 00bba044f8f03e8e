"""Faults that AWS can have, made on purpose: rules that say which calls they meet and what happens to them.

A rule is a JSON object:

```json
{"service": "dynamodb", "operation": "UpdateItem", "caller": "*-task-*", "request": "*workflow_details*",
 "share": 0.3, "effect": {"error": "ProvisionedThroughputExceededException", "message": "…", "status": 400}}
```

`service` is a service's name as in an endpoint (`ecs`, `dynamodb`, `s3`, `lambda`, `logs`, `states`); `operation`,
`caller` (the ARN of who calls) and `request` (path and body) are shell patterns, `*` by default. Which of the calls
that match are met: all of them, or `first` n, or those numbered in `calls` (from 1), or a `share` of them (a fixed
sequence for each `seed`), at most `limit` of them, and only `forSeconds` from the first that matched; `perCaller`
counts, and tells the time, for each caller apart. The effect is one of

- `{"error": code, "message": …, "status": 400}`: the service is not reached, the call is answered with an error;
- `{"delaySeconds": n}`: the call waits;
- `{"drop": "before"}` or `{"drop": "after"}`: the connection ends without an answer, before or after the service did
  what it was asked;
- `{"failures": [{"arn": …, "reason": …}]}`: RunTask places no task and answers with these `failures[]`;
- `{"vcpus": n}`: the account's quota of Fargate vCPUs: of the tasks that RunTask is to start, those beyond it are
  `failures[]`, until others have stopped;
- `{"kill": "before"}` or `{"kill": "after"}`: the ECS task's container, or the function's environment, that calls is
  killed, before or after the service did what it was asked;
- `{"interrupt": "before"}` or `{"interrupt": "after"}`: the ECS task that calls loses its Fargate Spot capacity, and
  its call is not answered.

The first rule that meets a call decides. Rules come in sets, each with a name: whoever replaces one set leaves the
others and their counts alone, so that several runs can have faults side by side.
"""

from __future__ import annotations

import fnmatch
import random
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from local_aws.emulator.errors import EmulatorError

Moment = Literal["before", "after"]

_KEYS = frozenset(
    {
        "service",
        "operation",
        "caller",
        "request",
        "first",
        "calls",
        "share",
        "seed",
        "limit",
        "forSeconds",
        "perCaller",
        "effect",
        "name",
    }
)
_CHOICES = ("first", "calls", "share")

Kind = Literal["error", "delaySeconds", "drop", "failures", "vcpus", "kill", "interrupt"]
"""What happens to a call."""

_EFFECTS: tuple[Kind, ...] = ("error", "delaySeconds", "drop", "failures", "vcpus", "kill", "interrupt")


class BadFaultRule(EmulatorError, ValueError):
    """A rule that cannot be understood."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"fault rule {index}: {reason}")


@dataclass(frozen=True)
class Effect:
    """What happens to a call.

    Attributes:
        kind: one of the effects above.
        error: code of the error.
        message: its message.
        status: its HTTP status.
        seconds: how long the call waits.
        moment: when the connection drops, or the caller is killed or interrupted.
        failures: RunTask's `failures[]`.
        vcpus: the account's quota of Fargate vCPUs.
    """

    kind: Kind
    error: str = ""
    message: str = "Injected fault"
    status: int = 400
    seconds: float = 0.0
    moment: Moment = "before"
    failures: tuple[Mapping[str, str], ...] = ()
    vcpus: float | None = None


@dataclass(frozen=True)
class FaultRule:
    """Which calls are met, and by what."""

    name: str
    service: str
    effect: Effect
    operation: str = "*"
    caller: str = "*"
    request: str = "*"
    first: int | None = None
    calls: frozenset[int] = frozenset()
    share: float | None = None
    seed: int = 0
    limit: int | None = None
    seconds: float | None = None
    per_caller: bool = False


@dataclass(frozen=True)
class Call:
    """A call as it arrives.

    Attributes:
        service: which service it is for.
        operation: which operation.
        caller: the ARN of who calls.
        request: path and body.
        access_key_id: whose credentials signed it.
    """

    service: str
    operation: str
    caller: str
    request: str
    access_key_id: str = ""


def parse_rules(document: Any) -> tuple[FaultRule, ...]:
    """Rules from JSON: a list of rules, or an object whose `rules` is one.

    Raises:
        BadFaultRule: one of them is not understood.
    """
    rules = document.get("rules", []) if isinstance(document, Mapping) else document
    if not isinstance(rules, list):
        raise BadFaultRule(0, "the rules have to be a list")
    return tuple(_parse_rule(index, rule) for index, rule in enumerate(rules))


def _parse_rule(index: int, rule: Any) -> FaultRule:
    if not isinstance(rule, Mapping):
        raise BadFaultRule(index, "a rule has to be an object")
    given = _Fields(index, rule)
    given.allow(_KEYS)
    for required in ("service", "effect"):
        if required not in rule:
            raise BadFaultRule(index, f"{required!r} is missing")
    chosen = [key for key in _CHOICES if key in rule]
    if len(chosen) > 1:
        raise BadFaultRule(index, f"only one of {', '.join(_CHOICES)} can choose the calls, not {' and '.join(chosen)}")
    return FaultRule(
        name=given.text("name", f"rule {index}"),
        service=given.text("service", ""),
        effect=_parse_effect(index, rule["effect"]),
        operation=given.text("operation", "*"),
        caller=given.text("caller", "*"),
        request=given.text("request", "*"),
        first=given.whole_number("first"),
        calls=frozenset(given.numbers("calls")),
        share=given.number("share", most=1),
        seed=given.whole_number("seed") or 0,
        limit=given.whole_number("limit"),
        seconds=given.number("forSeconds"),
        per_caller=given.flag("perCaller"),
    )


def _parse_effect(index: int, effect: Any) -> Effect:
    kinds: list[Kind] = [kind for kind in _EFFECTS if isinstance(effect, Mapping) and kind in effect]
    if len(kinds) != 1:
        raise BadFaultRule(index, f"the effect has to have exactly one of {', '.join(_EFFECTS)}")
    kind = kinds[0]
    given = _Fields(index, effect)
    given.allow({kind, "message", "status"} if kind == "error" else {kind})
    if kind == "error":
        status = given.whole_number("status")
        if status is not None and not 400 <= status <= 599:
            raise BadFaultRule(index, f"'status' is {status}, but has to be from 400 to 599")
        code, message = given.text("error", ""), given.text("message", "Injected fault")
        return Effect("error", error=code, message=message, status=status or 400)
    if kind == "delaySeconds":
        return Effect("delaySeconds", seconds=given.number("delaySeconds") or 0.0)
    if kind == "vcpus":
        return Effect("vcpus", vcpus=given.number("vcpus"))
    value = effect[kind]
    if kind == "failures":
        if not isinstance(value, list) or not value or not all(_is_failure(each) for each in value):
            raise BadFaultRule(index, '\'failures\' has to be a list of objects with texts, such as {"reason": "…"}')
        return Effect("failures", failures=tuple(dict(each) for each in value))
    if value not in ("before", "after"):
        raise BadFaultRule(index, f"{kind!r} is {value!r}, but has to be 'before' or 'after'")
    return Effect(kind, moment=value)


def _is_failure(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values())


class _Fields:
    """A rule's fields, each of the type it has to have."""

    def __init__(self, index: int, given: Mapping[str, Any]) -> None:
        self._index = index
        self._given = given

    def allow(self, keys: Collection[str]) -> None:
        unknown = sorted(set(self._given) - set(keys))
        if unknown:
            raise BadFaultRule(self._index, f"{unknown[0]!r} is not one of {', '.join(sorted(keys))}")

    def text(self, key: str, default: str) -> str:
        value = self._given.get(key, default)
        if not isinstance(value, str) or (key in self._given and not value):
            raise self._not(key, "a text")
        return value

    def flag(self, key: str) -> bool:
        value = self._given.get(key, False)
        if not isinstance(value, bool):
            raise self._not(key, "true or false")
        return value

    def whole_number(self, key: str) -> int | None:
        value = self._given.get(key)
        if value is not None and (type(value) is not int or value < 0):
            raise self._not(key, "a whole number from 0")
        return value

    def number(self, key: str, *, most: float | None = None) -> float | None:
        value = self._given.get(key)
        if value is None:
            return None
        if type(value) not in (int, float) or value < 0 or (most is not None and value > most):
            raise self._not(key, "a number from 0" if most is None else f"a number from 0 to {most:g}")
        return float(value)

    def numbers(self, key: str) -> list[int]:
        if key not in self._given:
            return []
        value = self._given[key]
        if not isinstance(value, list) or not value or not all(type(each) is int and each >= 1 for each in value):
            raise self._not(key, "a list of whole numbers from 1, with one at least")
        return value

    def _not(self, key: str, wanted: str) -> BadFaultRule:
        return BadFaultRule(self._index, f"{key!r} is {self._given[key]!r}, but has to be {wanted}")


@dataclass
class _Count:
    began: float
    seen: int = 0
    met: int = 0
    chance: random.Random = field(default_factory=random.Random)


class FaultPlan:
    """Rules with the calls they have met so far.

    Args:
        rules: in order; the first that meets a call decides.
        clock: tells the seconds.
    """

    def __init__(self, rules: Sequence[FaultRule] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._rules = tuple(rules)
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[tuple[int, str], _Count] = {}

    def decide(self, call: Call) -> Effect | None:
        """What happens to a call; None where nothing does."""
        with self._lock:
            for index, rule in enumerate(self._rules):
                if _matches(rule, call) and self._meets(index, rule, call):
                    return rule.effect
        return None

    def _meets(self, index: int, rule: FaultRule, call: Call) -> bool:
        key = (index, call.caller if rule.per_caller else "")
        if key not in self._counts:
            self._counts[key] = _Count(began=self._clock(), chance=random.Random(f"{rule.seed}/{key[1]}"))
        count = self._counts[key]
        count.seen += 1
        met = True
        if rule.first is not None:
            met = count.seen <= rule.first
        elif rule.calls:
            met = count.seen in rule.calls
        elif rule.share is not None:
            met = count.chance.random() < rule.share
        if rule.limit is not None and count.met >= rule.limit:
            met = False
        if rule.seconds is not None and self._clock() - count.began >= rule.seconds:
            met = False
        count.met += met
        return met

    def report(self) -> list[dict[str, Any]]:
        """For each rule: its name, how many calls matched it and how many it met."""
        with self._lock:
            return [
                {
                    "name": rule.name,
                    "matched": sum(count.seen for key, count in self._counts.items() if key[0] == index),
                    "met": sum(count.met for key, count in self._counts.items() if key[0] == index),
                }
                for index, rule in enumerate(self._rules)
            ]


class FaultPlans:
    """Sets of rules by name, each a plan of its own."""

    def __init__(self) -> None:
        self._plans: dict[str, FaultPlan] = {}

    @property
    def empty(self) -> bool:
        """Whether there are no rules."""
        return not self._plans

    def replace(self, name: str, rules: Sequence[FaultRule]) -> None:
        """Put these rules in the place of the set of that name; none end it."""
        plans = {other: plan for other, plan in self._plans.items() if other != name}
        # One assignment: calls in other threads see the sets before or the sets after.
        self._plans = {**plans, name: FaultPlan(rules)} if rules else plans

    def decide(self, call: Call) -> Effect | None:
        """What happens to a call; where several sets have something for it, the one that came first."""
        for plan in self._plans.values():
            effect = plan.decide(call)
            if effect is not None:
                return effect
        return None

    def report(self, name: str) -> list[dict[str, Any]]:
        """What the rules of a set met; nothing where there is none of that name."""
        plan = self._plans.get(name)
        return [] if plan is None else plan.report()


def _matches(rule: FaultRule, call: Call) -> bool:
    return (
        rule.service == call.service
        and fnmatch.fnmatchcase(call.operation, rule.operation)
        and fnmatch.fnmatchcase(call.caller, rule.caller)
        and fnmatch.fnmatchcase(call.request, rule.request)
    )
