"""What a stack costs while it exists, and what a run costs before and after it. Pure functions of list prices."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from ecs_kit.automation.stacks.lifecycle import ResourceStep
from ecs_kit.components import functions, tables
from ecs_kit.components.config import KitConfig
from ecs_kit.components.existing_network import created_endpoints
from ecs_kit.components.network import NAT_GATEWAYS
from ecs_kit.components.zones import ZONES
from ecs_kit.runtime.contract import outcomes, waits
from ecs_kit.runtime.contract.metrics import METRICS
from ecs_kit.runtime.contract.records import NOT_STARTED
from ecs_kit.runtime.reporter.prices import PRICES, SOURCE, dollars
from ecs_kit.runtime.reporter.task_costs import Size, billed_seconds, task_cost

# What a stack costs while it exists.


@dataclass(frozen=True)
class Standing:
    """What is paid for by the hour: interface endpoints once for each zone, and the tables' provisioned units."""

    endpoint_zones: int = 0
    nat_gateways: int = 0
    public_addresses: int = 0
    read_units: int = 0
    write_units: int = 0

    def __add__(self, other: "Standing") -> "Standing":
        return Standing(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Standing)))


def size_of_config(config: KitConfig) -> Size:
    """The size of a configuration's tasks."""
    return Size(config.task_cpu / 1024, config.task_memory / 1024, config.task_ephemeral_storage)


def standing_of_config(config: KitConfig) -> Standing:
    """What each pattern of a configuration has. In an existing VPC each subnet counts as a zone."""
    endpoints = len(created_endpoints(config, reaches_all=config.has_nat or not config.has_own_vpc))
    zones = ZONES if config.has_own_vpc else len(config.private_subnet_ids)
    nats = NAT_GATEWAYS[config.nat_gateways]
    is_provisioned = config.table_billing == "PROVISIONED"
    units = 3 * tables.CAPACITY_UNITS + tables.INDEX_CAPACITY_UNITS if is_provisioned else 0
    return Standing(endpoints * zones, nats, nats, units, units)


def standing_of_steps(steps: Iterable[ResourceStep]) -> Standing:
    """What the resources of a preview have. Subnets that it does not know count as the zones of the kit's VPC."""
    inputs = _inputs(steps)
    endpoints = sum(
        len(endpoint["subnetIds"]) if isinstance(endpoint.get("subnetIds"), list) else ZONES
        for endpoint in inputs["aws:ec2/vpcEndpoint:VpcEndpoint"]
        if endpoint.get("vpcEndpointType") == "Interface"
    )
    capacity = [each for table in inputs["aws:dynamodb/table:Table"] for each in _provisioned(table)]
    reads, writes = (sum(int(each.get(f"{kind}Capacity") or 0) for each in capacity) for kind in ("read", "write"))
    nats, addresses = len(inputs["aws:ec2/natGateway:NatGateway"]), len(inputs["aws:ec2/eip:Eip"])
    return Standing(endpoints, nats, addresses, reads, writes)


def standing_costs(standing: Standing) -> list[tuple[float, str]]:
    """Dollars an hour of each part that costs anything, and what it is."""
    of_tables = dollars("read_capacity_unit", standing.read_units) + dollars(
        "write_capacity_unit", standing.write_units
    )
    parts = [
        (
            dollars("interface_endpoint", standing.endpoint_zones),
            f"{standing.endpoint_zones} interface endpoints, one for each zone, at "
            f"${PRICES['interface_endpoint'].dollars}",
        ),
        (
            dollars("nat_gateway", standing.nat_gateways),
            f"{standing.nat_gateways} NAT gateways at ${PRICES['nat_gateway'].dollars}",
        ),
        (
            dollars("public_ipv4_address", standing.public_addresses),
            f"{standing.public_addresses} public IPv4 addresses at ${PRICES['public_ipv4_address'].dollars}",
        ),
        (of_tables, f"{standing.read_units} read and {standing.write_units} write capacity units of DynamoDB"),
    ]
    return [(cost, what) for cost, what in parts if cost]


