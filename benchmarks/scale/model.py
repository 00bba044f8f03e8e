"""Launcher, monitor and counting alone, for 100,000 tasks and more: `python -m benchmarks.scale.model --tasks 100000`.

The functions are the kit's own, each in a process of its own. What they call is in this process: DynamoDB with the
emulator's tables and its rules for capacity units, an ECS whose tasks write their rows and take a given time, a bucket.
Time is simulated: a call takes `CALL_SECONDS`, a launch waits for the launcher's rate limiter, and a function with a
part of a vCPU takes as many times its processor time; nothing else takes any. So calls, units, payloads, memory and
processor time are measured; a function's duration is computed. A poll beside launches finds what has ended before them.

What the model lacks: throttling and errors, retries, concurrent calls of one function, and the queues of AWS.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import math
import multiprocessing
import subprocess
import sys
import time
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from botocore.exceptions import ClientError

from benchmarks.scale import results
from benchmarks.scale.function_process import TIMEOUT_SECONDS
from ecs_kit.automation.cli.entry_point import exit_status
from ecs_kit.automation.cli.options import Parser, absolute, whole_number
from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.journeys.report import write_json
from ecs_kit.components.functions import MEMORY_MIB, MIB_OF_VCPU
from ecs_kit.runtime.common.tables import DetailsTable
from ecs_kit.runtime.contract import environment, waits
from ecs_kit.runtime.contract.clock import to_iso
from ecs_kit.runtime.contract.environment import Attempt, attempt_of
from ecs_kit.runtime.contract.records import UNCOUNTED_INDEX, UNCOUNTED_KEY, UNCOUNTED_PROJECTION, new_row
from ecs_kit.runtime.contract.settings import from_json
from ecs_kit.runtime.contract.statuses import TaskStatus
from ecs_kit.runtime.contract.task_lists import canonical
from ecs_kit.runtime.reporter.prices import dollars
from local_aws.emulator import capacity
from tests.unit.model.dynamodb import CALLS, create_table
from tests.unit.runtime import fakes

CALL_SECONDS = 0.005
"""Of a call of DynamoDB, S3 or ECS by a function: assumed. Launches do not add up: 32 of them are made at once."""
START_SECONDS = 30.0
"""From RunTask until the container runs: assumed."""
RUN_TIMEOUT_SECONDS = 129_600
INDEX_PAGE_BYTES = 1024 * 1024
LIST = "specs/tasks.jsonl"
TABLES = {1: ("workflow_summary_pattern_1", "workflow_details_pattern_1")}
TABLES[2] = tuple(name.replace("_1", "_2") for name in TABLES[1])


class Cloud:
    """DynamoDB, ECS and S3, and the simulated time."""

    def __init__(self, pattern: int, task_seconds: float) -> None:
        self.now = fakes.START
        self.task_seconds = task_seconds
        self.settings = from_json(fakes.settings_json(pattern, runTimeoutSeconds=RUN_TIMEOUT_SECONDS))
        self.bucket = fakes.FakeBucket()
        self.overlapping = 1
        self._not_passed: list[float] | None = None
        self.calls: Counter[str] = Counter()
        self.units: Counter[str] = Counter()
        self.ecs_tasks: dict[str, dict[str, Any]] = {}
        self.launched: Counter[tuple[str, int]] = Counter()
        self._numbers = itertools.count(1)
        self._events: list[tuple[datetime, int, Callable[[], None]]] = []
        self._open: list[tuple[str, str]] = []
        """The index `uncounted_attempts`, in its order: the emulator would look at all rows of the run."""
        self._keys: dict[str, str] = {}
        from ministack.services import dynamodb

        dynamodb._tables.clear()
        for table in TABLES[pattern]:
            create_table(Client(self, "setup"), table, table.rpartition("_pattern")[0])
        self.details = DetailsTable(Client(self, "tasks"), self.settings.details_table)

    @contextmanager
    def stopped_clock(self) -> Iterator[list[float]]:
        """Let no time pass; yields the seconds that would have passed."""
        self._not_passed = kept = []
        yield kept
        self._not_passed = None

    @property
    def clock(self) -> datetime:
        """The time, with what did not pass."""
        return self.now + timedelta(seconds=sum(self._not_passed or ()))

    def advance(self, seconds: float) -> None:
        """Let time pass, with what happens in it."""
        if self._not_passed is not None:
            self._not_passed.append(max(0.0, seconds))
            return
        until = self.now + timedelta(seconds=max(0.0, seconds))
        while self._events and self._events[0][0] <= until:
            self.now, _, event = heapq.heappop(self._events)
            event()
        self.now = until

    def at(self, moment: datetime, event: Callable[[], None]) -> None:
        """Let something happen."""
        heapq.heappush(self._events, (moment, next(self._numbers), event))

    def call(self, caller: str, service: str, operation: str, request: dict[str, Any]) -> Any:
        """A call of a function, a task or the state machine."""
        if caller != "setup":
            self.calls[f"{caller} {service}:{operation}"] += 1
        if caller in ("launcher", "monitor") and operation != "run_task":
            self.advance(CALL_SECONDS / self.overlapping)
        if service == "s3":
            return getattr(self.bucket, operation)(**request)
        if service == "ecs":
            return getattr(self, f"_{operation}")(**request)
        return self._dynamodb(caller, operation, request)

    # DynamoDB

    def _dynamodb(self, caller: str, operation: str, request: dict[str, Any]) -> Any:
        name = "".join(part.capitalize() for part in operation.split("_"))
        if request.get("IndexName") == UNCOUNTED_INDEX:
            answer, size = self._of_index(request)
            self._consumed(caller, read=capacity.read_units(size))
            return answer
        asked = {**request, "ReturnConsumedCapacity": "INDEXES"} if name in capacity.WRITES else request
        status, _, body = CALLS[name](json.loads(json.dumps(asked)))
        answer = json.loads(body)
        if caller != "setup":
            for units in capacity.consumed(name, asked, status, answer):
                self._consumed(caller, read=units.read, write=units.write)
        if status != 200:
            code = answer["__type"].rpartition("#")[2]
            error = {"Code": code, "Message": answer.get("message", "")}
            raise ClientError({**answer, "Error": error}, name)
        if name in ("PutItem", "UpdateItem") and request["TableName"] == self.settings.details_table:
            self._index(request.get("Key") or request["Item"])
        return answer

    def _consumed(self, caller: str, *, read: float = 0.0, write: float = 0.0) -> None:
        self.units[f"{caller} read"] += read
        self.units[f"{caller} write"] += write

    def _item(self, key: Mapping[str, Any]) -> dict[str, Any]:
        names = {name: key[name] for name in ("workflow_run_id", "ecs_task_id")}
        # Not through the API: every write and every entry of the index needs it.
        return capacity._stored({"TableName": self.settings.details_table, "Key": names}) or {}

    def _index(self, key: Mapping[str, Any]) -> None:
        """Keep the index in step with a row that was written."""
        identifier = key["ecs_task_id"]["S"]
        value = self._item(key).get(UNCOUNTED_KEY, {}).get("S")
        known = self._keys.get(identifier)
        if known == value:
            return
        if known is not None:
            del self._open[bisect_left(self._open, (known, identifier))], self._keys[identifier]
        if value is not None:
            insort(self._open, (value, identifier))
            self._keys[identifier] = value

    def _of_index(self, request: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """A page of the index, and the bytes of its entries."""
        start = request.get("ExclusiveStartKey")
        first = bisect_left(self._open, (start["key"], start["id"], "")) if start else 0
        items: list[dict[str, Any]] = []
        size = 0
        for value, identifier in self._open[first:]:
            run_id = request["ExpressionAttributeValues"][":run_id"]
            item = self._item({"workflow_run_id": run_id, "ecs_task_id": {"S": identifier}})
            kept = ("workflow_run_id", "ecs_task_id", UNCOUNTED_KEY, *UNCOUNTED_PROJECTION)
            entry = {name: item[name] for name in kept if name in item}
            items.append(entry)
            size += capacity.item_bytes(entry)
            if size >= INDEX_PAGE_BYTES:
                return {"Items": items, "LastEvaluatedKey": {"key": value, "id": identifier}}, size
        return {"Items": items}, size

    # ECS

    def _run_task(self, **request: Any) -> dict[str, Any]:
        (container,) = request["overrides"]["containerOverrides"]
        variables = {each["name"]: each["value"] for each in container["environment"]}
        attempt = attempt_of(variables)
        assert attempt is not None
        arn = f"arn:aws:ecs:{fakes.REGION}:{fakes.ACCOUNT}:task/{request['cluster']}/{next(self._numbers):032x}"
        self.launched[attempt.task_name, attempt.number] += 1
        self.ecs_tasks[arn] = {"attempt": attempt, "created": self.now, "status": "PENDING"}
        self.at(self.now + timedelta(seconds=START_SECONDS), lambda: self._began(arn))
        return {"tasks": [self._described(arn)], "failures": []}

    def _began(self, arn: str) -> None:
        task = self.ecs_tasks[arn]
        task |= {"status": "RUNNING", "started": self.now}
        self._record(arn, TaskStatus.RUNNING)
        self.at(self.now + timedelta(seconds=self.task_seconds), lambda: self._stopped(arn))

    def _stopped(self, arn: str) -> None:
        self._record(arn, TaskStatus.COMPLETED)
        self.ecs_tasks[arn] |= {"status": "STOPPED", "stopped": self.now}

    def _record(self, arn: str, status: TaskStatus) -> None:
        attempt: Attempt = self.ecs_tasks[arn]["attempt"]
        row = new_row(attempt, self.settings.target, status, ecs_task_arn=arn, now=self.now)
        self.details.write(replace(row, exec_time_in_seconds=self.task_seconds if status.is_final else None))

    def _described(self, arn: str) -> dict[str, Any]:
        task = self.ecs_tasks[arn]
        attempt: Attempt = task["attempt"]
        pairs = [{"name": key, "value": value} for key, value in environment.override(attempt, "").items()]
        exited = {"exitCode": 0} if task["status"] == "STOPPED" else {}
        return {
            "taskArn": arn,
            "lastStatus": task["status"],
            "desiredStatus": "STOPPED" if task["status"] == "STOPPED" else "RUNNING",
            "createdAt": task["created"],
            "startedAt": task.get("started"),
            "stoppedAt": task.get("stopped"),
            "stopCode": "EssentialContainerExited" if exited else "",
            "group": "",
            "containers": [{"name": "app", **exited}],
            "overrides": {"containerOverrides": [{"name": "app", "environment": pairs}]},
        }

    def _describe_tasks(self, *, tasks: list[str], **_: Any) -> dict[str, Any]:
        return {"tasks": [self._described(arn) for arn in tasks], "failures": []}

    def _list_tasks(self, *, desiredStatus: str = "RUNNING", nextToken: str = "0", **_: Any) -> dict[str, Any]:
        found = [
            arn for arn, task in self.ecs_tasks.items() if (task["status"] == "STOPPED") == (desiredStatus == "STOPPED")
        ]
        first = int(nextToken)
        more = {"nextToken": str(first + 100)} if first + 100 < len(found) else {}
        return {"taskArns": found[first : first + 100], **more}


class Client:
    """A boto3 client of the cloud, in its process."""

    def __init__(self, cloud: Cloud, caller: str, service: str = "dynamodb") -> None:
        self._cloud, self._caller, self._service = cloud, caller, service

    def __getattr__(self, operation: str) -> Any:
        return lambda **request: self._cloud.call(self._caller, self._service, operation, request)


@dataclass
class Invoked:
    """What the invocations of a function took."""

    calls: int = 0
    seconds: float = 0.0
    longest_seconds: float = 0.0
    longest_processor_seconds: float = 0.0
    peak_bytes: int = 0


@dataclass
class Functions:
    """The functions' processes, and what they used."""

    cloud: Cloud
    pattern: int
    hosts: dict[str, tuple[subprocess.Popen[bytes], Connection]] = field(default_factory=dict)
    used: dict[str, Invoked] = field(default_factory=dict)
    largest: int = 0
    """Bytes of the largest payload or answer, as JSON."""

    def invoke(self, kind: str, action: str, payload: dict[str, Any]) -> Any:
        """Call a function, which takes simulated time."""
        if kind not in self.hosts:
            ours, theirs = multiprocessing.Pipe()
            command = [sys.executable, "-m", "benchmarks.scale.function_process", kind, str(theirs.fileno())]
            process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdout=subprocess.DEVNULL)
            theirs.close()
            ours.send(fakes.settings_json(self.pattern, runTimeoutSeconds=RUN_TIMEOUT_SECONDS))
            self.hosts[kind] = (process, ours)
        _, connection = self.hosts[kind]
        began = self.cloud.clock
        connection.send((action, payload, self.cloud.now))
        while True:
            service, operation, request = connection.recv()
            if operation == "return":
                answer, processor, peak = request
                break
            connection.send(self._answer(kind, service, operation, request))
        # The launcher works while it waits for its rate limiter; the monitor's work adds to its calls.
        works, passed = processor * MIB_OF_VCPU / MEMORY_MIB, (self.cloud.clock - began).total_seconds()
        self.cloud.advance(max(0.0, works - passed) if kind == "launcher" else works)
        took = (self.cloud.clock - began).total_seconds()
        used = self.used.setdefault(kind, Invoked())
        used.calls += 1
        used.seconds += took
        used.longest_seconds = max(used.longest_seconds, took)
        used.longest_processor_seconds = max(used.longest_processor_seconds, processor)
        used.peak_bytes = max(used.peak_bytes, peak)
        self.largest = max(self.largest, *(len(json.dumps(each).encode()) for each in (payload, answer)))
        return answer

    def _answer(self, kind: str, service: str, operation: str, request: dict[str, Any]) -> tuple[Any, Any, datetime]:
        if operation == "sleep":
            self.cloud.advance(request["seconds"])
            return None, None, self.cloud.now
        if operation == "overlap":
            self.cloud.overlapping = request["calls"]
            return None, None, self.cloud.now
        try:
            answer = self.cloud.call(kind, service, operation, request)
        except ClientError as error:
            return None, (error.response, error.operation_name), self.cloud.now
        if operation == "get_object":
            answer = {**answer, "Body": answer["Body"].read()}
        return answer, None, self.cloud.now

    def end(self) -> None:
        """End the processes."""
        for process, connection in self.hosts.values():
            connection.send(None)
            connection.close()
            process.wait()


