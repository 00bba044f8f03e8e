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

from ecs_kit.automation.cli.entry_point import PROGRAM
from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.pulumi_cli import find_pulumi
from ecs_kit.automation.stacks.pulumi_process import PulumiProcess
from ecs_kit.automation.stacks.target import Identity, Say, check_account, has_backend, own_backend, where
from ecs_kit.runtime.contract.patterns import PATTERNS

_WHERE_STACKS_ARE = (
    'Commands find a stack as `pulumi` does: `eval "$(make -s local)"` selects the local AWS, the lines that '
    f"--keep printed (`{PROGRAM} clean` prints them again) a kept stack, "
    "`pulumi login` your own backend."
)

_OF_LOCAL_TARGET = (
    *("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_HOME", "AWS_ENDPOINT_URL"),
    *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"),
)
"""What a shell that was set up for the local target has, and no other Pulumi backend or AWS account should."""


@dataclass(frozen=True)
class DeployedStack:
    """A deployed stack: its outputs by pattern, and clients of the account and region it is in."""

    name: str
    patterns: Mapping[int, Mapping[str, Any]]
    aws: AwsClients


def choose(listed: Sequence[Mapping[str, Any]], wanted: str | None) -> str:
    """The name of the stack that is `wanted`; None takes the selected stack, or the only one.

    `listed` is what `pulumi stack ls --json` prints: of each stack its `name` and whether it is `current`.

    Raises:
        BadInput: there is no such stack, or none is selected and there is not just one.
    """
    names = [str(stack["name"]) for stack in listed]
    if wanted is not None:
        found = [name for name in names if wanted in (name, name.rsplit("/", 1)[-1])]
        if not found:
            raise BadInput(
                f"--stack {wanted}: Pulumi's backend has no such stack of this project. "
                f"It has {', '.join(names) or 'none'}. {_WHERE_STACKS_ARE}"
            )
        return found[0]
    if not names:
        raise BadInput(f"Pulumi's backend has no stack of this project. {_WHERE_STACKS_ARE}")
    selected = [str(stack["name"]) for stack in listed if stack.get("current")]
    if not selected and len(names) > 1:
        raise BadInput(
            f"no stack is selected, and there are several: {', '.join(names)}. "
            "Name one with --stack, or select one with `pulumi stack select`."
        )
    return (selected or names)[0]


def patterns_of(stack: str, outputs: Mapping[str, Any], wanted: int | None) -> dict[int, Mapping[str, Any]]:
    """The outputs of the patterns that a command is about.

    Raises:
        BadInput: the stack does not hold the pattern, or none.
    """
    deployed = {pattern: outputs[f"pattern{pattern}"] for pattern in PATTERNS if f"pattern{pattern}" in outputs}
    if not deployed:
        raise BadInput(f"stack {stack} holds no pattern: nothing is deployed. Deploy with `pulumi up`.")
    if wanted is None:
        return deployed
    if wanted not in deployed:
        raise BadInput(f"pattern {wanted}: stack {stack} holds pattern {' and '.join(map(str, deployed))} only.")
    return {wanted: deployed[wanted]}


def environment_of(environ: Mapping[str, str], state_dir: Path) -> dict[str, str]:
    """The Pulumi CLI's environment: the user's own, and the backend of `e2e.py --target aws` where the user has none.

    Raises:
        BadInput: there is neither, or the user's is a folder that does not exist.
    """
    environment = {**environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    backend = environ.get("PULUMI_BACKEND_URL", "")
    if backend.startswith("file:///") and not Path(backend.removeprefix("file://")).is_dir():
        raise BadInput(
            f"PULUMI_BACKEND_URL={backend}: there is no such folder. If this shell was set up for the local target, "
            f"that has ended: start one with `{PROGRAM} deploy` and run the line that it prints, or unset its "
            f"variables: `unset {' '.join(_OF_LOCAL_TARGET)}`. Otherwise correct it."
        )
    if has_backend(environ):
        return environment
    if not state_dir.is_dir():
        raise BadInput(f"Pulumi is not logged in to a backend, so there is no stack to look at. {_WHERE_STACKS_ARE}")
    return {**environment, **own_backend(environ, state_dir)}


def find(root: Path, *, stack: str | None, pattern: int | None, interruption: Interruption, say: Say) -> DeployedStack:
    """Read a stack of the project in `root`, the selected one for None, and one pattern of it or all.

    Raises:
        BadInput: it cannot be read, holds nothing, or is in another account than the credentials'.
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
    _, region = where(patterns) or ("", "")
    aws = AwsClients(boto3.Session(region_name=region), endpoint_url=environ.get("AWS_ENDPOINT_URL") or None)
    try:
        caller = aws.sts.get_caller_identity()
    except (BotoCoreError, ClientError) as error:
        raise BadInput(
            f"stack {name} was found, but AWS cannot be asked about it: {error}. "
            "Set the credentials (and AWS_ENDPOINT_URL, where it is an emulator's) that it was deployed with."
        ) from error
    check_account(name, outputs, Identity(caller["Account"], region, caller["Arn"]))
    return DeployedStack(name, patterns, aws)


def _ask(pulumi: PulumiProcess, root: Path, *command: str) -> Any:
    try:
        return json.loads(pulumi.run([*command, "--json"], str(root), {}).stdout)
    except CommandError as error:
        said = "\n".join(f"  {line}" for line in str(error).splitlines() if line.strip() not in ("", "stdout:"))
        raise BadInput(f"pulumi {' '.join(command)} failed:\n{said}") from error