def standing_lines(standing: Standing) -> list[str]:
    """The costs an hour, a line each, and their sum."""
    parts = standing_costs(standing)
    lines = [f"${cost:.4f}/h  {what}" for cost, what in parts]
    return [*lines, f"${sum(cost for cost, _ in parts):.4f}/h  in all while the stack exists"]


def of_preview(steps: Iterable[ResourceStep]) -> list[str]:
    """What a preview's resources cost, a line each: by the hour, their sum, an ECS task, and by use."""
    steps = list(steps)
    standing, inputs = standing_of_steps(steps), _inputs(steps)
    lines = standing_lines(standing)
    lines += [_task_line(definition) for definition in inputs["aws:ecs/taskDefinition:TaskDefinition"][-1:]]
    lines.append(f"${PRICES['traces'].dollars:.2f} a million X-Ray traces")
    if standing.endpoint_zones:
        lines.append(f"${PRICES['interface_endpoint_data'].dollars}/GB through interface endpoints")
    if standing.nat_gateways:
        lines.append(f"${PRICES['nat_gateway_data'].dollars}/GB through NAT gateways, beside data transfer")
    lines += _operations(inputs)
    modes = {str(s["value"]) for cluster in inputs["aws:ecs/cluster:Cluster"] for s in cluster.get("settings") or ()}
    lines += [
        f"about ${PRICES[f'insights_{mode}'].dollars:.2f} a month a metric of Container Insights ({mode}), "
        "beside its log"
        for mode in sorted(modes & {"enabled", "enhanced"})
    ]
    lines.append(f"Lambda, Step Functions, S3, ECR and logs by use: `estimate` counts a run's. {SOURCE}.")
    return [line for line in lines if line]


def _inputs(steps: Iterable[ResourceStep]) -> Mapping[str, list[Mapping[str, Any]]]:
    inputs: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for step in steps:
        inputs[step.type].append(step.inputs)
    return inputs


def _operations(inputs: Mapping[str, list[Mapping[str, Any]]]) -> list[str]:
    """The lines for alarms, dashboards and the kit's own metrics, above what an account has free."""
    queries = [each for alarm in inputs["aws:cloudwatch/metricAlarm:MetricAlarm"] for each in alarm["metricQueries"]]
    read, dashboards = sum("metric" in query for query in queries), len(inputs["aws:cloudwatch/dashboard:Dashboard"])
    machines = len(inputs["aws:sfn/stateMachine:StateMachine"])
    lines = []
    if read:
        lines.append(
            f"about ${dollars('alarm_metric', read):.2f} a month for alarms on {read} metrics, less what is free"
        )
    if dashboards:
        cost = f"about ${dollars('dashboard', dashboards):.2f} a month for dashboards: {dashboards}"
        lines.append(f"{cost}, unless they are among an account's first 3")
    if machines:
        most = machines * len(METRICS)
        lines.append(
            f"about ${PRICES['own_metric'].dollars:.2f} a month for each of at most {most} metrics while it has values"
        )
    return lines


