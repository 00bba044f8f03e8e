"""How Step Functions runs an execution: states, branches, items, retries, limits.

Sources: the Amazon States Language (https://states-language.net/spec.html),
https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html (error names, `Retry`, `Catch`),
https://docs.aws.amazon.com/step-functions/latest/dg/workflow-variables.html (scopes, simultaneous assignment) and
https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html (256 KiB, 25,000 events).

Pass, Choice, Wait and JSONata itself are MiniStack's. States in JSONPath are refused. The child executions of a
Distributed Map state are executions like any other, within the scope of the state (`states_map_runs`).
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
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ministack.core.responses import now_iso
from ministack.services import stepfunctions as states
from ministack.services.stepfunctions import _ExecutionError

from local_aws.emulator.aws_behaviour import states_integrations, states_map_runs, states_scope
from local_aws.emulator.aws_behaviour.calls import Answer, Refused, Request, publish_event, succeed
from local_aws.emulator.aws_behaviour.patching import instead
from local_aws.emulator.aws_behaviour.states_integrations import TaskCall
from local_aws.emulator.aws_behaviour.states_map_runs import MapRun, PackedEvents
from local_aws.emulator.aws_behaviour.states_scope import Cancelled, Scope
from local_aws.emulator.metering import meter

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
        self._until_end(execution, scope, functools.partial(self._run, execution, scope))

    def _until_end(self, execution: Execution, scope: Scope, work: Callable[[], Any]) -> None:
        """Do an execution's work in its scope; it succeeds with what the work returns, or ends as the work does."""
        outer = states_scope.current.set(scope)
        try:
            output = work()
            scope.sleep(0)
            self.finish(execution, "SUCCEEDED", output=json.dumps(output))
        except Cancelled:
            self.finish(execution, "ABORTED")
        except _ExecutionError as error:
            if not scope.cancelled:
                self.finish(execution, "FAILED", error=error.error, cause=error.cause)
        except Exception as error:
            logger.exception("execution %s", execution["executionArn"])
            if not scope.cancelled:
                self.finish(execution, "FAILED", error="States.Runtime", cause=str(error))
        finally:
            states_scope.current.reset(outer)
            with self._lock:
                if self._scopes.get(execution["executionArn"]) is scope:
                    del self._scopes[execution["executionArn"]]

    def _run(self, execution: Execution, scope: Scope) -> Any:
        definition = json.loads(keep_machine(execution)["definition"])
        execution_input = json.loads(execution["input"])
        context = context_of(execution, definition.get("QueryLanguage", "JSONPath"), execution_input)
        start, value, context["variables"] = execution.get("entered") or (definition["StartAt"], execution_input, {})
        timer = threading.Timer(
            definition.get("TimeoutSeconds", threading.TIMEOUT_MAX),
            contextvars.copy_context().run,
            (self._time_out, execution, scope),
        )
        timer.daemon = True
        timer.start()
        try:
            return self.run_states(definition["States"], start, value, execution, context, outermost=True)
        finally:
            timer.cancel()

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
        for run in execution.get("mapRuns", ()):
            if states_map_runs.end_map_run(run, "ABORTED"):
                self.note(execution, "MapRunAborted")
                self.note(execution, "MapStateAborted")
        self.note(execution, f"Execution{status.title().replace('_', '')}", **end)
        events = execution["events"]
        meter.execution(execution["stateMachineArn"], len(events), (event["type"] for event in events))
        publish_status(execution)
        if scope is not None:
            # Not in the thread of a call: there may be thousands of child executions to cancel.
            threading.Thread(target=scope.cancel, daemon=True).start()

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
            if "mapRunArn" in execution:
                raise Refused("ExecutionNotRedrivable", "A child execution is redriven with its parent")
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
        branches = (
            functools.partial(self._run_part, branch, copy.deepcopy(given), execution, inner_context(context))
            for branch in state["Branches"]
        )
        return self._run_together(branches, len(state["Branches"]))

    def _run_part(self, part: dict[str, Any], value: Any, execution: Execution, context: Context) -> Any:
        """Run a branch, or the processor of an item."""
        return self.run_states(part["States"], part["StartAt"], value, execution, context)

    def _map(self, state: State, value: Any, execution: Execution, context: Context) -> list[Any]:
        processor = state["ItemProcessor"]
        if processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
            return self._distributed_map(state, value, execution, context)
        items = states._jsonata_state_field({"Items": "{% $states.input %}", **state}, "Items", "array", value, context)
        iterations = (
            functools.partial(self._run_part, processor, copy.deepcopy(item), execution, inner)
            for item, inner in selected(state, items, value, context)
        )
        wanted = int(_number(state, "MaxConcurrency", value, context) or INLINE_MAP_CONCURRENCY)
        return self._run_together(iterations, min(wanted, INLINE_MAP_CONCURRENCY))

    def _distributed_map(self, state: State, value: Any, execution: Execution, context: Context) -> list[Any]:
        """Run a Map state whose items, or batches of them, are child executions of a Map Run.

        Its result has the outputs of those that succeeded, in the order of the items.
        """
        name = context["State"]["Name"]
        states_map_runs.require_supported(state)
        role, machine = context["Execution"]["RoleArn"], execution["stateMachineArn"].partition("/")[0]
        states_map_runs.require_allowed(role, machine)
        items = self._read_items(state, value, context)
        wanted = int(_number(state, "MaxConcurrency", value, context) or 0)
        run = MapRun.start(
            execution,
            state.get("Label"),
            len(items),
            concurrency=wanted,
            count=_number(state, "ToleratedFailureCount", value, context),
            percentage=_number(state, "ToleratedFailurePercentage", value, context),
        )
        self.note(execution, "MapStateStarted", length=len(items))
        self.note(execution, "MapRunStarted", mapRunArn=run.record["mapRunArn"])
        inputs: Iterable[Any] = (item for item, _inner in selected(state, items, value, context))
        batcher = state.get("ItemBatcher")
        if batcher is not None:
            inputs = states_map_runs.batches(
                inputs,
                _number(batcher, "MaxItemsPerBatch", value, context),
                _number(batcher, "MaxInputBytesPerBatch", value, context),
                states._apply_jsonata_template(batcher.get("BatchInput"), value, context),
            )
        children = (
            functools.partial(
                self._run_child,
                run,
                state["ItemProcessor"],
                given,
                1 if batcher is None else len(given["Items"]),
                execution,
                context["QueryLanguage"],
            )
            for given in inputs
        )
        try:
            outputs = self._run_together(
                children, min(wanted or states_map_runs.MAXIMUM_CONCURRENCY, states_map_runs.MAXIMUM_CONCURRENCY)
            )
            result = [json.loads(output) for output in outputs if output is not None]
            require_size(result, name)
        except _ExecutionError as error:
            if run.end("FAILED"):
                self.note(execution, "MapRunFailed", error=error.error, cause=error.cause)
                self.note(execution, "MapStateFailed")
            raise
        if run.end("SUCCEEDED"):
            self.note(execution, "MapRunSucceeded")
            self.note(execution, "MapStateSucceeded")
        return result

    def _read_items(self, state: State, value: Any, context: Context) -> list[Any]:
        """The items of a Distributed Map state: of its `ItemReader`, else its `Items`, else its input."""
        reader = state.get("ItemReader")
        if reader is None:
            items: list[Any] = states._jsonata_state_field(
                {"Items": "{% $states.input %}", **state}, "Items", "array", value, context
            )
            return items
        configuration = reader.get("ReaderConfig", {})
        arguments = states._apply_jsonata_template(reader.get("Arguments", {}), value, context)
        text = states_integrations.object_text(arguments, context["Execution"]["RoleArn"])
        most = _number(configuration, "MaxItems", value, context)
        return states_map_runs.parse_items(text, configuration)[: None if most is None else int(most)]

    def _run_child(
        self, run: MapRun, processor: dict[str, Any], given: Any, items: int, parent: Execution, language: str
    ) -> str | None:
        """Run a child execution until it has ended; returns its output, None where it did not succeed.

        It sees none of its parent's variables. Raises what ends the Map Run.
        """
        require_size(given, "ItemProcessor")
        child = run.child(parent, given, items)
        publish_status(child)
        context = context_of(child, language, given)
        try:
            with states_scope.current.get().child() as scope:
                with self._lock:
                    self._scopes[child["executionArn"]] = scope
                self._until_end(child, scope, lambda: self._run_part(processor, given, child, context))
        finally:
            child["events"] = PackedEvents(child["events"])
            run.ended(child["status"], items)
        output: str | None = child["output"]
        return output

    def _run_together(self, works: Iterable[Callable[[], Any]], at_once: int) -> list[Any]:
        """Do works, so many at once, each made when there is room for it; the first that fails ends the others.

        Returns their results, in order. A thread is started where none is free for the next work, so thousands of
        works that sleep are as many threads, and works that are short share a few.
        """
        outer = states_scope.current.get()
        results: list[Any] = []
        errors: list[BaseException] = []
        waiting = iter(works)
        taking, counting = threading.Lock(), threading.Lock()
        workers: list[threading.Thread] = []
        free = 0

        def count(change: int) -> int:
            nonlocal free
            with counting:
                free += change
                return free

        def start_worker(scope: Scope) -> None:
            worker = threading.Thread(target=contextvars.copy_context().run, args=(work, scope), daemon=True)
            workers.append(worker)
            count(1)
            worker.start()

        def work(scope: Scope) -> None:
            states_scope.current.set(scope)
            try:
                while not scope.cancelled:
                    with taking:
                        each = next(waiting, None)
                        if each is None:
                            return
                        index = len(results)
                        results.append(None)
                        if count(-1) == 0 and len(workers) < at_once:
                            start_worker(scope)
                    results[index] = each()
                    count(1)
            except Cancelled:
                return
            except Exception as error:  # noqa: BLE001 - raised in the state's own thread
                errors.append(error)
                scope.cancel()

        with outer.child() as scope:
            start_worker(scope)
            for worker in workers:  # grows while it is read: a worker is started by one that has not ended
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


