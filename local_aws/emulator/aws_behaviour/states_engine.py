"""How Step Functions runs an execution: states, branches, items, retries, limits.

Sources: the Amazon States Language (https://states-language.net/spec.html),
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html (error names, `Retry`, `Catch`),
https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html (scopes, simultaneous assignment) and
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html (256 KiB, 25,000 events).

The evaluation of single states that call nothing (Pass, Choice, Wait) and of JSONata and JSONPath is MiniStack's.
"""

from __future__ import annotations

import contextvars
import copy
import functools
import json
import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import eventbridge
from ministack.services import stepfunctions as states
from ministack.services.stepfunctions import _ExecutionError

from local_aws.emulator.aws_behaviour import states_scope
from local_aws.emulator.aws_behaviour.calls import Refused
from local_aws.emulator.aws_behaviour.states_integrations import Integrations, TaskCall
from local_aws.emulator.aws_behaviour.states_redrive import redrive_status
from local_aws.emulator.aws_behaviour.states_scope import Cancelled, Scope

logger = logging.getLogger("emulator.states")

State = dict[str, Any]
Context = dict[str, Any]
Execution = dict[str, Any]

MAXIMUM_PAYLOAD_BYTES = 256 * 1024
MAXIMUM_EVENTS = 25_000
DEFAULT_INLINE_MAP_CONCURRENCY = 40
UNCATCHABLE = frozenset({"States.Runtime"})
"""Errors that end an execution whatever its states say."""
ONLY_BY_NAME = frozenset({"States.DataLimitExceeded"})
"""Errors that `States.ALL` and `States.TaskFailed` do not match."""
STATUS_EVENT_PAYLOAD_BYTES = 248 * 1024

_HANDLERS = {"Pass": "_execute_pass", "Choice": "_execute_choice", "Wait": "_execute_wait"}


