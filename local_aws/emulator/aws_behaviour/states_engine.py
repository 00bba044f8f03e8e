"""How Step Functions runs an execution: states, branches, items, retries, limits.

Sources: the Amazon States Language (https://states-language.net/spec.html),
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html (error names, `Retry`, `Catch`),
https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html (scopes, simultaneous assignment) and
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html (256 KiB, 25,000 events).

Pass, Choice, Wait and JSONata itself are MiniStack's. States in JSONPath and Distributed Map states are refused.
"""

from __future__ import annotations

import contextvars
import copy
import functools
import json
import logging
import random
import re
import threading
import time
from collections.abc import Callable
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as states
from ministack.services.stepfunctions import _ExecutionError

from local_aws.emulator.aws_behaviour import states_integrations, states_scope
from local_aws.emulator.aws_behaviour.calls import Answer, Refused, Request, publish_event, succeed
from local_aws.emulator.aws_behaviour.patching import instead
from local_aws.emulator.aws_behaviour.states_integrations import TaskCall
from local_aws.emulator.aws_behaviour.states_scope import Cancelled, Scope

logger = logging.getLogger("emulator.states")

State = dict[str, Any]
Context = dict[str, Any]
Execution = dict[str, Any]

MAXIMUM_PAYLOAD_BYTES = 256 * 1024
MAXIMUM_EVENTS = 25_000
INLINE_MAP_CONCURRENCY = 40
UNCATCHABLE = frozenset({"States.Runtime"})
"""Errors that end an execution whatever its states say."""
ONLY_BY_NAME = frozenset({"States.DataLimitExceeded"})
"""Errors that `States.ALL` and `States.TaskFailed` do not match."""
STATUS_EVENT_PAYLOAD_BYTES = 248 * 1024
UNSUCCESSFUL = ("FAILED", "TIMED_OUT", "ABORTED")


