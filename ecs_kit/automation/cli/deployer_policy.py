"""The command `deployer-policy`: the IAM policies of whoever deploys a configuration."""

import argparse
import json
from pathlib import Path

from ecs_kit.automation.cli import configuration
from ecs_kit.automation.cli.options import wanted_patterns
from ecs_kit.automation.errors import EXIT_PASSED, BadInput
from ecs_kit.automation.stacks import deployer_policy
from ecs_kit.components.names import DeploymentTarget


def run(options: argparse.Namespace, *, root: Path) -> int:  # noqa: ARG001  as every command
    """Print the policies as one JSON object, or write each to a file, and return the exit status.

    Raises:
        BadInput: the configuration cannot be used, or the files cannot be written.
    """
    region = None if options.region == "*" else options.region
    _, config = configuration.read(options, wanted_patterns(options.pattern), region)
    here = DeploymentTarget(partition=options.partition, account=options.account, region=options.region)
    policies = deployer_policy.policies(config, here)
    if options.output_dir is None:
        print(json.dumps(policies, indent=2))
        return EXIT_PASSED
    try:
        options.output_dir.mkdir(parents=True, exist_ok=True)
        for name, policy in policies.items():
            path = options.output_dir / f"{name}.json"
            path.write_text(json.dumps(policy, indent=2) + "\n", encoding="utf-8")
            print(path)
    except OSError as error:
        raise BadInput(f"--output-dir {options.output_dir}: {error.strerror}") from error
    return EXIT_PASSED