class Executions:
    """The executions that run, and how each of them ends. Each ends once.

    Args:
        integrations: what Task states call.
    """

    def __init__(self, integrations: Integrations) -> None:
        self._integrations = integrations
        self._lock = threading.Lock()
        self._scopes: dict[str, Scope] = {}
        self._ended = threading.Condition(self._lock)

    # --- executions ----------------------------------------------------------------------------------------------

    def run(self, arn: str) -> None:
        """Run an execution to its end, in this thread."""
        execution: Execution | None = states._executions.get(arn)
        if execution is None:
            return
        scope = Scope()
        with self._lock:
            self._scopes[arn] = scope
            if execution["status"] != "RUNNING":
                scope.cancel()
        token = states_scope.current.set(scope)
        try:
            self._run(execution, scope)
        except Cancelled:
            pass
        except _ExecutionError as error:
            if not scope.cancelled:
                self.finish(execution, "FAILED", error=error.error, cause=error.cause)
        except Exception as error:
            logger.exception("execution %s", arn)
            if not scope.cancelled:
                self.finish(execution, "FAILED", error="States.Runtime", cause=str(error))
        finally:
            states_scope.current.reset(token)
            with self._ended:
                del self._scopes[arn]
                self._ended.notify_all()

    def run_again(self, execution: Execution) -> None:
        """Run an execution that did not succeed from where it came to, in a thread of its own."""
        arn = execution["executionArn"]
        with self._lock:
            count = execution.get("redriveCount", 0) + 1
            execution.update(status="RUNNING", redriveCount=count, stopDate=None, output=None, error=None, cause=None)
        self.note(execution, "ExecutionRedriven", {"executionRedrivenEventDetails": {"redriveCount": count}})
        publish_status(execution)

        def run() -> None:
            with self._ended:  # what was cancelled may not have come to its end yet
                self._ended.wait_for(lambda: arn not in self._scopes)
            self.run(arn)

        threading.Thread(target=contextvars.copy_context().run, args=(run,), daemon=True, name="states-redrive").start()

    def _run(self, execution: Execution, scope: Scope) -> None:
        machine = states._state_machines.get(execution["stateMachineArn"])
        if machine is None:
            raise _ExecutionError("States.Runtime", "The state machine no longer exists")
        started_with = keep_machine(execution, machine)
        definition = json.loads(started_with["definition"])
        execution_input = json.loads(execution["input"])
        context: Context = {
            "QueryLanguage": definition.get("QueryLanguage", "JSONPath"),
            "Execution": {
                "Id": execution["executionArn"],
                "Input": execution_input,
                "Name": execution["name"],
                "RoleArn": started_with["roleArn"],
                "StartTime": execution["startDate"],
                "RedriveCount": execution.get("redriveCount", 0),
                **({"RedriveTime": execution["redriveDate"]} if execution.get("redriveDate") else {}),
            },
            "StateMachine": {"Id": execution["stateMachineArn"], "Name": machine["name"]},
        }
        limit = definition.get("TimeoutSeconds")
        timer = None
        if limit is not None:
            snapshot = contextvars.copy_context()
            timer = threading.Timer(limit, snapshot.run, (self._time_out, execution, scope))
            timer.daemon = True
            timer.start()
        start, value, context["variables"] = execution.get("cameTo") or (definition["StartAt"], execution_input, {})
        try:
            output = self.run_states(definition["States"], start, value, execution, context, outermost=True)
        finally:
            if timer is not None:
                timer.cancel()
        scope.check()
        self.finish(execution, "SUCCEEDED", output=json.dumps(output))

    def _time_out(self, execution: Execution, scope: Scope) -> None:
        if not scope.cancelled:
            self.finish(execution, "TIMED_OUT", error="States.Timeout")

    def finish(
        self,
        execution: Execution,
        status: str,
        *,
        output: str | None = None,
        error: str | None = None,
        cause: str | None = None,
    ) -> bool:
        """End an execution, where it runs: status, history, event; everything in it is cancelled.

        Returns:
            Whether it ran.
        """
        with self._lock:
            if execution["status"] != "RUNNING":
                return False
            execution.update(status=status, stopDate=now_iso(), output=output, error=error, cause=cause)
            scope = self._scopes.get(execution["executionArn"])
        kind, key = {
            "SUCCEEDED": ("ExecutionSucceeded", "executionSucceededEventDetails"),
            "FAILED": ("ExecutionFailed", "executionFailedEventDetails"),
            "ABORTED": ("ExecutionAborted", "executionAbortedEventDetails"),
            "TIMED_OUT": ("ExecutionTimedOut", "executionTimedOutEventDetails"),
        }[status]
        details = {"output": output} if status == "SUCCEEDED" else {"error": error, "cause": cause}
        self.note(execution, kind, {key: {name: value for name, value in details.items() if value is not None}})
        publish_status(execution)
        if scope is not None:
            scope.cancel()
        return True

    def stop(self, request: dict[str, Any]) -> Any:
        """The StopExecution call."""
        execution = states._executions.get(request.get("executionArn"))
        if execution is None:
            raise Refused("ExecutionDoesNotExist", f"Execution Does Not Exist: '{request.get('executionArn')}'")
        self.finish(execution, "ABORTED", error=request.get("error"), cause=request.get("cause"))
        return states.json_response({"stopDate": execution["stopDate"]})

    def stop_all_of(self, machine_arn: str) -> None:
        """End the executions of a state machine that is being deleted."""
        for execution in states._executions.values():
            if execution.get("stateMachineArn") == machine_arn:
                self.finish(execution, "ABORTED", error="States.Runtime", cause="The state machine was deleted")

    def note(self, execution: Execution, kind: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
        """Add an event to an execution's history."""
        with self._lock:
            events = execution["events"]
            event = {
                "id": len(events) + 1,
                "previousEventId": len(events),
                "type": kind,
                "timestamp": now_iso(),
                **(details or {}),
            }
            events.append(event)
            return event

    # --- states --------------------------------------------------------------------------------------------------

    def run_states(
        self,
        all_states: dict[str, State],
        start: str,
        value: Any,
        execution: Execution,
        context: Context,
        *,
        outermost: bool = False,
    ) -> Any:
        """Run states from one to an end; answers with the last one's output.

        Where the states are the execution's own, and not those of a branch or an item, it keeps where they came to.

        Raises:
            _ExecutionError: one of them failed, and none caught it.
            Cancelled: the scope is over.
        """
        name: str | None = start
        while name is not None:
            scope = states_scope.current.get()
            if scope is not None:
                scope.check()
            if len(execution["events"]) >= MAXIMUM_EVENTS:
                raise _ExecutionError(
                    "States.Runtime",
                    f"The execution reached the maximum number of history events ({MAXIMUM_EVENTS}).",
                )
            state = all_states.get(name)
            if state is None:
                raise _ExecutionError("States.Runtime", f"There is no state '{name}'")
            if outermost:
                execution["cameTo"] = (name, value, dict(context["variables"]))
            value, name = self._run_state(name, state, value, execution, context)
        return value

    def _run_state(
        self, name: str, state: State, value: Any, execution: Execution, context: Context
    ) -> tuple[Any, str | None]:
        kind = state.get("Type", "")
        context["State"] = {"Name": name, "EnteredTime": now_iso(), "RetryCount": 0}
        self.note(
            execution,
            f"{kind}StateEntered",
            {"stateEnteredEventDetails": {"name": name, "input": json.dumps(value)}},
        )
        output, following = self.run_one(state, value, execution, context)
        require_size(output, name)
        self.note(
            execution,
            f"{kind}StateExited",
            {"stateExitedEventDetails": {"name": name, "output": json.dumps(output)}},
        )
        return output, following

    def run_one(self, state: State, value: Any, execution: Execution, context: Context) -> tuple[Any, str | None]:
        """Run one state; answers with its output and the name of the next one, None at an end.

        Raises:
            _ExecutionError: it failed.
        """
        kind = state.get("Type", "")
        if kind == "Fail":
            raise _ExecutionError(*states._fail_state_error(state, value, context))
        if kind == "Succeed":
            return self._succeed(state, value, context), None
        if kind in ("Task", "Parallel", "Map"):
            return {"Task": self.task, "Parallel": self.parallel, "Map": self.map}[kind](
                state, value, execution, context
            )
        if kind not in _HANDLERS:
            raise _ExecutionError("States.Runtime", f"There is no state type '{kind}'")
        answer: tuple[Any, str | None] = getattr(states, _HANDLERS[kind])(state, value, context)
        return answer

    @staticmethod
    def _succeed(state: State, value: Any, context: Context) -> Any:
        if states._state_query_language(state, context) == "JSONata":
            return states._apply_jsonata_output(state, value, context, default=value)
        selected = states._apply_input_path(state, value, context)
        return states._apply_output_path(state, selected, context)

    # --- Task ----------------------------------------------------------------------------------------------------

    def task(self, state: State, value: Any, execution: Execution, context: Context) -> tuple[Any, str | None]:
        """Run a Task state."""
        return self._with_retry_and_catch(
            state, value, context, lambda: self._attempt(state, value, execution, context)
        )

    def _attempt(self, state: State, value: Any, execution: Execution, context: Context) -> tuple[Any, str | None]:
        jsonata = states._state_query_language(state, context) == "JSONata"
        if jsonata:
            arguments = states._apply_jsonata_arguments(state, value, context)
        else:
            arguments = states._apply_parameters(state, states._apply_input_path(state, value, context), context)
        require_size(arguments, context["State"]["Name"])
        kind, resource = _event_resource(state["Resource"])
        names = {"resourceType": kind, "resource": resource}
        self.note(
            execution, "TaskScheduled", {"taskScheduledEventDetails": {**names, "parameters": json.dumps(arguments)}}
        )
        try:
            result = self._call(state, arguments, value, execution, context)
            require_size(result, context["State"]["Name"])
        except _ExecutionError as error:
            event = "TaskTimedOut" if error.error == "States.Timeout" else "TaskFailed"
            key = event[0].lower() + event[1:] + "EventDetails"
            self.note(execution, event, {key: {**names, "error": error.error, "cause": error.cause}})
            raise
        self.note(execution, "TaskSucceeded", {"taskSucceededEventDetails": {**names, "output": json.dumps(result)}})
        return self.completed(state, value, result, context)

    @staticmethod
    def completed(state: State, value: Any, result: Any, context: Context) -> tuple[Any, str | None]:
        """What a Task, Parallel or Map state makes of its result: its output and the next state."""
        if states._state_query_language(state, context) == "JSONata":
            output = states._apply_jsonata_output(state, value, context, result=result, default=result)
            states._apply_state_assign(state, value, context, result=result)
        else:
            selected = states._apply_result_selector(state, result)
            output = states._apply_output_path(state, states._apply_result_path(state, value, selected), context)
        return output, states._next_or_end(state)

    def _call(self, state: State, arguments: Any, value: Any, execution: Execution, context: Context) -> Any:
        resource = state["Resource"]
        integration = self._integrations.find(resource)
        limit = _number(state, "TimeoutSeconds", value, context)
        if integration is None:
            return self._ministacks_own(resource, arguments, limit)
        self.note(execution, "TaskStarted", None)
        scope = states_scope.current.get() or Scope()
        return integration(
            TaskCall(
                resource=resource,
                arguments=arguments,
                role_arn=context["Execution"].get("RoleArn", ""),
                scope=scope,
                deadline=None if limit is None else time.monotonic() + limit,
                note=functools.partial(self.note, execution),
            )
        )

    @staticmethod
    def _ministacks_own(resource: str, arguments: Any, limit: float | None) -> Any:
        if ".waitForTaskToken" in resource:
            raise _ExecutionError("States.Runtime", f"{resource}: task tokens are not supported by this emulator")
        if limit is not None and ":activity:" not in resource:
            return states._invoke_resource_with_timeout(resource, arguments, limit)
        return states._invoke_resource(resource, arguments)

    # --- Retry and Catch -----------------------------------------------------------------------------------------

    def _with_retry_and_catch(
        self, state: State, value: Any, context: Context, attempt: Callable[[], tuple[Any, str | None]]
    ) -> tuple[Any, str | None]:
        entered = context["State"]
        counts: dict[int, int] = {}
        while True:
            context["State"] = {**entered, "RetryCount": sum(counts.values())}
            try:
                return attempt()
            except _ExecutionError as error:
                index = matching(state.get("Retry", []), error.error)
                if index is not None:
                    retrier, count = state["Retry"][index], counts.get(index, 0)
                    if count < retrier.get("MaxAttempts", 3):
                        states._scaled_sleep(retry_delay(retrier, count, random.random()))
                        counts[index] = count + 1
                        continue
                caught = matching(state.get("Catch", []), error.error)
                if caught is None:
                    raise
                catcher = state["Catch"][caught]
                details = {"Error": error.error, "Cause": error.cause}
                language = states._state_query_language(state, context)
                output = states._apply_catcher(catcher, value, context, language, details)
                return output, catcher["Next"]

    # --- Parallel and Map ----------------------------------------------------------------------------------------

    def parallel(self, state: State, value: Any, execution: Execution, context: Context) -> tuple[Any, str | None]:
        """Run a Parallel state: the first branch that fails ends the others."""

        def attempt() -> tuple[Any, str | None]:
            jsonata = states._state_query_language(state, context) == "JSONata"
            if jsonata:
                branch_input = states._apply_jsonata_arguments(state, value, context)
            else:
                selected = states._apply_input_path(state, value, context)
                branch_input = states._apply_parameters(state, selected, context)
            branches = [
                (branch["States"], branch["StartAt"], copy.deepcopy(branch_input), inner_context(context))
                for branch in state["Branches"]
            ]
            results = self._run_together(branches, len(branches), execution)
            return self.completed(state, value, results, context)

        return self._with_retry_and_catch(state, value, context, attempt)

    def map(self, state: State, value: Any, execution: Execution, context: Context) -> tuple[Any, str | None]:
        """Run an inline Map state: the first item that fails ends the others."""
        processor = state.get("ItemProcessor") or state.get("Iterator") or {}
        if (processor.get("ProcessorConfig") or {}).get("Mode") == "DISTRIBUTED":
            raise _ExecutionError("States.Runtime", "Distributed Map states are not supported by this emulator")

        def attempt() -> tuple[Any, str | None]:
            jsonata = states._state_query_language(state, context) == "JSONata"
            effective = value if jsonata else states._apply_input_path(state, value, context)
            if jsonata and "Items" in state:
                items = states._jsonata_state_field(state, "Items", "array", value, context)
            elif jsonata:
                items = value
            else:
                items = states._resolve_path_or_ctx(state.get("ItemsPath", "$"), effective, context)
            if not isinstance(items, list):
                raise _ExecutionError("States.Runtime", "The items of a Map state have to be an array")
            iterations = []
            for index, item in enumerate(items):
                inner = inner_context(context)
                inner["Map"] = {"Item": {"Index": index, "Value": item}}
                selector = state.get("ItemSelector") or state.get("Parameters")
                if not selector:
                    item_input = copy.deepcopy(item)
                elif jsonata:
                    item_input = states._apply_jsonata_template(selector, value, inner)
                else:
                    item_input = states._resolve_params_obj(selector, effective, inner)
                iterations.append((processor["States"], processor["StartAt"], item_input, inner))
            wanted = int(_number(state, "MaxConcurrency", value, context) or 0)
            limit = min(wanted or DEFAULT_INLINE_MAP_CONCURRENCY, DEFAULT_INLINE_MAP_CONCURRENCY)
            results = self._run_together(iterations, limit, execution)
            return self.completed(state, value, results, context)

        return self._with_retry_and_catch(state, value, context, attempt)

    def _run_together(
        self, runs: list[tuple[dict[str, State], str, Any, Context]], at_once: int, execution: Execution
    ) -> list[Any]:
        outer = states_scope.current.get() or Scope()
        results: list[Any] = [None] * len(runs)
        errors: list[BaseException] = []
        waiting = iter(range(len(runs)))
        lock = threading.Lock()

        with outer.child() as scope:

            def work() -> None:
                states_scope.current.set(scope)
                while not scope.cancelled:
                    with lock:
                        index = next(waiting, None)
                    if index is None:
                        return
                    all_states, start, value, context = runs[index]
                    try:
                        results[index] = self.run_states(all_states, start, value, execution, context)
                    except Cancelled:
                        return
                    except Exception as error:  # noqa: BLE001 - carried to the state's own thread
                        with lock:
                            errors.append(error)
                        scope.cancel()
                        return

            workers = [
                threading.Thread(target=contextvars.copy_context().run, args=(work,), daemon=True, name="states-branch")
                for _ in range(min(at_once, len(runs)))
            ]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        outer.check()
        if errors:
            raise errors[0]
        return results


def keep_machine(execution: Execution, machine: dict[str, Any]) -> dict[str, Any]:
    """Definition and role that an execution was started with; from the machine where it has just been started.

    "Running executions will continue to use the previous definition and roleArn"
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateStateMachine.html), redriven ones too.
    """
    kept: dict[str, Any] = execution.setdefault("startedWith", {key: machine[key] for key in ("definition", "roleArn")})
    return kept


def inner_context(context: Context) -> Context:
    """The context of a branch or an item: it sees the variables outside, and its own stay inside."""
    return {**context, "variables": dict(context["variables"])}


def assign(state: State, value: Any, context: Context | None, result: Any = None, error_output: Any = None) -> None:
    """Evaluate a state's `Assign`: all of it with the values from before, then all of it at once."""
    if context is None or states._state_query_language(state, context) != "JSONata":
        return
    if not isinstance(state.get("Assign"), dict):
        return
    assigned = {
        name: states._apply_jsonata_template(template, value, context, result=result, error_output=error_output)
        for name, template in state["Assign"].items()
    }
    for name, each in assigned.items():
        require_size(each, f"${name}")
    context.setdefault("variables", {}).update(assigned)


def matching(rules: list[dict[str, Any]], error: str) -> int | None:
    """The first `Retry` or `Catch` rule that matches an error's name."""
    if error in UNCATCHABLE:
        return None
    for index, rule in enumerate(rules):
        names = rule.get("ErrorEquals", [])
        if error in names:
            return index
        if error in ONLY_BY_NAME:
            continue
        if "States.ALL" in names or ("States.TaskFailed" in names and error != "States.Timeout"):
            return index
    return None


def retry_delay(retrier: dict[str, Any], count: int, chance: float) -> float:
    """Seconds before retry number `count` (from 0) of a rule.

    Args:
        retrier: the `Retry` rule.
        count: how often it was applied before.
        chance: from 0 to 1, used where the rule wants full jitter.
    """
    delay = float(retrier.get("IntervalSeconds", 1)) * float(retrier.get("BackoffRate", 2.0)) ** count
    if "MaxDelaySeconds" in retrier:
        delay = min(delay, float(retrier["MaxDelaySeconds"]))
    return delay * chance if retrier.get("JitterStrategy") == "FULL" else delay


def require_size(value: Any, name: str) -> None:
    """Make sure that a payload is one that Step Functions carries.

    Raises:
        _ExecutionError: `States.DataLimitExceeded`.
    """
    if len(json.dumps(value, ensure_ascii=False).encode()) > MAXIMUM_PAYLOAD_BYTES:
        raise _ExecutionError(
            "States.DataLimitExceeded",
            f"The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service "
            "limit.",
        )


def publish_status(execution: Execution) -> None:
    """Publish "Step Functions Execution Status Change" for an execution as it is now.

    https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html
    """
    if execution.get("sync"):
        return
    status = execution["status"]
    ended_badly = status in ("FAILED", "TIMED_OUT", "ABORTED")
    output = execution.get("output") if status == "SUCCEEDED" else None
    detail = {
        "executionArn": execution["executionArn"],
        "stateMachineArn": execution["stateMachineArn"],
        "name": execution["name"],
        "status": status,
        "startDate": states._iso_to_epoch_ms(execution.get("startDate")),
        "stopDate": states._iso_to_epoch_ms(execution.get("stopDate")),
        **_included("input", execution.get("input")),
        **_included("output", output),
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        "redriveDate": None,
        "redriveStatusReason": None,
        **_redrive_details(execution),
        "error": execution.get("error") if ended_badly else None,
        "cause": execution.get("cause") if ended_badly else None,
    }
    eventbridge._put_events(
        {
            "Entries": [
                {
                    "Source": "aws.states",
                    "DetailType": "Step Functions Execution Status Change",
                    "Detail": json.dumps(detail),
                    "Resources": [execution["executionArn"]],
                }
            ]
        },
        allow_aws_source=True,
    )


def _redrive_details(execution: Execution) -> dict[str, Any]:
    details = redrive_status(execution)
    if "redriveDate" in details:
        details["redriveDate"] = states._iso_to_epoch_ms(details["redriveDate"])
    return details


def _included(name: str, payload: str | None) -> dict[str, Any]:
    if payload is None:
        return {name: None, f"{name}Details": None}
    fits = len(json.dumps(payload).encode()) <= STATUS_EVENT_PAYLOAD_BYTES
    return {name: payload if fits else None, f"{name}Details": {"included": fits}}


def _number(state: State, field: str, value: Any, context: Context) -> float | None:
    if field not in state:
        return None
    if states._state_query_language(state, context) == "JSONata":
        return float(states._jsonata_state_field(state, field, "number", value, context))
    return float(state[field])


def _event_resource(resource: str) -> tuple[str, str]:
    if resource.startswith("arn:aws:states:::"):
        kind, _, operation = resource.removeprefix("arn:aws:states:::").partition(":")
        return kind, operation
    return "lambda", resource
