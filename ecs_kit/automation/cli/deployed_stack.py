"""The stack that a command is about: found where `pulumi` itself would find it, and read from its outputs."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError
from pulumi.automation.errors import CommandError

from ecs_kit.automation.errors import (
    AwsNotReadable,
    NoBackend,
    NoStack,
    NothingDeployed,
    PatternNotDeployed,
    SeveralStacks,
    StackUnknown,
    StackUnreadable,
    WrongAccount,
)
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.local import find_pulumi
from ecs_kit.automation.stacks.pulumi_process import PulumiProcess
from ecs_kit.automation.stacks.target import Say, has_backend, own_backend
from ecs_kit.runtime.contract.patterns import PATTERNS


@dataclass(frozen=True)
class DeployedStack:
    """A stack and what it deployed.

    Attributes:
        name: the stack's.
        patterns: pattern -> the stack's output for it.
        aws: clients of the account and region it is in.
    """

    name: str
    patterns: Mapping[int, Mapping[str, Any]]
    aws: AwsClients


def choose(listed: Sequence[Mapping[str, Any]], wanted: str | None) -> str:
    """The name of the stack that is meant.

    Args:
        listed: what `pulumi stack ls --json` prints: of each stack its `name` and whether it is `current`.
        wanted: the user's choice; None takes the selected stack, or the only one.

    Raises:
        StackUnknown: there is no such stack.
        NoStack, SeveralStacks: nothing is selected, and there is not just one.
    """
    names = [str(stack["name"]) for stack in listed]
    if wanted is not None:
        found = [name for name in names if wanted in (name, name.rsplit("/", 1)[-1])]
        if not found:
            raise StackUnknown(wanted, names)
        return found[0]
    selected = [str(stack["name"]) for stack in listed if stack.get("current")]
    if selected:
        return selected[0]
    if len(names) == 1:
        return names[0]
    raise SeveralStacks(", ".join(names)) if names else NoStack


def patterns_of(stack: str, outputs: Mapping[str, Any], wanted: int | None) -> dict[int, Mapping[str, Any]]:
    """The outputs of the patterns that a command is about.

    Raises:
        NothingDeployed: the stack holds no pattern.
        PatternNotDeployed: it does not hold this one.
    """
    deployed = {pattern: outputs[f"pattern{pattern}"] for pattern in PATTERNS if f"pattern{pattern}" in outputs}
    if not deployed:
        raise NothingDeployed(stack)
    if wanted is None:
        return deployed
    if wanted not in deployed:
        raise PatternNotDeployed(stack, wanted, *deployed)
    return {wanted: deployed[wanted]}


def environment_of(environ: Mapping[str, str], state_dir: Path) -> dict[str, str]:
    """The Pulumi CLI's environment: the user's own, and the driver's own backend where the user has none.

    Args:
        environ: the process's.
        state_dir: where `e2e.py --target aws` keeps state for somebody who is not logged in.

    Raises:
        NoBackend: there is neither.
    """
    environment = {**environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    if has_backend(environ):
        return environment
    if not state_dir.is_dir():
        raise NoBackend
    return {**environment, **own_backend(environ, state_dir)}


def find(root: Path, *, stack: str | None, pattern: int | None, interruption: Interruption, say: Say) -> DeployedStack:
    """Read the stack that a command is about.

    Args:
        root: the project's folder: stacks are selected per folder.
        stack: its name, None for the selected one.
        pattern: the one pattern that is meant, None for all.
        interruption: what a Ctrl-C means.
        say: told if a Pulumi CLI has to be got first.

    Raises:
        BadInput: it cannot be read, holds nothing, or is somewhere else than the credentials.
    """
    environ = dict(os.environ)
    environment = environment_of(environ, root / ".kit" / "state")
    installation = find_pulumi(say)
    pulumi = PulumiProcess(
        installation.executable, version=installation.version, environment=environment, interruption=interruption
    )
    name = choose(_ask(pulumi, root, "stack", "ls"), stack or environ.get("PULUMI_STACK"))
    outputs = _ask(pulumi, root, "stack", "output", "--stack", name)
    patterns = patterns_of(name, outputs, pattern)
    region = str(outputs["region"])
    aws = AwsClients(boto3.Session(region_name=region), endpoint_url=environ.get("AWS_ENDPOINT_URL") or None)
    try:
        account = aws.sts.get_caller_identity()["Account"]
    except (BotoCoreError, ClientError) as error:
        raise AwsNotReadable(name, str(error)) from error
    if account != outputs["account"]:
        raise WrongAccount(name, f"account {outputs['account']}, region {region}", f"account {account}")
    return DeployedStack(name, patterns, aws)


def _ask(pulumi: PulumiProcess, root: Path, *command: str) -> Any:
    try:
        return json.loads(pulumi.run([*command, "--json"], str(root), {}).stdout)
    except CommandError as error:
        raise StackUnreadable(" ".join(command), str(error)) from error
