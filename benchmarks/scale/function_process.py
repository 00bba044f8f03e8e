"""A function's process of the model: the real launcher or monitor, whose clients and clock are in another process.

It imports what the function's package has, so that its memory is the function's.
"""

from __future__ import annotations

import io
import random
import sys
import time
from datetime import datetime
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import ClientError

from ecs_kit.runtime.common import log
from ecs_kit.runtime.common.counting import Counting
from ecs_kit.runtime.common.meter import Meter
from ecs_kit.runtime.common.tables import DetailsTable, SummaryTable
from ecs_kit.runtime.contract.settings import from_json
from ecs_kit.runtime.functions.ecs_tasks import EcsTasks
from ecs_kit.runtime.functions.spec_store import SpecStore
from ecs_kit.runtime.launcher.launcher import Launcher
from ecs_kit.runtime.monitor.monitor import Monitor
from tests.unit.runtime import fakes

TIMEOUT_SECONDS = 300.0
"""Of both functions."""


class RemoteClient:
    """A boto3 client of the cloud, in a function's process."""

    def __init__(self, remote: Remote, service: str) -> None:
        self._remote, self._service = remote, service

    def __getattr__(self, operation: str) -> Any:
        def call(**request: Any) -> Any:
            if hasattr(request.get("Body"), "read"):
                request["Body"] = request["Body"].read()
            answer = self._remote.ask(self._service, operation, request)
            return {**answer, "Body": io.BytesIO(answer["Body"])} if operation == "get_object" else answer

        return call


class Remote:
    """The cloud, and its clock, as a function's process has them."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.time = fakes.START

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.ask("", "sleep", {"seconds": seconds})

    def ask(self, service: str, operation: str, request: dict[str, Any]) -> Any:
        self._connection.send((service, operation, request))
        answer, error, self.time = self._connection.recv()
        if error is not None:
            raise ClientError(*error)
        return answer


class AtOnce(fakes.Inline):
    """Calls that overlap: one after another, each in its share of the time that one takes."""

    def __init__(self, remote: Remote, most: int) -> None:
        super().__init__(most)
        self._remote, self._most = remote, most

    def map(self, *arguments: Any, **more: Any) -> Any:
        """Make calls that are all known."""
        self._remote.ask("", "overlap", {"calls": self._most})
        yield from super().map(*arguments, **more)
        self._remote.ask("", "overlap", {"calls": 1})


def serve(connection: Connection, kind: str) -> None:
    """A function's process: invoke the real launcher or monitor whenever the state machine asks for it."""
    log.configure()
    # For their memory alone: the function has them.
    unused = [boto3.client(name, region_name=fakes.REGION) for name in ("dynamodb", "ecs", "s3")]
    remote: Any = Remote(connection)
    dynamodb, ecs, s3 = (RemoteClient(remote, name) for name in ("dynamodb", "ecs", "s3"))
    settings = from_json(connection.recv())
    meter = Meter(settings.state_machine, remote)
    summaries = SummaryTable(dynamodb, settings.summary_table, meter.run_written)
    details = DetailsTable(dynamodb, settings.details_table, meter.attempt_written, confirms=True)
    shared: dict[str, Any] = {
        "settings": settings,
        "summaries": summaries,
        "details": details,
        "counting": Counting(dynamodb, summaries),
        "ecs_tasks": EcsTasks(ecs, settings.cluster, settings.family),
        "specs": SpecStore(s3, settings.bucket),
        "meter": meter,
        "clock": remote,
        "rng": random.Random(1),
        "executor": partial(AtOnce, remote),
    }
    function: Any = (
        Launcher(run_task_client=ecs, **shared)
        if kind == "launcher"
        else Monitor(stepfunctions=fakes.FakeStepFunctions(), **shared)
    )
    while (asked := connection.recv()) is not None:
        action, payload, remote.time = asked
        began, used = remote.time, time.process_time()

        def left(began: datetime = began) -> float:
            return TIMEOUT_SECONDS - (remote.time - began).total_seconds()

        arguments = (payload, left) if action == "launch" else (payload,)
        answer = getattr(function, action)(*arguments)
        peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
        connection.send(("", "return", (answer, time.process_time() - used, int(peak.split()[1]) * 1024)))
    del unused


if __name__ == "__main__":
    serve(Connection(int(sys.argv[2])), sys.argv[1])