class Executions:
    """The active executions, and how each of them ends. Each ends once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scopes: dict[str, Scope] = {}

    def run(self, arn: str) -> None:
        """Run an execution until it ends, in this thread."""
        execution: Execution | None = states._executions.get(arn)
        if execution is None:
            return
        scope = Scope()
        with self._lock:
            self._scopes[arn] = scope
            if execution["status"] != "RUNNING":
                scope.cancel()
        states_scope.current.set(scope)
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
            with self._lock:
                if self._scopes.get(arn) is scope:
                    del self._scopes[arn]

    def _run(self, execution: Execution, scope: Scope) -> None:
        started_with = keep_machine(execution)
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
            },
            "StateMachine": {"Id": execution["stateMachineArn"], "Name": started_with["name"]},
        }
        start, value, context["variables"] = execution.get("entered") or (definition["StartAt"], execution_input, {})
        timer = threading.Timer(
            definition.get("TimeoutSeconds", threading.TIMEOUT_MAX),
            contextvars.copy_context().run,
            (self._time_out, execution, scope),
        )
        timer.daemon = True
        timer.start()
        try:
            output = self.run_states(definition["States"], start, value, execution, context, outermost=True)
        finally:
            timer.cancel()
        scope.sleep(0)
        self.finish(execution, "SUCCEEDED", output=json.dumps(output))

    def _time_out(self, execution: Execution, scope: Scope) -> None:
        if not scope.cancelled:
            self.finish(execution, "TIMED_OUT", error="States.Timeout")

    def finish(self, execution: Execution, status: str, **end: str | None) -> None:
        """End an active execution with its `output`, or `error` and `cause`; everything in it is cancelled."""
        with self._lock:
            if execution["status"] != "RUNNING":
                return
            execution.update(status=status, stopDate=now_iso(), **{"output": None, **end})
            scope = self._scopes.get(execution["executionArn"])
        self.note(execution, f"Execution{status.title().replace('_', '')}", **end)
        publish_status(execution)
        if scope is not None:
            scope.cancel()

    def stop(self, request: Request) -> Answer:
        """The StopExecution call."""
        execution = require_execution(request)
        self.finish(execution, "ABORTED", error=request.get("error"), cause=request.get("cause"))
        return succeed({"stopDate": execution["stopDate"]})

    def redrive(self, request: Request) -> Answer:
        """The RedriveExecution call: an execution that did not succeed continues from the state that did not.

        https://docs.aws.amazon.com/step-functions/latest/dg/redrive-executions.html. Not as on AWS: all branches and
        items of a Parallel or Map state run again, the history has no `ExecutionRedriven`, `clientToken` is ignored,
        and DescribeExecution has no `redriveDate` and no `redriveStatus`.
        """
        execution = require_execution(request)
        with self._lock:
            if execution["status"] not in UNSUCCESSFUL:
                raise Refused("ExecutionNotRedrivable", f"Execution is {execution['status']} and cannot be redriven")
            count = execution.get("redriveCount", 0) + 1
            execution.update(status="RUNNING", redriveCount=count, stopDate=None, output=None, error=None, cause=None)
        arguments = (self.run, execution["executionArn"])
        threading.Thread(target=contextvars.copy_context().run, args=arguments, daemon=True).start()
        return succeed({"redriveDate": now_iso()})

    def stop_all_of(self, machine_arn: str) -> None:
        """End the executions of a state machine that is being deleted."""
        for execution in states._executions.values():
            if execution.get("stateMachineArn") == machine_arn:
                self.finish(execution, "ABORTED", error="States.Runtime", cause="The state machine was deleted")

    def note(self, execution: Execution, kind: str, **details: Any) -> None:
        """Add an event of a kind with its details to an execution's history."""
        name = re.sub("^.*(?=State(Entered|Exited)$)", "", kind)
        given = {key: value for key, value in details.items() if value is not None}
        with self._lock:
            events = execution["events"]
            event = {"id": len(events) + 1, "previousEventId": len(events), "type": kind, "timestamp": now_iso()}
            events.append({**event, **({f"{name[0].lower()}{name[1:]}EventDetails": given} if given else {})})

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
        """Run states from one to a terminal one; returns the last one's output.

        The `outermost` states are the execution's own: a redrive continues from the one that was entered last.
        """
        name: str | None = start
        while name is not None:
            states_scope.current.get().sleep(0)
            if len(execution["events"]) >= MAXIMUM_EVENTS:
                raise _ExecutionError(
                    "States.Runtime",
                    f"The execution reached the maximum number of history events ({MAXIMUM_EVENTS}).",
                )
            if outermost:
                execution["entered"] = (name, value, dict(context["variables"]))
            value, name = self._run_state(name, all_states[name], value, execution, context)
        return value

    def _run_state(
        self, name: str, state: State, value: Any, execution: Execution, context: Context
    ) -> tuple[Any, str | None]:
        kind = state["Type"]
        context["State"] = {"Name": name, "EnteredTime": now_iso(), "RetryCount": 0}
        self.note(execution, f"{kind}StateEntered", name=name, input=json.dumps(value))
        if states._state_query_language(state, context) != "JSONata":
            raise _ExecutionError("States.Runtime", f"State '{name}': JSONPath is not supported by this emulator")
        output, following = self._run_kind(kind, state, value, execution, context)
        require_size(output, name)
        self.note(execution, f"{kind}StateExited", name=name, output=json.dumps(output))
        return output, following

    def _run_kind(
        self, kind: str, state: State, value: Any, execution: Execution, context: Context
    ) -> tuple[Any, str | None]:
        calling = {"Task": self._task, "Parallel": self._parallel, "Map": self._map}
        plain = {"Pass": states._execute_pass, "Choice": states._execute_choice, "Wait": states._execute_wait}
        if kind in calling:

            def attempt() -> tuple[Any, str | None]:
                result = calling[kind](state, value, execution, context)
                output = states._apply_jsonata_output(state, value, context, result=result, default=result)
                states._apply_state_assign(state, value, context, result=result)
                return output, states._next_or_end(state)

            return with_retry_and_catch(state, value, context, attempt)
        if kind in plain:
            answer: tuple[Any, str | None] = plain[kind](state, value, context)
            return answer
        if kind == "Succeed":
            return states._apply_jsonata_output(state, value, context, default=value), None
        if kind == "Fail":
            raise _ExecutionError(*states._fail_state_error(state, value, context))
        raise _ExecutionError("States.Runtime", f"There is no state type '{kind}'")

    def _task(self, state: State, value: Any, execution: Execution, context: Context) -> Any:
        name, resource = context["State"]["Name"], state["Resource"]
        arguments = states._apply_jsonata_arguments(state, value, context)
        require_size(arguments, name)
        kind, _, operation = resource.removeprefix("arn:aws:states:::").partition(":")
        names = {"resourceType": kind, "resource": operation}
        self.note(execution, "TaskScheduled", **names, parameters=json.dumps(arguments))
        try:
            limit = _number(state, "TimeoutSeconds", value, context)
            self.note(execution, "TaskStarted")
            call = TaskCall(
                resource=resource,
                arguments=arguments,
                role_arn=context["Execution"]["RoleArn"],
                scope=states_scope.current.get(),
                deadline=None if limit is None else time.monotonic() + limit,
                note=functools.partial(self.note, execution),
            )
            result = states_integrations.result_of(call)
            require_size(result, name)
        except _ExecutionError as error:
            event = "TaskTimedOut" if error.error == "States.Timeout" else "TaskFailed"
            self.note(execution, event, **names, error=error.error, cause=error.cause)
            raise
        self.note(execution, "TaskSucceeded", **names, output=json.dumps(result))
        return result

    def _parallel(self, state: State, value: Any, execution: Execution, context: Context) -> list[Any]:
        given = states._apply_jsonata_arguments(state, value, context)
        branches = [(branch, copy.deepcopy(given), inner_context(context)) for branch in state["Branches"]]
        return self._run_together(branches, len(branches), execution)

    def _map(self, state: State, value: Any, execution: Execution, context: Context) -> list[Any]:
        processor = state["ItemProcessor"]
        if processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
            raise _ExecutionError("States.Runtime", "Distributed Map states are not supported by this emulator")
        items = states._jsonata_state_field({"Items": "{% $states.input %}", **state}, "Items", "array", value, context)
        iterations = []
        for index, item in enumerate(items):
            inner = inner_context(context)
            inner["Map"] = {"Item": {"Index": index, "Value": item}}
            if "ItemSelector" in state:
                item = states._apply_jsonata_template(state["ItemSelector"], value, inner)
            iterations.append((processor, copy.deepcopy(item), inner))
        wanted = int(_number(state, "MaxConcurrency", value, context) or INLINE_MAP_CONCURRENCY)
        return self._run_together(iterations, min(wanted, INLINE_MAP_CONCURRENCY), execution)

    def _run_together(
        self, runs: list[tuple[dict[str, Any], Any, Context]], at_once: int, execution: Execution
    ) -> list[Any]:
        """Run branches or items, each with its input and context; the first that fails ends the others."""
        outer = states_scope.current.get()
        results: list[Any] = [None] * len(runs)
        errors: list[BaseException] = []
        waiting = iter(range(len(runs)))
        lock = threading.Lock()

        def work(scope: Scope) -> None:
            states_scope.current.set(scope)
            while not scope.cancelled:
                with lock:
                    index = next(waiting, None)
                if index is None:
                    return
                branch, value, context = runs[index]
                try:
                    results[index] = self.run_states(branch["States"], branch["StartAt"], value, execution, context)
                except Cancelled:
                    return
                except Exception as error:  # noqa: BLE001 - raised in the state's own thread
                    with lock:
                        errors.append(error)
                    scope.cancel()

        with outer.child() as scope:
            workers = [
                threading.Thread(target=contextvars.copy_context().run, args=(work, scope), daemon=True)
                for _ in range(min(at_once, len(runs)))
            ]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        outer.sleep(0)
        if errors:
            raise errors[0]
        return results


