"""Where the kit is deployed to. Everything else in the driver is the same for all targets."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

from ecs_kit.automation.errors import WrongAccount
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.faults import Injector

Plugins = Literal["bundled", "published"]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Identity:
    """Who the driver is to AWS, and where.

    Attributes:
        account: the account's 12 digits.
        region: the region's name.
        arn: the caller's ARN.
    """

    account: str
    region: str
    arn: str


@dataclass(frozen=True)
class PulumiInstallation:
    """The Pulumi CLI to use.

    Attributes:
        executable: its path.
        version: like `3.259.0`.
        origin: where it came from: `path`, `cache`, `download` or `build`.
    """

    executable: Path
    version: str
    origin: str


class Target(Protocol):
    """What the rest of the driver needs to know of the place where the kit is deployed."""

    @property
    def name(self) -> Literal["local", "aws"]:
        """The value of `--target`."""

    @property
    def container_runtime(self) -> str:
        """What runs the ECS tasks: `process` or `docker` here, `fargate` on AWS."""

    @property
    def asks_before_deploying(self) -> bool:
        """Whether a deployment costs money and so wants a yes."""

    @property
    def pulumi(self) -> PulumiInstallation:
        """The CLI, once started."""

    @property
    def identity(self) -> Identity:
        """Account and region, once started."""

    @property
    def aws(self) -> AwsClients:
        """Clients of that account, once started."""

    @property
    def environment(self) -> Mapping[str, str]:
        """The whole environment of the Pulumi CLI, its backend included."""

    @property
    def notes(self) -> Mapping[str, Any]:
        """What the run's record has to say of it, once started."""

    @property
    def config(self) -> Mapping[str, str]:
        """Config of the `aws` provider, full keys."""

    @property
    def injector(self) -> Injector | None:
        """What makes faults on purpose, where anything does."""

    def check(self) -> None:
        """Refuse what cannot work before anything is created.

        Raises:
            BadInput: with what to do about it.
        """

    def start(self, say: Say) -> None:
        """Get ready to deploy. Creates nothing in AWS.

        Raises:
            BadInput: something is missing on this machine.
        """

    def stop(self) -> None:
        """Give back what `start` took; nothing happens the second time."""

    def how_to_use(self, stack: str, work_dir: Path) -> list[str]:
        """Lines that tell how to go on by hand with a stack that was kept."""

    def how_to_remove(self, stack: str, work_dir: Path) -> list[str]:
        """Lines that tell how to remove by hand what is left."""


def check_place(stack: str, outputs: Mapping[str, Any], here: Identity) -> None:
    """See that a stack that was deployed before is where this run would deploy it.

    Args:
        stack: its name.
        outputs: what it says about itself; nothing, where it was never deployed as a whole.
        here: where this run goes.

    Raises:
        WrongAccount: it is somewhere else.
    """
    if "account" in outputs and (outputs["account"], outputs["region"]) != (here.account, here.region):
        raise WrongAccount(
            stack,
            f"account {outputs['account']}, region {outputs['region']}",
            f"account {here.account}, region {here.region}",
        )


def own_backend(environ: Mapping[str, str], state_dir: Path) -> dict[str, str]:
    """The environment that has Pulumi keep state in a folder, for users who have told it no other place.

    Args:
        environ: the user's, which may name a passphrase.
        state_dir: the folder.
    """
    return {
        "PULUMI_BACKEND_URL": f"file://{state_dir}",
        "PULUMI_CONFIG_PASSPHRASE": environ.get("PULUMI_CONFIG_PASSPHRASE", ""),
    }


def has_backend(environ: Mapping[str, str]) -> bool:
    """Whether the user has told Pulumi where to keep state: by environment, or by `pulumi login`.

    See https://www.pulumi.com/docs/iac/concepts/state-and-backends/.
    """
    if environ.get("PULUMI_BACKEND_URL") or environ.get("PULUMI_ACCESS_TOKEN"):
        return True
    home = Path(environ.get("PULUMI_HOME") or Path(environ.get("HOME") or Path.home()) / ".pulumi")
    credentials = home / "credentials.json"
    return credentials.is_file() and '"current"' in credentials.read_text(encoding="utf-8")


def is_loopback(url: str) -> bool:
    """Whether the address stays on this machine."""
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def is_interactive() -> bool:
    """Whether somebody sits at the terminal."""
    return sys.stdin.isatty()
