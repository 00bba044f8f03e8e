"""Faults that AWS can have, injected on purpose: rules that say which calls they hit and what happens to them.

A rule is a JSON object:

```json
{"service": "dynamodb", "operation": "UpdateItem", "caller": "*-task-*", "request": "*workflow_details*",
 "share": 0.3, "effect": {"error": "ProvisionedThroughputExceededException", "message": "…", "status": 400}}
```

`service` is a service's name as in an endpoint (`ecs`, `dynamodb`, `s3`, `lambda`, `logs`, `states`); `operation`,
`caller` (the ARN of who calls) and `request` (path and body) are shell patterns, `*` by default; `operation` may be a
list of them, whose calls are counted together, as where operations share a bucket. `source` and `checked` may say
where a rule comes from. Which of the calls
that match are hit: all of them, or `first` n, or those numbered in `calls` (from 1), or a `share` of them (a fixed
sequence for each `seed`), or those `above` a rate, `{"perSecond": n, "burst": m}`: AWS's token bucket. At most `limit`
of them, and only `forSeconds` from the first that matched; `perCaller` counts, and tells the time, for each caller
apart. The effect is one of

- `{"error": code, "message": …, "status": 400}`: the service is not reached, the call is answered with an error;
- `{"delaySeconds": n}`: the call waits;
- `{"drop": "before"}` or `{"drop": "after"}`: the connection ends without an answer, before or after the service did
  what it was asked;
- `{"failures": [{"arn": …, "reason": …}]}`: RunTask places no task and answers with these `failures[]`;
- `{"vcpus": n}`: the account's quota of Fargate vCPUs: of the tasks that RunTask is to start, those beyond it are
  `failures[]`, until others have stopped;
- `{"provisionedCapacity": {"burstSeconds": n}}`: a DynamoDB table, or index, with provisioned capacity that has used it
  up, with what it had left over from n seconds, answers with `ProvisionedThroughputExceededException`;
- `{"kill": "before"}` or `{"kill": "after"}`: the ECS task's container, or the function's environment, that calls is
  killed, before or after the service did what it was asked;
- `{"interrupt": "before"}` or `{"interrupt": "after"}`: the ECS task that calls loses its Fargate Spot capacity, and
  its call is not answered.

The first rule that hits a call decides. Rules come in sets, each with a name: replacing one set leaves the others and
their counts alone, so that several runs can have faults side by side.
"""

from __future__ import annotations

import fnmatch
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local_aws.emulator.errors import EmulatorError


class BadFaultRule(EmulatorError, ValueError):
    """A rule that cannot be understood."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"fault rule {index}: {reason}")


def _whole(least: int, most: float = float("inf")) -> Callable[[Any], bool]:
    return lambda value: type(value) is int and least <= value <= most


def _number(most: float = float("inf")) -> Callable[[Any], bool]:
    return lambda value: type(value) in (int, float) and 0 <= value <= most


def _list(is_item: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and value != [] and all(map(is_item, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_burst(value: Any) -> bool:
    return isinstance(value, Mapping) and value.keys() == {"burstSeconds"} and _number()(value["burstSeconds"])


def _is_failure(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(text, str) for text in value.values())


def _is_rate(value: Any) -> bool:
    return isinstance(value, Mapping) and value.keys() == {"perSecond", "burst"} and all(map(_number(), value.values()))


_Field = tuple[Callable[[Any], bool], str]
_TEXT: _Field = (_is_text, "a text")
_WHOLE_NUMBER: _Field = (_whole(0), "a whole number from 0")
_NUMBER: _Field = (_number(), "a number from 0")
_MOMENT: _Field = (lambda value: value in ("before", "after"), "'before' or 'after'")
_RULE: Mapping[str, _Field] = {
    "name": _TEXT,
    "service": _TEXT,
    "operation": (lambda value: _is_text(value) or _list(_is_text)(value), "a text, or a list of texts"),
    "caller": _TEXT,
    "request": _TEXT,
    "first": _WHOLE_NUMBER,
    "calls": (_list(_whole(1)), "a list of whole numbers from 1, with one at least"),
    "share": (_number(1), "a number from 0 to 1"),
    "above": (_is_rate, 'an object with numbers, {"perSecond": 20, "burst": 100}'),
    "seed": _WHOLE_NUMBER,
    "limit": _WHOLE_NUMBER,
    "forSeconds": _NUMBER,
    "perCaller": (lambda value: isinstance(value, bool), "true or false"),
    "effect": (lambda value: isinstance(value, Mapping), "an object"),
    "source": _TEXT,
    "checked": _TEXT,
}
_CHOICES = ("first", "calls", "share", "above")
_EFFECTS: Mapping[str, Mapping[str, _Field]] = {
    "error": {"error": _TEXT, "message": _TEXT, "status": (_whole(400, 599), "from 400 to 599")},
    "delaySeconds": {"delaySeconds": _NUMBER},
    "drop": {"drop": _MOMENT},
    "failures": {"failures": (_list(_is_failure), 'a list of objects with texts, such as {"reason": "…"}')},
    "vcpus": {"vcpus": _NUMBER},
    "provisionedCapacity": {"provisionedCapacity": (_is_burst, 'an object, {"burstSeconds": 300}')},
    "kill": {"kill": _MOMENT},
    "interrupt": {"interrupt": _MOMENT},
}


@dataclass(frozen=True)
class Effect:
    """What happens to a call; `value` is an error's code, seconds, `before` or `after`, `failures[]`, or vCPUs."""

    kind: str
    value: Any
    message: str = "Injected fault"
    status: int = 400


