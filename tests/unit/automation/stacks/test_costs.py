"""The cost of what a preview will create."""

import math
from dataclasses import replace
from typing import Any

import pytest

from ecs_kit.automation.stacks import costs
from ecs_kit.automation.stacks.lifecycle import ResourceStep
from ecs_kit.components import definitions
from ecs_kit.components.config import KitConfig
from ecs_kit.runtime.contract import waits
from ecs_kit.runtime.reporter.prices import PRICES
from ecs_kit.runtime.reporter.task_costs import Size, billed_seconds, task_cost
from tests.unit.components.conftest import project  # noqa: F401  a fixture
from tests.unit.components.recorder import deployment
from tests.unit.test_state_machines import SETTINGS

ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
TABLE = "aws:dynamodb/table:Table"
TASK = "aws:ecs/taskDefinition:TaskDefinition"
CLUSTER = "aws:ecs/cluster:Cluster"
INDEX = {"name": "open_runs", "readCapacity": 1, "writeCapacity": 1}
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/any:job"
TRACES = "$5.00 a million X-Ray traces"


def lines(*resources: tuple[str, dict[str, Any]]) -> list[str]:
    steps = [ResourceStep("create", type_token, "x", inputs) for type_token, inputs in resources]
    *shown, source = costs.of_preview(steps)
    assert "us-east-1" in source
    return shown


def interface(subnets: object) -> tuple[str, dict[str, Any]]:
    return ENDPOINT, {"vpcEndpointType": "Interface", "subnetIds": subnets}


@pytest.mark.parametrize(
    ("resources", "shown"),
    [
        (
            [interface(["a", "b"]), interface(["a"]), (ENDPOINT, {"vpcEndpointType": "Gateway"})],
            ["$0.0300/h  3 interface endpoints, one for each zone, at $0.01"],
        ),
        ([interface("unknown")], ["$0.0200/h  2 interface endpoints, one for each zone, at $0.01"]),
        (
            [("aws:ec2/natGateway:NatGateway", {}), ("aws:ec2/eip:Eip", {})],
            ["$0.0450/h  1 NAT gateways at $0.045", "$0.0050/h  1 public IPv4 addresses at $0.005"],
        ),
        (
            [
                (TABLE, {"readCapacity": 5, "writeCapacity": 5, "globalSecondaryIndexes": [INDEX]}),
                (TABLE, {"billingMode": "PAY_PER_REQUEST", "globalSecondaryIndexes": [{"name": "open_runs"}]}),
            ],
            ["$0.0047/h  6 read and 6 write capacity units of DynamoDB"],
        ),
    ],
    ids=["endpoints by the zone", "unknown subnets as two zones", "NAT gateways and addresses", "tables and indexes"],
)
def test_what_costs_by_the_hour_is_listed_and_added_up(resources: Any, shown: list[str]) -> None:
    dollars = sum(float(line[1:].partition("/")[0]) for line in shown)

    assert lines(*resources)[: len(shown) + 1] == [*shown, f"${dollars:.4f}/h  in all while the stack exists"]


@pytest.mark.parametrize(
    ("definition", "shown"),
    [
        ({"cpu": "256", "memory": "512"}, ["$0.0123/h  for each ECS task while it runs (0.25 vCPU, 0.5 GiB, X86_64)"]),
        (
            {"cpu": "1024", "memory": "2048", "runtimePlatform": {"cpuArchitecture": "ARM64"}},
            ["$0.0395/h  for each ECS task while it runs (1 vCPU, 2 GiB, ARM64)"],
        ),
        ({"cpu": "unknown", "memory": "512"}, []),
    ],
    ids=["x86", "arm", "unknown size"],
)
def test_a_task_costs_while_it_runs_by_its_architecture(definition: dict[str, Any], shown: list[str]) -> None:
    disabled = (CLUSTER, {"settings": [{"name": "containerInsights", "value": "disabled"}]})
    assert lines((TASK, definition), disabled) == ["$0.0000/h  in all while the stack exists", *shown, TRACES]