def _provisioned(table: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A table and its indexes, unless they are paid for by request."""
    if table.get("billingMode") == "PAY_PER_REQUEST":
        return []
    return [table, *(table.get("globalSecondaryIndexes") or ())]


def _task_line(definition: Mapping[str, Any]) -> str:
    """The line for an ECS task; empty where the preview does not know its size."""
    cpu, memory = str(definition.get("cpu", "")), str(definition.get("memory", ""))
    if not (cpu.isdigit() and memory.isdigit()):
        return ""
    platform = definition.get("runtimePlatform")
    architecture = platform.get("cpuArchitecture", "X86_64") if isinstance(platform, Mapping) else "X86_64"
    size = Size(int(cpu) / 1024, int(memory) / 1024)
    return (
        f"${task_cost(size, 3600, architecture):.4f}/h  for each ECS task while it runs "
        f"({size.vcpu:g} vCPU, {size.gib:g} GiB, {architecture})"
    )


# What a run costs, before it: its orchestration, counted.

CALL_SECONDS = 1.0
"""Assumed length of a call of a function, beside the time for which the launcher launches."""
SUMMARY_KIB, ROW_KIB, ENTRY_KIB = 4.0, 0.75, 0.25
"""Assumed sizes of items: a summary with its spec of up to 3 KB, a row of the details table, its entry in the index."""
WRITES_OF_ROW = {1: 4, 2: 3}
"""Writes to the row of a task that needs one attempt, by pattern."""
BURST_SECONDS = 300
"""DynamoDB keeps so many seconds of unused capacity.

Source: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html
"""
TASKS_PER_TRANSACTION = 10
"""How many tasks end between two polls, assumed."""
LOG_KIB_OF_TASK, LOG_KIB_OF_CALL = 2.0, 1.0
"""Assumed log of the sample job, and of a call of a function with the lines that Lambda itself writes."""
TASKS_REPORTED_PER_SECOND = 2500
"""Assumed speed of the reporter: reading rows and making their page."""


@dataclass(frozen=True)
class Usage:
    """What the orchestration of a run uses, if no task fails and none waits for capacity.

    Attributes:
        transitions: state transitions of Step Functions.
        calls: calls of Lambda functions.
        function_seconds: their length together, at `functions.MEMORY_MIB`.
        write_units: write request units of DynamoDB: 1 KB each, an item at least.
        read_units: read request units of DynamoDB: 4 KB each, consistent.
        log_kib: logs of tasks and functions.
    """

    transitions: int
    calls: int
    function_seconds: float
    write_units: int
    read_units: int
    log_kib: float

    def costs(self, *, by_request: bool) -> dict[str, float]:
        """US dollars by service; DynamoDB only where its tables are billed by request."""
        gb_seconds = self.function_seconds * functions.MEMORY_MIB / 1024
        tables_cost = dollars("write_requests", self.write_units) + dollars("read_requests", self.read_units)
        return {
            "stepFunctions": dollars("state_transitions", self.transitions),
            "lambda": dollars("function_calls", self.calls) + dollars("function_gb_seconds", gb_seconds),
            "dynamodb": tables_cost if by_request else 0.0,
            "logs": dollars("logs", self.log_kib / 1024**2),
        }


def transitions(
    pattern: int, tasks: int, polls: int, *, has_ecs_records: bool = False, batches: int = 0, relaunches: int = 0
) -> int:
    """State transitions of a run that succeeds: each state that is entered once.

    Step Functions counts "each time a step of your workflow is executed" (https://aws.amazon.com/step-functions/pricing/).

    Pattern 1: launch and choice, three states a poll, `RunCompleted`; for each further call of the launcher
    `LaunchAndTrack`, `LaunchMore`, `CountTasks` and the choice. Pattern 2: `RegisterRun`, `RunAndTrack`,
    `HowManyTasks`, `RunTasks`, one `RunTask` a task, `MarkLaunchingEnded`, `LaunchingEnded`, `StartTracking`, three
    states a poll, `TrackingEnded`, `TasksDone`, `RunCompleted`; with `jobRecords: ecs` also `WasStopped`, `TaskEnded`
    for each task. Where child executions run the tasks in batches, `RunBatches` is in the place of `RunTasks`, and each
    child has `WaitForTurn` and `RunBatch`.
    """
    return {1: 3 + 4 * relaunches, 2: 10 + tasks * (3 if has_ecs_records else 1) + 2 * batches}[pattern] + 3 * polls


def batches(config: KitConfig, tasks: int) -> int:
    """How many child executions run an inline list of pattern 2; 0 where it fits the execution's own history."""
    if tasks <= waits.longest_task_list(config):
        return 0
    return math.ceil(tasks / (1 if config.max_concurrency else waits.TASKS_PER_BATCH))


def usage(config: KitConfig, pattern: int, tasks: int, seconds: float) -> Usage:
    """What a run of so many tasks, each of so many seconds, uses."""
    launches = {1: tasks, 2: 0}[pattern]
    polls = waits.polls(math.ceil(run_seconds(config, pattern, tasks, seconds)), waits.LONGEST_WAIT_SECONDS)
    launcher = launcher_seconds(config, tasks, seconds) if launches else 0.0
    of_call = waits.launch_seconds(config.run_timeout_seconds, config.max_concurrency)
    relaunches = max(0, math.ceil(launcher / of_call) - 1)
    if relaunches:  # each has a poll beside it
        polls -= waits.polls(math.ceil(launcher), waits.LONGEST_WAIT_SECONDS)
    # With `jobRecords: ecs` two events of each task call the monitor: it runs, it has stopped.
    calls = 1 + polls + 2 * relaunches + (2 * tasks if config.has_ecs_records else 0)
    # The launcher puts a row, the task writes it twice, a poll takes it out of the index, which has all of that, too.
    # Tasks are counted in transactions, which are charged twice, one for every ten tasks; in short runs in writes.
    counts = math.ceil(tasks / TASKS_PER_TRANSACTION)
    transactions = counts if tasks > outcomes.TASKS_IN_RUN else 0
    summary_writes = (3 if launches else 2) + counts + transactions + 1
    row_writes = 2 * WRITES_OF_ROW[pattern] * tasks
    counted = transactions * math.ceil(min(tasks, outcomes.TASKS_PER_ITEM) / 1024)
    # Polls read the summary, and the index of those tasks that are not counted: half of them on an average, with
    # `maxConcurrency` at most as many.
    uncounted = min(tasks / 2, config.max_concurrency or tasks)
    of_index = math.ceil(uncounted * ENTRY_KIB / 4) / 2
    entries_read = (polls + 2 * relaunches + bool(launches)) * of_index + transactions
    report_seconds = reads_of_report = 0.0
    of_run = calls
    if config.has_run_reports:
        calls += 1
        of_reporter = functions.REPORTER_MEMORY_MIB / functions.MEMORY_MIB
        report_seconds = of_reporter * (CALL_SECONDS + tasks / TASKS_REPORTED_PER_SECOND)
        reads_of_report = math.ceil(tasks * ROW_KIB / 4)
    of_memory = functions.memory_mib(config.run_task_rate) / functions.MEMORY_MIB
    if config.max_concurrency:  # the launcher looks for room: in the run's item, and in the index
        looks = math.ceil(launcher / waits.ROOM_CHECK_SECONDS)
        entries_read += looks * of_index
    else:
        looks = math.ceil(launcher / waits.RUN_CHECK_SECONDS)
    summary_reads = calls + looks
    return Usage(
        transitions=transitions(
            *(pattern, tasks, polls),
            has_ecs_records=config.has_ecs_records,
            batches=batches(config, tasks),
            relaunches=relaunches,
        ),
        calls=calls,
        function_seconds=of_memory * (of_run * CALL_SECONDS + launcher) + report_seconds,
        write_units=math.ceil(summary_writes * SUMMARY_KIB + row_writes * math.ceil(ROW_KIB) + 2 * counted),
        read_units=math.ceil(summary_reads * SUMMARY_KIB / 4 + entries_read + reads_of_report),
        log_kib=tasks * LOG_KIB_OF_TASK + calls * LOG_KIB_OF_CALL,
    )


def seconds_of_writes(pattern: int, tasks: int, units: int) -> float:
    """How long a details table of so many write units takes at least for a run's rows of less than 1 KB."""
    return max(0.0, WRITES_OF_ROW[pattern] * tasks * math.ceil(ROW_KIB) / units - BURST_SECONDS)


def throttling(pattern: int, tasks: int, units: int, seconds: float) -> str:
    """What a user is told of a run of so many seconds if such a table slows it down; empty if it does not."""
    of_writes = seconds_of_writes(pattern, tasks, units)
    if of_writes <= seconds:
        return ""
    return (
        f"pattern {pattern}: with {units} write capacity units, DynamoDB needs at least {of_writes:.0f} s for the rows "
        f"of {tasks} tasks, and throttles them. tableBilling: PAY_PER_REQUEST has no such limit."
    )


def run_seconds(config: KitConfig, pattern: int, tasks: int, seconds: float) -> float:
    """How long a run takes if each task takes so many seconds: as many at once as the pattern and the config allow."""
    at_once = config.max_concurrency or tasks
    if pattern == 2 and not batches(config, tasks):
        at_once = min(at_once, waits.INLINE_MAP_CONCURRENCY)
    return max(math.ceil(tasks / at_once) * seconds, tasks // config.run_task_rate + seconds)


def launcher_seconds(config: KitConfig, tasks: int, seconds: float) -> float:
    """How long the launcher of pattern 1 is busy: with `maxConcurrency` until the last task has room."""
    at_rate = tasks / config.run_task_rate
    return max(at_rate, run_seconds(config, 1, tasks, seconds) - seconds) if config.max_concurrency else at_rate


@dataclass(frozen=True)
class Estimate:
    """What a run of a pattern will cost, in US dollars: its ECS tasks by how they run, and its orchestration.

    `tasks` has a value for `(architecture, on_spot)`.
    """

    pattern: int
    seconds: float
    usage: Usage
    orchestration: Mapping[str, float]
    tasks: Mapping[tuple[str, bool], float]

    def total(self, architecture: str, *, on_spot: bool) -> float:
        """All of it, for tasks that run so."""
        return self.tasks[architecture, on_spot] + sum(self.orchestration.values())


def estimate(config: KitConfig, pattern: int, tasks: int, seconds: float) -> Estimate:
    """Estimate a run of so many tasks, each billed for so many seconds: from the pull of its image until it ends."""
    used, size, billed = usage(config, pattern, tasks, seconds), size_of_config(config), billed_seconds(seconds)
    return Estimate(
        pattern=pattern,
        seconds=run_seconds(config, pattern, tasks, seconds),
        usage=used,
        orchestration=used.costs(by_request=config.table_billing == "PAY_PER_REQUEST"),
        tasks={
            (architecture, on_spot): tasks * task_cost(size, billed, architecture, on_spot=on_spot)
            for architecture in ("X86_64", "ARM64")
            for on_spot in (False, True)
        },
    )


# What a run has cost.


@dataclass(frozen=True)
class RunCost:
    """What the ECS tasks of a past run cost, in US dollars, and what for.

    A run's rows do not say which attempts ran on Spot: `on_demand` is for none, `spot` for all of them.
    """

    attempts: int
    vcpu_seconds: float
    gib_seconds: float
    on_demand: float
    spot: float


def of_run(
    rows: Iterable[Mapping[str, Any]],
    size: Size,
    *,
    architecture: str = "X86_64",
    size_of: Callable[[Mapping[str, Any]], Size | None] = lambda _row: None,
) -> RunCost:
    """Return what a run's ECS tasks cost, from the rows of its details table.

    An attempt is charged for from `pull_started_at` to `stopped_at`. A row without them has the job's own time alone:
    `exec_time_in_seconds`, else from `start_time` to `update_time`.

    Args:
        rows: items of the details table as plain values. Attempts that ECS never accepted cost nothing.
        size: of the stack's tasks, such as `Size(0.25, 0.5)`.
        architecture: `X86_64` or `ARM64`.
        size_of: the size of a row whose task has one of its own; None for `size`.
    """
    started = [row for row in rows if not str(row["ecs_task_id"]).startswith(NOT_STARTED)]
    billed = [(size_of(row) or size, billed_seconds(_row_seconds(row))) for row in started]
    on_demand, spot = (
        sum(task_cost(own, seconds, architecture, on_spot=on_spot) for own, seconds in billed)
        for on_spot in (False, True)
    )
    return RunCost(
        attempts=len(billed),
        vcpu_seconds=sum(own.vcpu * seconds for own, seconds in billed),
        gib_seconds=sum(own.gib * seconds for own, seconds in billed),
        on_demand=on_demand,
        spot=spot,
    )


def _row_seconds(row: Mapping[str, Any]) -> float:
    times = ("pull_started_at", "stopped_at")
    if not all(row.get(name) for name in times):
        if row.get("exec_time_in_seconds") is not None:
            return float(row["exec_time_in_seconds"])
        times = ("start_time", "update_time")
    start, end = (datetime.fromisoformat(str(row[name])) for name in times)
    return max(0.0, (end - start).total_seconds())
