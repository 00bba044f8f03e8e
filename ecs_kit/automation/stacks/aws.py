"""The AWS target: the user's own account, with the credentials that the AWS SDKs find."""

import os
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ecs_kit.automation.errors import (
    AwsUnreachable,
    BundledPluginsOnAws,
    ConfirmationNeeded,
    CredentialsMissing,
    CredentialsRefused,
    CredentialsUnusable,
    RegionMissing,
)
from ecs_kit.automation.stacks import docker_host
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.target import Identity, Plugins, PulumiInstallation, Say, has_backend, own_backend

GetPulumi = Callable[[Path, Plugins, Say], PulumiInstallation]
"""Finds the Pulumi CLI, and puts what it lacks into a folder that goes before everything else on PATH."""


class AwsTarget:
    """The user's own AWS account, or whatever `AWS_ENDPOINT_URL` stands for.

    Args:
        plugins: `published` provider plugins, or `bundled` ones against an emulator.
        confirmed: whether the user has said yes in advance.
        interactive: whether somebody is there to ask.
        work_dir: folder for generated executables.
        state_dir: where Pulumi keeps its state if the user has no backend.
        get_pulumi: finds the Pulumi CLI.
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
        get_pulumi: GetPulumi,
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
        self._get_pulumi = get_pulumi
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
        self._pulumi = self._get_pulumi(self._bin_dir, self._plugins, say)
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