def test_prices_by_use_are_those_of_what_the_stack_has() -> None:
    insights = (CLUSTER, {"settings": [{"name": "containerInsights", "value": "enhanced"}]})
    assert lines(interface(["a"]), ("aws:ec2/natGateway:NatGateway", {}), insights)[3:] == [
        TRACES,
        "$0.01/GB through interface endpoints",
        "$0.045/GB through NAT gateways, beside data transfer",
        "about $0.07 a month a metric of Container Insights (enhanced), beside its log",
    ]


CONFIGURATIONS: dict[str, dict[str, str]] = {
    "default": {},
    "NAT gateways": {"natGateways": "per-az"},
    "by request, fewer endpoints": {
        "tableBilling": "PAY_PER_REQUEST",
        "natGateways": "single",
        "interfaceEndpoints": '["logs"]',
    },
}


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize("values", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_a_configuration_costs_by_the_hour_what_its_program_s_resources_do(values: Any) -> None:
    recorded = deployment(patterns="1", **values).resources
    steps = [ResourceStep("create", resource.type, resource.name, resource.inputs) for resource in recorded]

    assert costs.standing_of_config(KitConfig.parse(values)) == costs.standing_of_steps(steps)


def test_every_price_has_a_page_of_aws_and_a_unit() -> None:
    assert {price.unit for price in PRICES.values()} == {
        *("hour", "GB", "month", "million", "million GB-seconds"),
    }
    assert all(price.page.startswith("https://aws.amazon.com/") and price.dollars > 0 for price in PRICES.values())


SIZE = Size(0.25, 0.5)


def test_a_task_is_charged_for_a_minute_at_least_and_for_storage_above_the_free_20_gib() -> None:
    assert [billed_seconds(seconds) for seconds in (0.2, 60, 60.1)] == [60, 60, 61]
    assert task_cost(SIZE, 3600) == pytest.approx(0.25 * 0.04048 + 0.5 * 0.004445)
    more = Size(0.25, 0.5, storage_gib=30)
    assert task_cost(more, 3600, "ARM64", on_spot=True) == pytest.approx(
        0.3 * (0.25 * 0.03238 + 0.5 * 0.00356) + 10 * 0.000111
    )


def row(seconds: float | None = 30.0, **more: Any) -> dict[str, Any]:
    times = {"start_time": "2026-11-24T08:00:00.000Z", "update_time": "2026-11-24T08:02:00.500Z"}
    return {"ecs_task_id": "arn:aws:ecs:x", "exec_time_in_seconds": seconds, **times, **more}


def test_a_row_with_ecs_s_own_times_is_charged_from_the_pull_of_its_image_to_its_stop() -> None:
    own = row(30.0, pull_started_at="2026-11-24T08:00:00.000Z", stopped_at="2026-11-24T08:01:40.000Z")
    assert costs.of_run([own, row(70.0, pull_started_at="2026-11-24T08:00:00.000Z")], SIZE).vcpu_seconds == 0.25 * 170


def test_a_past_run_costs_what_its_attempts_cost() -> None:
    """By the job's time or, where the row has none, by its first and last write; what never started costs nothing."""
    rows = [row(), row(None), row(ecs_task_id="not-started/a/1"), row(3600.0, task_name="big")]
    big = Size(4, 8)

    cost = costs.of_run(rows, SIZE, size_of=lambda found: big if found.get("task_name") == "big" else None)

    assert (cost.attempts, cost.vcpu_seconds, cost.gib_seconds) == (3, 0.25 * 181 + 4 * 3600, 0.5 * 181 + 8 * 3600)
    assert cost.on_demand == pytest.approx(task_cost(SIZE, 181) + task_cost(big, 3600))
    assert cost.spot == pytest.approx(0.3 * cost.on_demand)
    assert costs.of_run([], SIZE) == costs.RunCost(0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("pattern", "limit", "tasks", "seconds"),
    [
        *((1, 0, 100, 65), (1, 10, 100, 600), (2, 0, 100, 180), (2, 10, 100, 600), (2, 500, 100, 180)),
        *((1, 0, 10_000, 560), (2, 0, 10_000, 560), (2, 100, 10_000, 6000)),
    ],
)
def test_tasks_run_as_many_at_once_as_the_pattern_and_the_configuration_allow(
    pattern: int, limit: int, tasks: int, seconds: float
) -> None:
    """They start at the rate of RunTask. Long lists of pattern 2 are not held up by its inline Map state."""
    assert costs.run_seconds(KitConfig(max_concurrency=limit), pattern, tasks, 60) == seconds


@pytest.mark.parametrize(("limit", "seconds", "calls"), [(0, 500, 5), (40, 14_940, 498)])
def test_with_max_concurrency_the_launcher_runs_until_the_last_task_has_room(
    limit: int, seconds: float, calls: int
) -> None:
    """Each of its calls has a poll beside it, and each second of it a look at the run and its index."""
    config = KitConfig(max_concurrency=limit)
    assert costs.launcher_seconds(config, 10_000, 60) == seconds
    used = costs.usage(config, 1, 10_000, 60)
    polls_after = waits.polls(math.ceil(seconds + 60), 60) - waits.polls(math.ceil(seconds), 60)
    assert used.transitions == 3 + 4 * (calls - 1) + 3 * polls_after
    assert used.calls == 1 + polls_after + 2 * (calls - 1)
    assert used.function_seconds == pytest.approx(used.calls + seconds)


@pytest.mark.parametrize(("limit", "batches"), [(0, 1000), (40, 10_000)])
def test_a_long_list_of_pattern_2_has_two_states_for_each_child_execution(limit: int, batches: int) -> None:
    config = KitConfig(max_concurrency=limit)
    assert costs.batches(config, 100) == 0 and costs.batches(config, 10_000) == batches
    assert costs.usage(config, 2, 10_000, 60).transitions >= 10_000 + 2 * batches


def test_orchestration_costs_by_its_counts_and_tables_only_if_they_are_billed_by_request() -> None:
    used = costs.Usage(
        transitions=1_000_000,
        calls=1_000_000,
        function_seconds=4_000_000,
        write_units=1_000_000,
        read_units=1_000_000,
        log_kib=1024**2,
    )
    assert used.costs(by_request=True) == {
        "stepFunctions": 25.0,
        "lambda": pytest.approx(0.2 + 16.6667),
        "dynamodb": pytest.approx(0.75),
        "logs": 0.5,
    }
    assert used.costs(by_request=False)["dynamodb"] == 0


def test_events_of_tasks_call_the_monitor_where_the_container_keeps_no_records() -> None:
    counted = [
        costs.usage(KitConfig.parse({"jobRecords": records, "jobImage": IMAGE}), 1, 10, 60).calls
        for records in ("kit", "ecs")
    ]
    assert counted[1] - counted[0] == 20


@pytest.mark.parametrize(
    ("has_ecs_records", "states"), [(False, ["RunTask"]), (True, ["RunTask", "WasStopped", "TaskEnded"])]
)
def test_a_task_of_pattern_2_has_the_transitions_of_the_states_that_it_enters(
    has_ecs_records: bool, states: list[str]
) -> None:
    inner = definitions._task_states(replace(SETTINGS, has_ecs_records=has_ecs_records))
    entered = ["RunTask"]
    while following := inner[entered[-1]].get("Next") or inner[entered[-1]].get("Default"):
        entered.append(following)
    assert entered == states
    of_tasks = costs.transitions(2, 5, 1, has_ecs_records=has_ecs_records) - costs.transitions(2, 0, 1)
    assert of_tasks == 5 * len(states)


def test_operations_are_listed_by_the_month() -> None:
    query = {"id": "m0", "metric": {"metricName": "Errors"}}
    alarm = (
        "aws:cloudwatch/metricAlarm:MetricAlarm",
        {"metricQueries": [query, query, {"id": "v", "expression": "m0"}]},
    )
    dashboard, machine = ("aws:cloudwatch/dashboard:Dashboard", {}), ("aws:sfn/stateMachine:StateMachine", {})
    assert lines(alarm, alarm, dashboard, machine)[-3:] == [
        "about $0.40 a month for alarms on 4 metrics, less what is free",
        "about $3.00 a month for dashboards: 1, unless they are among an account's first 3",
        "about $0.30 a month for each of at most 12 metrics while it has values",
    ]