executions = Executions()
instead("states_engine.executions", states, "_run_execution")(executions.run)
instead("states_engine.executions", states, "_stop_execution")(executions.stop)
instead("states_engine.executions", states, "_scaled_sleep")(states_scope.sleep_in_scope)


def with_retry_and_catch(
    state: State, value: Any, context: Context, attempt: Callable[[], tuple[Any, str | None]]
) -> tuple[Any, str | None]:
    """Attempt a state as often as its `Retry` says; its output and the next state, or those of a `Catch`."""
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
            return states._apply_catcher(catcher, value, context, "JSONata", details), catcher["Next"]


def require_execution(request: Request) -> Execution:
    """The execution that a call names; refused with `ExecutionDoesNotExist` where there is none."""
    execution: Execution | None = states._executions.get(request.get("executionArn"))
    if execution is None:
        raise Refused("ExecutionDoesNotExist", f"Execution Does Not Exist: '{request.get('executionArn')}'")
    return execution


def keep_machine(execution: Execution) -> dict[str, Any]:
    """Name, definition and role that an execution was started with; the machine's where it has just been started.

    "Running executions will continue to use the previous definition and roleArn"
    (https://docs.aws.amazon.com/step-functions/latest/apireference/API_UpdateStateMachine.html), redriven ones too.
    """
    if "startedWith" not in execution:
        machine = states._state_machines[execution["stateMachineArn"]]
        execution["startedWith"] = {key: machine[key] for key in ("name", "definition", "roleArn")}
    kept: dict[str, Any] = execution["startedWith"]
    return kept


