"""The command `preflight`: whether a deployment on AWS can work, without creating anything."""

import argparse
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ecs_kit.automation.cli import configuration
from ecs_kit.automation.cli.options import wanted_patterns
from ecs_kit.automation.errors import EXIT_FAILED, EXIT_PASSED, BadInput
from ecs_kit.automation.stacks import docker_host, preflight
from ecs_kit.automation.stacks.aws import AwsTarget
from ecs_kit.automation.stacks.preflight import Finding, Level
from ecs_kit.automation.stacks.pulumi_cli import get_pulumi
from ecs_kit.components.names import DeploymentTarget
from ecs_kit.components.program import KitConfig


def run(options: argparse.Namespace, *, root: Path) -> int:
    """Print the findings for the configuration, and return the exit status.

    Raises:
        BadInput: the configuration cannot be used.
    """
    _, config = configuration.read(options, wanted_patterns(options.pattern))
    found = findings(config, options.stack or "e2e", root)
    if options.json:
        print(json.dumps({"findings": [asdict(finding) for finding in found]}, indent=2, ensure_ascii=False))
    else:
        print("\n".join(map(str, found)))
    return EXIT_FAILED if has_problem(found) else EXIT_PASSED


def has_problem(found: Sequence[Finding]) -> bool:
    """Whether a deployment will fail."""
    return any(finding.level is Level.PROBLEM for finding in found)


def findings(config: KitConfig, stack: str, root: Path) -> list[Finding]:
    """What a deployment of a configuration as this stack meets."""
    target = AwsTarget(
        work_dir=root / ".kit" / "aws" / stack,
        plugins="published",
        confirmed=True,
        state_dir=root / ".kit" / "state",
        get_pulumi=get_pulumi,
        is_chosen=False,
    )
    found = [_docker(config)]
    try:
        target.find_identity()
    except BadInput as error:
        return [Finding(Level.PROBLEM, str(error)), *found]
    here = target.identity
    found.insert(0, Finding(Level.OK, f"credentials: account {here.account}, region {here.region}, as {here.arn}"))
    where = DeploymentTarget(partition=here.arn.split(":")[1], account=here.account, region=here.region)
    needs = preflight.needs_of_config(config, where)
    if preflight.stack_of(target.aws, here, needs) == stack:
        what = f"stack {stack} is deployed here: its names and what it counts in quotas are its own"
        mend = "If your Pulumi backend does not know it, its state is lost: deploy with another nameSuffix"
        found.append(Finding(Level.NOTE, what, mend))
        needs = needs.without_new()
    return [*found, *preflight.judge(needs, preflight.read(target.aws, here, needs))]


def _docker(config: KitConfig) -> Finding:
    if config.job.is_ready_image:
        return Finding(Level.OK, "Docker: not needed with jobImage")
    try:
        docker_host.engine_environment(dict(os.environ), config.docker_platform)
    except BadInput as error:
        return Finding(Level.PROBLEM, str(error))
    return Finding(Level.OK, f"Docker: an engine answers and builds for {config.docker_platform}")
