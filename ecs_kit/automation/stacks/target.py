"""Deployment targets. Everything else in the driver is the same for all of them."""

import os
import shlex
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.stacks.clients import AwsClients

Plugins = Literal["bundled", "published"]
Say = Callable[[str], None]

EXPORTS = "exports.sh"
"""The file of a kept stack's work folder that a shell reads."""


@dataclass(frozen=True)
class Identity:
    """The caller: the account's 12 digits, the region's name and the caller's ARN."""

    account: str
    region: str
    arn: str


@dataclass(frozen=True)
class PulumiInstallation:
    """The Pulumi CLI to use, and its version, like `3.259.0`."""

    executable: Path
    version: str


GetPulumi = Callable[[Path, Plugins, Say], PulumiInstallation]
"""Finds the Pulumi CLI, and puts what it lacks into a folder that comes first on PATH."""


class Injector(Protocol):
    """What injects faults, in named sets of rules."""

    def inject_faults(self, rules: Sequence[Mapping[str, Any]], name: str = "") -> None:
        """Replace the rules of the set; none end it."""

    def injected_faults(self, name: str = "") -> list[dict[str, Any]]:
        """For each rule of the set: its `name`, how many calls `matched` and how many it `met`."""


class Target(ABC):
    """Where the kit is deployed to. Everything that it writes goes below `work_dir`; the Pulumi CLI inherits `environ`.

    Attributes:
        container_runtime: what runs the ECS tasks, once started: `process`, `docker` or `fargate`.
        asks_before_deploying: whether a deployment costs money, so that the user has to confirm it.
        injector: what injects faults, where anything does.
        identity: once checked; clients of that account, the Pulumi CLI and the `config` of the `aws` provider, with
            full keys, once started.
    """

    name: Literal["local", "aws"]
    container_runtime: str
    asks_before_deploying = False
    injector: Injector | None = None
    identity: Identity
    aws: AwsClients
    pulumi: PulumiInstallation
    config: Mapping[str, str]

    def __init__(self, *, work_dir: Path, plugins: Plugins, environ: Mapping[str, str]) -> None:
        self.work_dir = work_dir
        self._bin_dir = work_dir / "bin"
        self._plugins = plugins
        self._environ = environ
        self._additions: dict[str, str] = {}

    @property
    def notes(self) -> Mapping[str, Any]:
        """Fields of the work folder's record, once started."""
        return {}

    @abstractmethod
    def check(self) -> None:
        """Refuse what cannot work, as `BadInput`, before anything is created."""

    @abstractmethod
    def start(self, say: Say) -> None:
        """Get ready to deploy. Creates nothing in AWS; raises `BadInput` where this machine lacks something."""

    def use_docker(self) -> None:  # noqa: B027  a target without Docker has nothing to do
        """Make the plugins use the docker CLI's engine, where they would use another.

        Raises:
            BadInput: no engine answers there, or it cannot build the image.
        """

    @abstractmethod
    def stop(self) -> None:
        """Stop what `start` started; a second call does nothing."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The whole environment of the Pulumi CLI."""
        path = self._path(self._environ.get("PATH", os.defpath))
        return {**self._environ, **self._additions, "PATH": path, "PULUMI_SKIP_UPDATE_CHECK": "true"}

    def how_to_use(self, stack: str) -> list[str]:
        """Commands that set up a shell for a kept stack, and show its outputs.

        The shell's exports are written to a file of the work folder, so that one line can be copied.
        """
        exports = self.work_dir / EXPORTS
        exports.touch(mode=0o600)
        exports.write_text("\n".join(self._exports()) + "\n", encoding="utf-8")
        return [
            f". {shlex.quote(str(exports))}",
            f"pulumi --cwd {shlex.quote(str(self.work_dir))} stack output --stack {stack}",
        ]

    @abstractmethod
    def how_to_remove(self, stack: str) -> list[str]:
        """Commands that remove what is left."""

    def _exports(self) -> list[str]:
        exports = [f"export {key}={shlex.quote(value)}" for key, value in self._additions.items()]
        return [*exports, f'export PATH="{self._path("$PATH")}"']

    def _path(self, rest: str) -> str:
        return os.pathsep.join([str(self._bin_dir), str(self.pulumi.executable.parent), rest])


def where(outputs: Mapping[Any, Any]) -> tuple[str, str] | None:
    """Account and region of a stack, which its state machines' ARNs name; None where there is none in its outputs."""
    for output in outputs.values():
        if isinstance(output, Mapping) and "stateMachineArn" in output:
            _, _, _, region, account, *_ = str(output["stateMachineArn"]).split(":")
            return account, region
    return None


def check_account(stack: str, outputs: Mapping[str, Any], here: Identity) -> None:
    """Check that an existing stack is in this account and region; one without outputs was never deployed as a whole.

    Raises:
        BadInput: it is not.
    """
    deployed = where(outputs)
    if deployed is not None and deployed != (here.account, here.region):
        raise BadInput(
            f"stack {stack} in Pulumi's backend was deployed to account {deployed[0]}, region "
            f"{deployed[1]}, and the credentials are for account {here.account}, region {here.region}. "
            "Use those credentials, or another stack with --config nameSuffix=…"
        )


def own_backend(environ: Mapping[str, str], state_dir: Path) -> dict[str, str]:
    """The variables that make Pulumi keep its state in a folder, with the user's passphrase if there is one."""
    return {
        "PULUMI_BACKEND_URL": f"file://{state_dir}",
        "PULUMI_CONFIG_PASSPHRASE": environ.get("PULUMI_CONFIG_PASSPHRASE", ""),
    }


def has_backend(environ: Mapping[str, str]) -> bool:
    """Whether the user has a Pulumi backend: by environment, or by `pulumi login`.

    See https://www.pulumi.com/docs/iac/concepts/state-and-backends/.
    """
    if environ.get("PULUMI_BACKEND_URL") or environ.get("PULUMI_ACCESS_TOKEN"):
        return True
    home = Path(environ.get("PULUMI_HOME") or Path(environ.get("HOME") or Path.home()) / ".pulumi")
    credentials = home / "credentials.json"
    return credentials.is_file() and '"current"' in credentials.read_text(encoding="utf-8")
