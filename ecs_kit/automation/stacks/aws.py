"""The AWS target: the user's own account, with the credentials that the AWS SDKs find."""

import os
import shlex
import sys
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.stacks import docker_host
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.target import (
    GetPulumi,
    Identity,
    Plugins,
    Say,
    Target,
    has_backend,
    own_backend,
)


class AwsTarget(Target):
    """The user's own AWS account, or whatever `AWS_ENDPOINT_URL` names.

    The user may have `confirmed` the deployment in advance. Pulumi keeps its state in `state_dir` if the user has no
    backend. The task's image is built for `build_platform`, like `linux/amd64`, or not built. `is_chosen` says whether
    the user chose it with --target, which messages then name.
    """

    name = "aws"
    container_runtime = "fargate"

    def __init__(
        self,
        *,
        work_dir: Path,
        plugins: Plugins,
        confirmed: bool,
        state_dir: Path,
        get_pulumi: GetPulumi,
        build_platform: str | None = None,
        is_chosen: bool = True,
    ) -> None:
        super().__init__(work_dir=work_dir, plugins=plugins, environ=dict(os.environ))
        self.asks_before_deploying = not confirmed
        self._state_dir = state_dir
        self._get_pulumi = get_pulumi
        self._build_platform = build_platform
        self._chosen = "--target aws: " if is_chosen else ""
        self._endpoint_url = self._environ.get("AWS_ENDPOINT_URL") or None

    def check(self) -> None:
        """Check credentials, region, plugins, Docker, and that somebody can confirm."""
        if self._plugins == "bundled" and self._endpoint_url is None:
            raise BadInput(
                "--plugins bundled: the bundled provider plugins are made for the emulator. Leave --plugins out to use "
                "the published ones on AWS, or set AWS_ENDPOINT_URL to an emulator (http://localhost:PORT)."
            )
        self.find_identity()
        if self._build_platform is not None:
            self.use_docker()
        if self.asks_before_deploying and not sys.stdin.isatty():
            raise BadInput(
                "--target aws creates resources that cost money and asks first, but the input is not a terminal. "
                "Add --yes to go ahead without being asked."
            )

    def find_identity(self) -> None:
        """Find the caller and the region, and make clients of that account.

        Raises:
            BadInput: there are no credentials or no region, or AWS refuses them.
        """
        # boto3 knows AWS_DEFAULT_REGION only; the other AWS SDKs, and with them the plugins, read AWS_REGION first.
        try:
            session = boto3.Session(region_name=self._environ.get("AWS_REGION") or None)
            if not session.region_name:
                raise BadInput(f"{self._chosen}no AWS region found. Set AWS_REGION, or give your profile a region.")
            if session.get_credentials() is None:
                without = "; or leave --target out to run on this machine without AWS" if self._chosen else ""
                raise BadInput(
                    f"{self._chosen}no AWS credentials found. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
                    f"AWS_SECRET_ACCESS_KEY, or run `aws sso login`{without}."
                )
            self.aws = AwsClients(session, endpoint_url=self._endpoint_url)
            sts = self.aws.sts
        except (BotoCoreError, ValueError) as error:
            advice = "Correct what the environment's AWS_… variables, or the profile, say."
            raise BadInput(f"{self._chosen}{str(error).rstrip('.')}. {advice}") from error
        try:
            caller = sts.get_caller_identity()
        except (ClientError, BotoCoreError) as error:
            is_refused = isinstance(error, ClientError)
            advice = "Renew the credentials" if is_refused else "Check the network, AWS_REGION and AWS_ENDPOINT_URL"
            reason = f"sts:GetCallerIdentity failed: {str(error).rstrip('.')}"
            raise BadInput(f"{self._chosen}{reason}. {advice}, and try again.") from error
        region = session.region_name
        self.identity = Identity(account=caller["Account"], region=region, arn=caller["Arn"])
        self.config = {"aws:region": region}
        if self._endpoint_url is not None:
            # An emulator's host names cannot begin with a bucket's name.
            self.config["aws:s3UsePathStyle"] = "true"
        self._additions |= {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}

    def use_docker(self) -> None:
        """Make the published plugins use the docker CLI's engine. They need one to delete an image's resource, too."""
        if self._plugins == "published":
            self._additions |= docker_host.engine_environment(self._environ, self._build_platform)

    def start(self, say: Say) -> None:
        """Find the Pulumi CLI, and a backend for its state."""
        self.pulumi = self._get_pulumi(self._bin_dir, self._plugins, say)
        if not has_backend(self._environ):
            self._state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._additions |= own_backend(self._environ, self._state_dir)
            say(f"Pulumi is not logged in anywhere: the stack's state is kept in {self._state_dir}")

    def stop(self) -> None:
        """Nothing was started."""

    def how_to_remove(self, stack: str) -> list[str]:
        """Commands that delete every resource and the stack."""
        cwd = shlex.quote(str(self.work_dir))
        return [
            *self._exports(),
            f"pulumi --cwd {cwd} cancel --yes --stack {stack}    # only if it says that the stack is locked",
            f"pulumi --cwd {cwd} destroy --yes --stack {stack} && pulumi --cwd {cwd} stack rm --yes {stack}",
        ]