def inner_context(context: Context) -> Context:
    """The context of a branch or an item: it sees the variables outside, and its own stay inside."""
    return {**context, "variables": dict(context["variables"])}


@instead("states_engine.assign", states, "_apply_state_assign")
def assign(state: State, value: Any, context: Context, result: Any = None, error_output: Any = None) -> None:
    """Evaluate a state's `Assign`: all of it with the values from before, then all of it at once."""
    assigned = {
        name: states._apply_jsonata_template(template, value, context, result=result, error_output=error_output)
        for name, template in state.get("Assign", {}).items()
    }
    for name, each in assigned.items():
        require_size(each, f"${name}")
    context["variables"].update(assigned)


def matching(rules: list[dict[str, Any]], error: str) -> int | None:
    """The first `Retry` or `Catch` rule that matches an error's name."""
    for index, rule in enumerate(rules):
        names = rule["ErrorEquals"]
        if error in UNCATCHABLE:
            break
        if error in names:
            return index
        if error in ONLY_BY_NAME:
            continue
        if "States.ALL" in names or ("States.TaskFailed" in names and error != "States.Timeout"):
            return index
    return None


def retry_delay(retrier: dict[str, Any], count: int, chance: float) -> float:
    """Seconds before retry number `count` (from 0) of a rule; `chance`, from 0 to 1, is for full jitter."""
    delay = float(retrier.get("IntervalSeconds", 1)) * float(retrier.get("BackoffRate", 2.0)) ** count
    if "MaxDelaySeconds" in retrier:
        delay = min(delay, float(retrier["MaxDelaySeconds"]))
    return delay * chance if retrier.get("JitterStrategy") == "FULL" else delay


def require_size(value: Any, name: str) -> None:
    """Fail with `States.DataLimitExceeded` where a payload is more than Step Functions carries."""
    if len(json.dumps(value, ensure_ascii=False).encode()) > MAXIMUM_PAYLOAD_BYTES:
        raise _ExecutionError(
            "States.DataLimitExceeded",
            f"The state/task '{name}' returned a result with a size exceeding the maximum number of bytes service "
            "limit.",
        )


def publish_status(execution: Execution) -> None:
    """Publish "Step Functions Execution Status Change" for an execution as it is now.

    https://docs.aws.amazon.com/step-functions/latest/dg/eventbridge-integration.html. StartSyncExecution has none.
    """
    if execution.get("sync"):
        return
    detail = {
        **{name: execution.get(name) for name in ("executionArn", "stateMachineArn", "name", "status")},
        "startDate": states._iso_to_epoch_ms(execution.get("startDate")),
        "stopDate": states._iso_to_epoch_ms(execution.get("stopDate")),
        "stateMachineVersionArn": None,
        "stateMachineAliasArn": None,
        "redriveCount": execution.get("redriveCount", 0),
        "error": execution.get("error"),
        "cause": execution.get("cause"),
    }
    for name in ("input", "output"):
        payload = execution.get(name)
        included = payload is not None and len(json.dumps(payload).encode()) <= STATUS_EVENT_PAYLOAD_BYTES
        detail[name] = payload if included else None
        detail[f"{name}Details"] = None if payload is None else {"included": included}
    publish_event("aws.states", "Step Functions Execution Status Change", detail, execution["executionArn"])


def _number(state: State, field: str, value: Any, context: Context) -> float | None:
    if field not in state:
        return None
    return float(states._jsonata_state_field(state, field, "number", value, context))
