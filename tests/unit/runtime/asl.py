"""A small interpreter of Amazon States Language with JSONata, as far as the kit's state machines go.

It keeps to AWS where emulators are lenient: variables live in scopes, an undefined result is an error, Assign and
Output see the variables as they were before the state, retriers count for themselves, and a failing branch is final.
Nothing waits: a Wait state only notes its seconds. Whoever wants time to pass, or branches side by side, overrides
`wait`, `before_retry` and `side_by_side`.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jsonata

Handler = Callable[[Any], Any]


class AslError(Exception):
    """A state failed: an error name and a cause."""

    def __init__(self, error: str, cause: str = "") -> None:
        self.error, self.cause, self.retries = error, cause, 0
        super().__init__(f"{error}: {cause}")


@dataclass
class Result:
    """How an execution ended."""

    status: str
    output: Any = None
    error: str = ""
    cause: str = ""


@dataclass
class Interpreter:
    """One execution.

    `handlers` has a function per resource, called with the state's arguments; what it raises as AslError is the
    state's failure. `functions` replace JSONata's own, such as `now`. `largest_output` is the size in bytes of the
    largest output of any state.
    """

    definition: Mapping[str, Any]
    handlers: Mapping[str, Handler]
    context: dict[str, Any]
    largest_output: int = 0
    visited: list[str] = field(default_factory=list)
    waits: list[int] = field(default_factory=list)
    functions: dict[str, Callable[[], Any]] = field(default_factory=dict)

    def run(self) -> Result:
        given = self.context["Execution"]["Input"]
        try:
            output = self._machine(self.definition, given, {})
        except AslError as failure:
            return Result("FAILED", error=failure.error, cause=failure.cause)
        return Result("SUCCEEDED", output)

    def evaluate(self, template: Any, variables: Mapping[str, Any], states: Mapping[str, Any]) -> Any:
        if isinstance(template, dict):
            return {name: self.evaluate(value, variables, states) for name, value in template.items()}
        if isinstance(template, list):
            return [self.evaluate(value, variables, states) for value in template]
        if not (isinstance(template, str) and template.startswith("{%")):
            return template
        try:
            functions = {name: jsonata.Jsonata.JLambda(function) for name, function in self.functions.items()}
            context = {**self.context, "State": {"RetryCount": states.get("retries", 0)}}
            bound = {**variables, **functions, "states": {**states, "context": context}}
            value = _parsed(template).evaluate(None, bound)
        except Exception as error:
            raise AslError("States.QueryEvaluationError", str(error)) from error
        if value is None:
            raise AslError("States.QueryEvaluationError", f"undefined: {template}")
        return json.loads(json.dumps(value))

    def wait(self, seconds: int) -> None:
        """Let time pass in a Wait state."""
        self.waits.append(seconds)

    def before_retry(self, retrier: Mapping[str, Any], retry: int) -> None:
        """Let time pass before a retry, the first of which is 1."""

    def side_by_side(self, machines: list[tuple[Mapping[str, Any], Any]], variables: Mapping[str, Any]) -> list[Any]:
        """Run branches or iterations, each with its input."""
        return [self._machine(machine, given, variables) for machine, given in machines]

    def _machine(self, machine: Mapping[str, Any], given: Any, outer: Mapping[str, Any]) -> Any:
        own: dict[str, Any] = {}
        name = machine["StartAt"]
        while True:
            self.visited.append(name)
            state = machine["States"][name]
            given, following = self._state(state, given, outer, own)
            self.largest_output = max(self.largest_output, len(json.dumps(given).encode()))
            if following is None:
                return given
            name = following

    def _state(
        self, state: Mapping[str, Any], given: Any, outer: Mapping[str, Any], own: dict[str, Any]
    ) -> tuple[Any, str | None]:
        states: dict[str, Any] = {"input": given}
        variables = {**outer, **own}
        kind = state["Type"]
        if kind == "Fail":
            raise AslError(*(self.evaluate(state[name], variables, states) for name in ("Error", "Cause")))
        if kind == "Choice":
            return self._choice(state, given, outer, own, states)
        if kind == "Wait":
            seconds = self.evaluate(state["Seconds"], variables, states)
            assert isinstance(seconds, int) and seconds >= 0
            self.wait(seconds)
        try:
            if kind in ("Task", "Map", "Parallel"):
                states["result"] = self._retried(state, given, variables)
        except AslError as failure:
            for catcher in state.get("Catch", []):
                if _matches(catcher, failure):
                    states["errorOutput"] = {"Error": failure.error, "Cause": failure.cause}
                    states["retries"] = failure.retries
                    return self._leave(catcher, given, outer, own, states), catcher["Next"]
            raise
        default = states.get("result", given)
        return self._leave(state, default, outer, own, states), state.get("Next")

    def _choice(
        self,
        state: Mapping[str, Any],
        given: Any,
        outer: Mapping[str, Any],
        own: dict[str, Any],
        states: dict[str, Any],
    ) -> tuple[Any, str]:
        for rule in state["Choices"]:
            verdict = self.evaluate(rule["Condition"], {**outer, **own}, states)
            assert isinstance(verdict, bool), rule["Condition"]
            if verdict:
                return self._leave(rule, given, outer, own, states), rule["Next"]
        return self._leave(state, given, outer, own, states), state["Default"]

    def _leave(
        self,
        place: Mapping[str, Any],
        default: Any,
        outer: Mapping[str, Any],
        own: dict[str, Any],
        states: dict[str, Any],
    ) -> Any:
        before = {**outer, **own}
        assigned = self.evaluate(place.get("Assign", {}), before, states)
        output = self.evaluate(place["Output"], before, states) if "Output" in place else default
        assert not set(assigned) & set(outer), "a variable of an outer scope is assigned"
        own.update(assigned)
        return output

    def _retried(self, state: Mapping[str, Any], given: Any, variables: Mapping[str, Any]) -> Any:
        allowed = [retrier["MaxAttempts"] for retrier in state.get("Retry", [])]
        left = list(allowed)
        while True:
            try:
                return self._attempt(state, given, variables)
            except AslError as failure:
                index = next(
                    (i for i, retrier in enumerate(state.get("Retry", [])) if _matches(retrier, failure)), None
                )
                if index is None or left[index] == 0:
                    failure.retries = sum(allowed) - sum(left)
                    raise
                left[index] -= 1
                self.before_retry(state["Retry"][index], state["Retry"][index]["MaxAttempts"] - left[index])

    def _attempt(self, state: Mapping[str, Any], given: Any, variables: Mapping[str, Any]) -> Any:
        states = {"input": given}
        if state["Type"] == "Parallel":
            return self.side_by_side([(branch, given) for branch in state["Branches"]], variables)
        if state["Type"] == "Map":
            items = self.evaluate(state["Items"], variables, states)
            assert isinstance(items, list)
            inputs = self._inputs(state, items)
            return self.side_by_side([(state["ItemProcessor"], given) for given in inputs], variables)
        return self.handlers[state["Resource"]](self.evaluate(state["Arguments"], variables, states))

    def _inputs(self, state: Mapping[str, Any], items: list[Any]) -> list[Any]:
        if "ItemSelector" not in state:
            return items
        inputs = []
        for index, item in enumerate(items):
            # Only the Map state itself sees its items in the context.
            self.context["Map"] = {"Item": {"Index": index, "Value": item}}
            inputs.append(self.evaluate(state["ItemSelector"], {}, {}))
        del self.context["Map"]
        return inputs


@functools.cache
def _parsed(template: str) -> jsonata.Jsonata:
    expression = jsonata.Jsonata.jsonata(template.removeprefix("{%").removesuffix("%}"))
    expression.register_lambda("random", lambda: random.random())
    return expression


def _matches(handler: Mapping[str, Any], failure: AslError) -> bool:
    return handler["ErrorEquals"] == ["States.ALL"] or failure.error in handler["ErrorEquals"]
