"""Where the kit is deployed to. Everything else in the driver is the same for all targets."""

import os
import shlex
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from automation import docker_host
from automation.aws import AwsClients
from automation.errors import (
    AwsUnreachable,
    BundledPluginsOnAws,
    ConfirmationNeeded,
    CredentialsMissing,
    CredentialsRefused,
    CredentialsUnusable,
    PulumiMissing,
    RegionMissing,
    WrongAccount,
)
from automation.faults import Injector
from automation.local import plugins, pulumi_cli

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


class AwsTarget:
    """The user's own AWS account, or whatever `AWS_ENDPOINT_URL` stands for.

    Args:
        plugins: `published` provider plugins, or `bundled` ones against an emulator.
        confirmed: whether the user has said yes in advance.
        interactive: whether somebody is there to ask.
        work_dir: folder for generated executables.
        state_dir: where Pulumi keeps its state if the user has no backend.
        build_platform: what the task's image is built for, like `linux/amd64`; None: no image is built.
        environ: the process's environment.
    """

    name: Literal["aws"] = "aws"
    container_runtime = "fargate"
    injector = None

    def __init__(
        self,
        *,
        plugins: Plugins,
        confirmed: bool,
        interactive: bool,
        work_dir: Path,
        state_dir: Path,
        build_platform: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._build_platform = build_platform
        self._docker: Mapping[str, str] = {}
        self._environ = dict(os.environ if environ is None else environ)
        self._plugins = plugins
        self._confirmed = confirmed
        self._interactive = interactive
        self._work_dir = work_dir
        self._state_dir = state_dir
        self._identity: Identity | None = None
        self._pulumi: PulumiInstallation | None = None
        self._aws: AwsClients | None = None

    @property
    def asks_before_deploying(self) -> bool:
        """Whether the user has still to say yes."""
        return not self._confirmed

    @property
    def pulumi(self) -> PulumiInstallation:
        """The CLI, once started."""
        if self._pulumi is None:
            raise RuntimeError("AwsTarget.start comes first")
        return self._pulumi

    @property
    def identity(self) -> Identity:
        """Account and region, once checked."""
        if self._identity is None:
            raise RuntimeError("AwsTarget.check comes first")
        return self._identity

    @property
    def aws(self) -> AwsClients:
        """Clients of that account, once checked."""
        if self._aws is None:
            raise RuntimeError("AwsTarget.check comes first")
        return self._aws

    @property
    def endpoint_url(self) -> str | None:
        """The emulator's address if `AWS_ENDPOINT_URL` names one."""
        return self._environ.get("AWS_ENDPOINT_URL") or None

    def check(self) -> None:
        """Credentials, region, plugins, Docker, and somebody to ask.

        Raises:
            BadInput: one of them is missing.
        """
        if self._plugins == "bundled" and self.endpoint_url is None:
            raise BundledPluginsOnAws
        # boto3 knows AWS_DEFAULT_REGION only; the other AWS SDKs, and with them the plugins, read AWS_REGION first.
        try:
            session = boto3.Session(region_name=self._environ.get("AWS_REGION") or None)
            if not session.region_name:
                raise RegionMissing
            if session.get_credentials() is None:
                raise CredentialsMissing
            self._aws = AwsClients(session, endpoint_url=self.endpoint_url)
            sts = self._aws.sts
        except (BotoCoreError, ValueError) as error:
            raise CredentialsUnusable(str(error)) from error
        try:
            caller = sts.get_caller_identity()
        except ClientError as error:
            raise CredentialsRefused(str(error)) from error
        except BotoCoreError as error:
            raise AwsUnreachable(str(error)) from error
        self._identity = Identity(account=caller["Account"], region=session.region_name, arn=caller["Arn"])
        if self._build_platform is not None:
            self.use_docker()
        if self.asks_before_deploying and not self._interactive:
            raise ConfirmationNeeded

    def use_docker(self) -> None:
        """Lead the published plugins to the docker CLI's engine. They need it to delete an image's resource, too.

        Raises:
            BadInput: no engine answers there, or it cannot build the image.
        """
        if self._plugins == "published":
            self._docker = docker_host.lead(self._environ, self._build_platform)

    def start(self, say: Say) -> None:
        """Find the Pulumi CLI, and put what it needs of ours where it looks for it."""
        self._pulumi = find_pulumi(say)
        if self._plugins == "bundled":
            plugins.install(self._bin_dir)
        pulumi_cli.add_language_host(self._pulumi.executable, self._bin_dir)
        if self._own_backend:
            self._state_dir.mkdir(parents=True, exist_ok=True)
            say(f"Pulumi is not logged in anywhere: the stack's state is kept in {self._state_dir}")

    def stop(self) -> None:
        """Nothing to give back."""

    @property
    def _bin_dir(self) -> Path:
        return self._work_dir / "bin"

    @property
    def _own_backend(self) -> bool:
        return not has_backend(self._environ)

    @property
    def environment(self) -> Mapping[str, str]:
        """The user's own, and what this run adds to it."""
        environment = {**self._environ, **self._additions}
        path = [str(self._bin_dir), str(self.pulumi.executable.parent), self._environ.get("PATH", os.defpath)]
        return {**environment, "PATH": os.pathsep.join(path), "PULUMI_SKIP_UPDATE_CHECK": "true"}

    @property
    def notes(self) -> Mapping[str, Any]:
        """Nothing runs on this machine but the engine."""
        return {"container_runtime": self.container_runtime}

    @property
    def _additions(self) -> dict[str, str]:
        additions = {"AWS_REGION": self.identity.region, "AWS_DEFAULT_REGION": self.identity.region}
        additions |= self._docker
        if self._plugins == "bundled":
            additions["KIT_IMAGE_BUILDER"] = "archive"
        if self._own_backend:
            additions |= own_backend(self._environ, self._state_dir)
        return additions

    @property
    def config(self) -> Mapping[str, str]:
        """The region; and S3's path style where hosts named after buckets cannot be resolved."""
        config = {"aws:region": self.identity.region}
        if self.endpoint_url is not None:
            config["aws:s3UsePathStyle"] = "true"
        return config

    def how_to_use(self, stack: str, work_dir: Path) -> list[str]:
        """Commands that show the stack and its outputs."""
        return [*self._exports(), f"pulumi --cwd {shlex.quote(str(work_dir))} stack output --stack {stack}"]

    def how_to_remove(self, stack: str, work_dir: Path) -> list[str]:
        """Commands that delete every resource and the stack."""
        cwd = shlex.quote(str(work_dir))
        return [
            *self._exports(),
            f"pulumi --cwd {cwd} cancel --yes --stack {stack}    # only if it says that the stack is locked",
            f"pulumi --cwd {cwd} destroy --yes --stack {stack} && pulumi --cwd {cwd} stack rm --yes {stack}",
        ]

    def _exports(self) -> list[str]:
        path = [str(self._bin_dir), str(self.pulumi.executable.parent)] if self._pulumi else []
        exports = [f"export {key}={shlex.quote(value)}" for key, value in self._additions.items()]
        return [*exports, f'export PATH="{os.pathsep.join([*path, "$PATH"])}"']


def find_pulumi(say: Say) -> PulumiInstallation:
    """The Pulumi CLI from wherever it can be had.

    Raises:
        PulumiMissing: from nowhere; the message lists what was tried.
    """
    try:
        cli = pulumi_cli.ensure(pulumi_cli.default_cache_dir(), progress=say)
    except pulumi_cli.PulumiUnavailable as error:
        raise PulumiMissing(str(error)) from error
    return PulumiInstallation(executable=Path(cli.path), version=str(cli.version), origin=cli.origin)


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