@dataclass
class Machine:
    """The state machine of a run, as far as it calls functions and starts tasks; counts the states it enters."""

    cloud: Cloud
    functions: Functions
    transitions: int = 0
    polls: int = 0
    poll_reads: list[tuple[int, float]] = field(default_factory=list)
    """Of each poll: attempts that are not counted, and read units."""

    def run(self, pattern: int, tasks: int) -> dict[str, Any]:
        """Run it until it ends; return the monitor's last answer."""
        execution = fakes.execution()
        list_uri = f"s3://{self.cloud.settings.bucket}/{LIST}"
        spec = fakes.spec(pattern, taskList=None, taskListUri=list_uri)
        self.cloud.bucket.objects[LIST] = b"".join(
            canonical({"taskName": f"task_{number:06}", "objectKey": "in/object.txt"}) for number in range(tasks)
        )
        call = {"execution": execution, "spec": spec}
        if pattern == 1:
            run = self._launch(call)
        else:
            run = self.functions.invoke("monitor", "register", call)
            if "pinnedList" not in run:
                raise BadInput(f"--tasks {tasks}: pattern 2 runs so short a list in an inline Map; the model has none")
            self.transitions += 9
            self._start_batches(run, tasks)
        poll = {"execution": execution, "workflowName": run["workflowName"], "runId": run["runId"]}
        before = run
        while True:
            while before.get("again"):
                # At the same time: `LaunchAndTrack` ends with the later of both.
                with self.cloud.stopped_clock() as of_poll:
                    self._poll(poll)
                began = self.cloud.now
                before = self._launch(call)
                self.cloud.advance(sum(of_poll) - (self.cloud.now - began).total_seconds())
            self.transitions += 1
            self.cloud.advance(before["waitSeconds"])
            answer = self._poll(poll)
            if answer["done"]:
                self.transitions += 1
                return dict(answer)
            before = self._launch(call) if answer["relaunch"] else answer

    def _launch(self, call: dict[str, Any]) -> Any:
        self.transitions += 2
        return self.functions.invoke("launcher", "launch", call)

    def _poll(self, poll: dict[str, Any]) -> Any:
        units, still_open = self.cloud.units, len(self.cloud._open)
        before = units["monitor read"]
        answer = self.functions.invoke("monitor", "monitor", poll)
        self.polls += 1
        self.transitions += 2
        self.poll_reads.append((still_open, units["monitor read"] - before))
        return answer

    def _start_batches(self, run: Mapping[str, Any], tasks: int) -> None:
        """Pattern 2: each child execution waits for its turn, then starts its tasks at once."""
        size = waits.TASKS_PER_BATCH
        batches = math.ceil(tasks / size)
        self.transitions += 2 * batches + tasks
        first = datetime.fromtimestamp(run["launchesFrom"] / 1000, UTC)
        lines = self.cloud.bucket.objects[run["pinnedList"]["key"]].splitlines()
        for batch in range(batches):
            turn = first + timedelta(milliseconds=batch * size * run["launchIntervalMilliseconds"])
            items = lines[batch * size : (batch + 1) * size]
            given = {"BatchInput": {"run": run}, "Items": [{"task": json.loads(line), "index": 0} for line in items]}
            self.functions.largest = max(self.functions.largest, len(json.dumps(given).encode()))
            indices = range(batch * size, batch * size + len(items))
            self.cloud.at(turn, lambda items=items, indices=indices: self._start_batch(run, items, indices))
        self.cloud.at(
            turn + timedelta(seconds=START_SECONDS + self.cloud.task_seconds + 1), lambda: self._end_launching(run)
        )

    def _start_batch(self, run: Mapping[str, Any], items: Sequence[bytes], indices: Sequence[int]) -> None:
        for line, index in zip(items, indices, strict=True):
            entry = json.loads(line)
            attempt = Attempt(
                run["workflowName"], int(run["runId"]), entry["taskName"], 1, "kit-2", entry["objectKey"], index=index
            )
            pairs = [{"name": name, "value": value} for name, value in environment.override(attempt, "").items()]
            overrides = {"containerOverrides": [{"name": "app", "environment": pairs}]}
            self.cloud.call("states", "ecs", "run_task", {"cluster": run["cluster"], "overrides": overrides})

    def _end_launching(self, run: Mapping[str, Any]) -> None:
        request = {
            "TableName": self.cloud.settings.summary_table,
            "Key": {"workflow_name": {"S": run["workflowName"]}, "workflow_run_id": {"N": run["runId"]}},
            "UpdateExpression": "SET launching_ended = :ended",
            "ExpressionAttributeValues": {":ended": {"BOOL": True}},
        }
        self.cloud.call("states", "dynamodb", "update_item", request)