def context_of(execution: Execution, language: str, given: Any) -> Context:
    """The Context object of an execution with its input; it has no variables yet."""
    started_with = keep_machine(execution)
    machine_arn = execution["stateMachineArn"]
    return {
        "QueryLanguage": language,
        "Execution": {
            "Id": execution["executionArn"],
            "Input": given,
            "Name": execution["name"],
            "RoleArn": started_with["roleArn"],
            "StartTime": execution["startDate"],
            "RedriveCount": execution.get("redriveCount", 0),
        },
        "StateMachine": {"Id": machine_arn, "Name": machine_arn.rsplit(":", 1)[-1]},
        "variables": {},
    }


def selected(state: State, items: list[Any], value: Any, context: Context) -> Iterator[tuple[Any, Context]]:
    """Each item of a Map state as its `ItemSelector` makes it, with the context in which it did."""
    for index, item in enumerate(items):
        inner = inner_context(context)
        inner["Map"] = {"Item": {"Index": index, "Value": item}}
        if "ItemSelector" in state:
            item = states._apply_jsonata_template(state["ItemSelector"], value, inner)
        yield item, inner


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
    size = len(json.dumps(value, ensure_ascii=False).encode())
    meter.payload(name, size)
    if size > MAXIMUM_PAYLOAD_BYTES:
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