@dataclass(frozen=True)
class FaultRule:
    """Which calls are hit, as the rule's own `fields` say, and by what."""

    name: str
    service: str
    effect: Effect
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """A call as it arrives; `caller` is an ARN, `request` the path and the body."""

    service: str
    operation: str
    caller: str
    request: str
    access_key_id: str = ""


def parse_rules(document: Any) -> tuple[FaultRule, ...]:
    """Rules from JSON: a list of rules, or an object whose `rules` is one; else `BadFaultRule`."""
    rules = document.get("rules", []) if isinstance(document, Mapping) else document
    if not isinstance(rules, list):
        raise BadFaultRule(0, "the rules have to be a list")
    return tuple(_parse_rule(index, rule) for index, rule in enumerate(rules))


def _parse_rule(index: int, rule: Any) -> FaultRule:
    if not isinstance(rule, dict):
        raise BadFaultRule(index, "a rule has to be an object")
    _check(index, rule, _RULE)
    for required in ("service", "effect"):
        if required not in rule:
            raise BadFaultRule(index, f"{required!r} is missing")
    chosen = [key for key in _CHOICES if key in rule]
    if len(chosen) > 1:
        raise BadFaultRule(index, f"only one of {', '.join(_CHOICES)} can choose the calls, not {' and '.join(chosen)}")
    return FaultRule(rule.get("name", f"rule {index}"), rule["service"], _parse_effect(index, rule["effect"]), rule)


def _parse_effect(index: int, effect: Mapping[str, Any]) -> Effect:
    kinds = [kind for kind in _EFFECTS if kind in effect]
    if len(kinds) != 1:
        raise BadFaultRule(index, f"the effect has to have exactly one of {', '.join(_EFFECTS)}")
    _check(index, effect, _EFFECTS[kinds[0]])
    more = {key: value for key, value in effect.items() if key != kinds[0]}
    return Effect(kinds[0], effect[kinds[0]], **more)


def _check(index: int, given: Mapping[str, Any], fields: Mapping[str, _Field]) -> None:
    for key, value in given.items():
        if key not in fields:
            raise BadFaultRule(index, f"{key!r} is not one of {', '.join(sorted(fields))}")
        is_right, wanted = fields[key]
        if not is_right(value):
            raise BadFaultRule(index, f"{key!r} is {value!r}, but has to be {wanted}")


@dataclass
class _Count:
    began: float
    chance: random.Random
    tokens: float
    filled: float
    matched: int = 0
    hit: int = 0

    def takes_token(self, rate: Mapping[str, float], now: float) -> bool:
        """Whether the bucket has a token for a call."""
        self.tokens = min(rate["burst"], self.tokens + (now - self.filled) * rate["perSecond"])
        self.filled = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class FaultPlan:
    """Rules, and how many calls each has hit so far; the first that hits a call decides."""

    def __init__(self, rules: Sequence[FaultRule] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._rules = tuple(rules)
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[tuple[int, str], _Count] = {}

    def decide(self, call: Call) -> Effect | None:
        """What happens to a call; None where nothing does."""
        with self._lock:
            for index, rule in enumerate(self._rules):
                if _matches(rule, call) and self._hits(index, rule, call):
                    return rule.effect
        return None

    def _hits(self, index: int, rule: FaultRule, call: Call) -> bool:
        given = rule.fields
        key = (index, call.caller if given.get("perCaller") else "")
        now = self._clock()
        if key not in self._counts:
            chance = random.Random(f"{given.get('seed', 0)}/{key[1]}")
            full = given["above"]["burst"] if "above" in given else 0
            self._counts[key] = _Count(began=now, chance=chance, tokens=full, filled=now)
        count = self._counts[key]
        count.matched += 1
        hit = True
        if "first" in given:
            hit = count.matched <= given["first"]
        elif "calls" in given:
            hit = count.matched in given["calls"]
        elif "share" in given:
            hit = count.chance.random() < given["share"]
        elif "above" in given:
            hit = not count.takes_token(given["above"], now)
        if "limit" in given and count.hit >= given["limit"]:
            hit = False
        if "forSeconds" in given and now - count.began >= given["forSeconds"]:
            hit = False
        count.hit += hit
        return hit

    def report(self) -> list[dict[str, Any]]:
        """For each rule: its name, how many calls matched it and how many it hit (`met`)."""
        with self._lock:
            told: list[dict[str, Any]] = [{"name": rule.name, "matched": 0, "met": 0} for rule in self._rules]
            for (index, _caller), count in self._counts.items():
                told[index]["matched"] += count.matched
                told[index]["met"] += count.hit
        return told


def _matches(rule: FaultRule, call: Call) -> bool:
    operations = rule.fields.get("operation", "*")
    patterns = ((call.caller, "caller"), (call.request, "request"))
    return (
        rule.service == call.service
        and any(
            fnmatch.fnmatchcase(call.operation, each)
            for each in ([operations] if isinstance(operations, str) else operations)
        )
        and all(fnmatch.fnmatchcase(value, rule.fields.get(name, "*")) for value, name in patterns)
    )