def measured(pattern: int, tasks: int, task_seconds: float) -> dict[str, Any]:
    """Run the model once; what it used."""
    cloud = Cloud(pattern, task_seconds)
    functions = Functions(cloud, pattern)
    made = Machine(cloud, functions)
    began = time.process_time()
    try:
        answer = made.run(pattern, tasks)
    finally:
        functions.end()
    created = [task["created"] for task in cloud.ecs_tasks.values()]
    last = max(task["stopped"] for task in cloud.ecs_tasks.values())
    seconds = (max(created) - min(created)).total_seconds()
    doubled = sum(count > 1 for count in cloud.launched.values())
    read_units, write_units = (
        sum(n for name, n in cloud.units.items() if name.endswith(kind)) for kind in ("read", "write")
    )
    gb_seconds = sum(each.seconds for each in functions.used.values()) * MEMORY_MIB / 1024
    calls = sum(each.calls for each in functions.used.values())
    excess = max((units - 1 - entries / 25 for entries, units in made.poll_reads), default=0.0)
    return {
        "contender": f"pattern {pattern}",
        "tasks": tasks,
        "taskSeconds": task_seconds,
        "date": to_iso(datetime.now(UTC)),
        "machine": results.machine(),
        "status": answer["status"],
        "completed": answer["completed"],
        "lost": tasks - len(cloud.launched),
        "doubled": doubled,
        "launchesPerSecond": round((len(created) - 1) / seconds, 2),
        "noticedAfterStopSeconds": round((cloud.now - last).total_seconds(), 1),
        "runSeconds": round((cloud.now - fakes.START).total_seconds()),
        "polls": made.polls,
        "transitions": made.transitions,
        "calls": dict(sorted(cloud.calls.items())),
        "readUnits": {name: round(count, 1) for name, count in sorted(cloud.units.items()) if name.endswith("read")},
        "writeUnits": {name: round(count, 1) for name, count in sorted(cloud.units.items()) if name.endswith("write")},
        "readUnitsPerTask": round(read_units / tasks, 3),
        "writeUnitsPerTask": round(write_units / tasks, 3),
        "monitorReadUnitsPerTask": round(cloud.units["monitor read"] / tasks, 3),
        "mostUnitsOfAPollAbove1AndOpenBy25": round(excess, 1),
        "largestPayloadBytes": functions.largest,
        "functions": {
            name: {
                "calls": each.calls,
                "longestSeconds": round(each.longest_seconds, 1),
                "longestProcessorSeconds": round(each.longest_processor_seconds, 2),
                "timeoutSeconds": TIMEOUT_SECONDS,
                "peakMiB": round(each.peak_bytes / 2**20, 1),
                "memoryMiB": MEMORY_MIB,
            }
            for name, each in functions.used.items()
        },
        "dollarsPerTask": {
            "stepFunctions": dollars("state_transitions", made.transitions) / tasks,
            "lambda": (dollars("function_calls", calls) + dollars("function_gb_seconds", gb_seconds)) / tasks,
            "dynamodb": (dollars("read_requests", read_units) + dollars("write_requests", write_units)) / tasks,
        },
        "modelProcessorSeconds": round(time.process_time() - began),
    }


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line, the process's own for None."""
    parser = Parser(prog="python -m benchmarks.scale.model", description=(__doc__ or "").split("\n\n")[0])
    number = whole_number("a number from 1")
    parser.add_argument(
        "--tasks", type=number, nargs="+", default=[100_000], metavar="N", help="numbers of tasks (100000)"
    )
    parser.add_argument("--seconds", type=number, default=60, metavar="S", help="seconds that a task takes (60)")
    parser.add_argument("--pattern", type=int, nargs="+", choices=(1, 2), default=[1, 2], help="the patterns (1 2)")
    parser.add_argument("--results", type=absolute, default=results.FILE, metavar="FILE", help="the results")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the model, write what it used into the results, and return the process's exit status."""
    return exit_status(partial(_run, arguments))


def _run(arguments: Sequence[str] | None, _interruption: Interruption) -> int:
    options = parse(arguments)
    for tasks in options.tasks:
        for pattern in options.pattern:
            made = measured(pattern, tasks, float(options.seconds))
            found = results.read(options.results)
            runs = results.merged(found["model"], [made], [f"pattern {number}" for number in (1, 2)])
            write_json(options.results, {**found, "model": runs})
            print(f"pattern {pattern}, {tasks} tasks: {json.dumps(made)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
