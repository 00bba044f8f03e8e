"""The command `estimate`: what a stack costs an hour, and what a run of so many tasks costs."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ecs_kit.automation.cli import configuration
from ecs_kit.automation.cli.options import wanted_patterns
from ecs_kit.automation.errors import EXIT_PASSED
from ecs_kit.automation.journeys.progress import columns
from ecs_kit.automation.stacks import costs
from ecs_kit.components.program import KitConfig
from ecs_kit.components.tables import CAPACITY_UNITS
from ecs_kit.runtime.reporter.prices import DATES, REGION, SOURCE, SPOT_DISCOUNT
from ecs_kit.runtime.reporter.task_costs import billed_seconds

COLUMNS = {
    "X86_64": ("X86_64", False),
    "X86_64 Spot": ("X86_64", True),
    "ARM64": ("ARM64", False),
    "ARM64 Spot": ("ARM64", True),
}
_SERVICES = {"stepFunctions": "Step Functions", "lambda": "Lambda", "dynamodb": "DynamoDB", "logs": "logs"}


def run(options: argparse.Namespace, *, root: Path) -> int:  # noqa: ARG001  as every command
    """Print the estimate of the configuration's stack, and return the exit status.

    Raises:
        BadInput: the configuration cannot be used.
    """
    patterns = wanted_patterns(options.pattern)
    _, config = configuration.read(options, patterns)
    made = [costs.estimate(config, pattern, options.tasks, options.seconds) for pattern in patterns]
    if options.json:
        print(json.dumps(document(config, made, options.tasks, options.seconds), indent=2))
    else:
        print("\n".join(lines(config, made, options.tasks, options.seconds)))
    return EXIT_PASSED


def document(config: KitConfig, estimates: Sequence[costs.Estimate], tasks: int, seconds: float) -> dict[str, Any]:
    """The estimate as JSON: US dollars by the hour for each pattern, and for a run of each."""
    standing = costs.standing_of_config(config)
    hourly = [{"dollarsPerHour": cost, "what": what} for cost, what in costs.standing_costs(standing)]
    return {
        "prices": {"region": REGION, "read": list(DATES), "spotDiscountPercent": SPOT_DISCOUNT},
        "tasks": tasks,
        "secondsPerTask": seconds,
        "stackPerPattern": {"parts": hourly, "dollarsPerHour": sum(part["dollarsPerHour"] for part in hourly)},
        "runs": [
            {
                "pattern": each.pattern,
                "seconds": each.seconds,
                "usage": asdict(each.usage),
                "orchestration": dict(each.orchestration),
                "dollars": {
                    name: {"tasks": each.tasks[how], "total": each.total(how[0], on_spot=how[1])}
                    for name, how in COLUMNS.items()
                },
            }
            for each in estimates
        ],
    }


def lines(config: KitConfig, estimates: Sequence[costs.Estimate], tasks: int, seconds: float) -> list[str]:
    """The estimate as lines."""
    size = costs.size_of_config(config)
    shown = ["A stack, each pattern:"]
    shown += [f"  {line}" for line in costs.standing_lines(costs.standing_of_config(config))]
    for each in estimates:
        shown += ["", f"A run of pattern {each.pattern}: {tasks} tasks of {seconds:g} s, {size.vcpu:g} vCPU, "]
        shown[-1] += f"{size.gib:g} GiB; {each.seconds:g} s in all"
        shown += [f"  {line}" for line in columns(table(each))]
        shown.append(f"  {counted(each.usage)}")
    billed = billed_seconds(seconds)
    shown += ["", f"A task is charged for {billed} s. Spot: at the largest discount, {SPOT_DISCOUNT} %; it changes."]
    if config.table_billing == "PROVISIONED":
        shown.append("DynamoDB is in the stack's price: tableBilling is PROVISIONED.")
        shown += filter(
            None, (costs.throttling(each.pattern, tasks, CAPACITY_UNITS, each.seconds) for each in estimates)
        )
    shown.append(f"Without failures, capacity waits, S3, ECR and data transfer. {SOURCE}.")
    return shown


def table(made: costs.Estimate) -> list[list[str]]:
    """Rows of cells: the ECS tasks, each service, and their sum, for each way to run the tasks."""
    rows = [["US dollars", *COLUMNS], ["ECS tasks", *(dollars(made.tasks[how]) for how in COLUMNS.values())]]
    rows += [
        [name, *[dollars(made.orchestration[service])] * len(COLUMNS)]
        for service, name in _SERVICES.items()
        if made.orchestration[service]
    ]
    return [*rows, ["total", *(dollars(made.total(how, on_spot=spot)) for how, spot in COLUMNS.values())]]


def counted(usage: costs.Usage) -> str:
    """What the orchestration uses, on one line."""
    return (
        f"counted: {usage.transitions} state transitions, {usage.calls} function calls of "
        f"{usage.function_seconds:.0f} s together, {usage.write_units} write and {usage.read_units} read units of "
        f"DynamoDB, {usage.log_kib:.0f} KiB of logs"
    )


def dollars(amount: float) -> str:
    """US dollars with as many digits as small amounts need."""
    return f"{amount:.5f}" if amount < 1 else f"{amount:.2f}"
