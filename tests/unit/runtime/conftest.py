"""The world of the runtime in memory: DynamoDB by moto, everything else by hand."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import hypothesis
import pytest
from moto import mock_aws
from moto.core import DEFAULT_ACCOUNT_ID
from moto.dynamodb.models import dynamodb_backends

from ecs_kit.runtime.common import log
from ecs_kit.runtime.common.tables import OPEN_RUNS_INDEX, DetailsTable, SummaryTable
from ecs_kit.runtime.contract.run_ids import run_id
from ecs_kit.runtime.contract.settings import Settings, from_json
from ecs_kit.runtime.functions.ecs_tasks import EcsTasks
from ecs_kit.runtime.launcher.launcher import Launcher
from ecs_kit.runtime.monitor.monitor import Monitor
from tests.unit.runtime.fakes import EXECUTION, REGION, START, FakeClock, FakeEcs, FakeStepFunctions, settings_json

hypothesis.settings.register_profile("runtime", deadline=None, max_examples=60)
hypothesis.settings.load_profile("runtime")


@pytest.fixture(autouse=True)
def unbound_log() -> Iterator[None]:
    yield
    log.bind()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


TABLES = {
    f"{table}_pattern_{pattern}": keys
    for pattern in (1, 2)
    for table, keys in {
        "workflow_summary": (("workflow_name", "S"), ("workflow_run_id", "N")),
        "workflow_details": (("workflow_run_id", "N"), ("ecs_task_id", "S")),
    }.items()
}


def indexed(table: str) -> tuple[tuple[str, str], ...]:
    """The key of a table's index, where it has one."""
    return (("open_since", "S"),) if "summary" in table else ()


@pytest.fixture(scope="module")
def dynamodb_with_tables() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "test")
        environment.delenv("AWS_ENDPOINT_URL", raising=False)
        client = boto3.client("dynamodb", region_name=REGION)
        for table, keys in TABLES.items():
            client.create_table(
                TableName=table,
                KeySchema=[
                    {"AttributeName": name, "KeyType": role}
                    for (name, _), role in zip(keys, ("HASH", "RANGE"), strict=True)
                ],
                AttributeDefinitions=[
                    {"AttributeName": name, "AttributeType": kind} for name, kind in (*keys, *indexed(table))
                ],
                BillingMode="PAY_PER_REQUEST",
                **(
                    {
                        "GlobalSecondaryIndexes": [
                            {
                                "IndexName": OPEN_RUNS_INDEX,
                                "KeySchema": [{"AttributeName": name, "KeyType": "HASH"}],
                                "Projection": {"ProjectionType": "KEYS_ONLY"},
                            }
                            for name, _ in indexed(table)
                        ]
                    }
                    if indexed(table)
                    else {}
                ),
            )
        yield client


@pytest.fixture
def dynamodb(dynamodb_with_tables: Any) -> Iterator[Any]:
    yield dynamodb_with_tables
    # Emptied from within: a scan and a delete per item would take most of the tests' time.
    for table in dynamodb_backends[DEFAULT_ACCOUNT_ID][REGION].tables.values():
        table.items.clear()


@dataclass
class World:
    """One deployed pattern with everything in memory."""

    settings: Settings
    clock: FakeClock
    ecs: FakeEcs
    stepfunctions: FakeStepFunctions
    dynamodb: Any
    summaries: SummaryTable
    details: DetailsTable
    launcher: Launcher
    monitor: Monitor

    run_id: int = run_id(START, EXECUTION)

    def rows(self) -> list[Any]:
        return sorted(self.details.rows(self.run_id, "copying"), key=lambda row: (row.task_name, row.attempt))

    def summary(self) -> Any:
        return self.summaries.get("copying", self.run_id)


@pytest.fixture
def world(dynamodb: Any, clock: FakeClock) -> Callable[..., World]:
    def build(pattern: int = 1, **changes: Any) -> World:
        settings = from_json(settings_json(pattern, **changes))
        ecs, stepfunctions = FakeEcs(clock), FakeStepFunctions()
        summaries = SummaryTable(dynamodb, settings.summary_table)
        details = DetailsTable(dynamodb, settings.details_table)
        shared: dict[str, Any] = {
            "settings": settings,
            "summaries": summaries,
            "details": details,
            "ecs_tasks": EcsTasks(ecs, settings.cluster),  # type: ignore[arg-type]
            "clock": clock,
        }
        return World(
            settings=settings,
            clock=clock,
            ecs=ecs,
            stepfunctions=stepfunctions,
            dynamodb=dynamodb,
            summaries=summaries,
            details=details,
            launcher=Launcher(run_task_client=ecs, rng=random.Random(1), **shared),  # type: ignore[arg-type]
            monitor=Monitor(stepfunctions=stepfunctions, rng=random.Random(1), **shared),  # type: ignore[arg-type]
        )

    return build
