"""The local target: the real Pulumi engine, an emulator for AWS, and provider plugins that talk to it."""

import json
import os
import shlex
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import boto3

import local_aws
from ecs_kit.automation.errors import ContainerRuntimeUnavailable, DriverError, EmulatorUnavailable, PulumiMissing
from ecs_kit.automation.host.interruption import wait_for
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.target import Identity, Plugins, PulumiInstallation, Say
from local_aws import DockerUnavailable, Emulator, EmulatorError, parse_rules

__all__ = ["ContainersStay", "LocalTarget", "find_pulumi", "get_pulumi", "parse_rules", "removal", "remove_containers"]

ContainerRuntime = Literal["auto", "process", "docker"]
ACCOUNT = "000000000000"
REGION = "us-east-1"


class LocalTarget:
    """An AWS of our own, on this machine, for as long as the driver runs.

    Args:
        work_dir: everything it writes goes below; must exist.
        container_runtime: what runs the ECS tasks.
        plugins: `bundled` stand-ins, or the `published` ones, which the engine downloads.
        port: the emulator's port; None: any free one.
        keep: whether the emulator must outlive this process.
        base_image: what the task's image is built on.
    """

    name: Literal["local"] = "local"
    asks_before_deploying = False

    def __init__(
        self,
        *,
        work_dir: Path,
        container_runtime: ContainerRuntime = "auto",
        plugins: Plugins = "bundled",
        port: int | None = None,
        keep: bool = False,
        base_image: str | None = None,
    ) -> None:
        self._work_dir = work_dir
        self._plugins = plugins
        self._pulumi: PulumiInstallation | None = None
        self._emulator = Emulator(
            work_dir / "emulator",
            port=port,
            container_runtime=container_runtime,
            region=REGION,
            account=ACCOUNT,
            log_file=work_dir / "emulator.log",
            detached=keep,
            base_image=base_image,
        )
        self._aws: AwsClients | None = None

    @property
    def container_runtime(self) -> str:
        """What the emulator chose."""
        return self._emulator.container_runtime

    @property
    def pulumi(self) -> PulumiInstallation:
        """The CLI, once started."""
        if self._pulumi is None:
            raise RuntimeError("LocalTarget.start comes first")
        return self._pulumi

    @property
    def identity(self) -> Identity:
        """The emulator's one account."""
        return Identity(account=ACCOUNT, region=REGION, arn=f"arn:aws:iam::{ACCOUNT}:root")

    @property
    def aws(self) -> AwsClients:
        """Clients of the emulator, as the root of its account."""
        if self._aws is not None:
            return self._aws
        session = boto3.Session(
            aws_access_key_id=self._emulator.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._emulator.environment["AWS_SECRET_ACCESS_KEY"],
            region_name=REGION,
        )
        self._aws = AwsClients(session, endpoint_url=self._emulator.endpoint_url)
        return self._aws

    @property
    def injector(self) -> Emulator:
        """The emulator, which makes faults."""
        return self._emulator

    def check(self) -> None:
        """Nothing that `start` would not find out as early."""

    def start(self, say: Say) -> None:
        """Start the emulator; meanwhile find the CLI and write the plugins.

        Raises:
            PulumiMissing: there is no Pulumi CLI to be had.
            ContainerRuntimeUnavailable: Docker was asked for and is not there.
            EmulatorUnavailable: the port is taken, or the emulator does not come up.
        """
        (self._work_dir / "state").mkdir(parents=True, exist_ok=True)
        meanwhile = _Meanwhile(lambda: self._find_pulumi(say))
        try:
            self._emulator.start()
        except DockerUnavailable as error:
            raise ContainerRuntimeUnavailable(error.reason) from error
        except EmulatorError as error:
            raise EmulatorUnavailable(str(error)) from error
        meanwhile.result()
        if self._emulator.container_runtime_reason:
            say(f"container runtime: {self.container_runtime} ({self._emulator.container_runtime_reason})")

    def _find_pulumi(self, say: Say) -> None:
        self._pulumi = get_pulumi(self._bin_dir, self._plugins, say)

    def stop(self) -> None:
        """Stop the emulator. Everything in it is gone then."""
        self._emulator.stop()

    @property
    def _bin_dir(self) -> Path:
        return self._work_dir / "bin"

    @property
    def environment(self) -> Mapping[str, str]:
        """This process's environment without its AWS and Pulumi settings, and those of the emulator."""
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("AWS_", "KIT_", "LOCAL_AWS_", "PULUMI_"))
        }
        path = [str(self._bin_dir), str(self.pulumi.executable.parent), inherited.get("PATH", os.defpath)]
        return {**inherited, **self._additions, "PATH": os.pathsep.join(path)}

    @property
    def notes(self) -> Mapping[str, Any]:
        """The emulator's process, and the name that its containers are labelled with."""
        return {
            "container_runtime": self.container_runtime,
            "emulator_pid": self._emulator.pid,
            "emulator_name": self._emulator.folder.name,
        }

    @property
    def _additions(self) -> dict[str, str]:
        additions = {
            **local_aws.engine_environment(self._emulator, self._work_dir),
            "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
            # The state is worth no more than the emulator: it is written once, at the end of an update.
            "PULUMI_EXPERIMENTAL": "true",
            "PULUMI_SKIP_CHECKPOINTS": "true",
            "GOGC": "400",
        }
        if self._plugins == "bundled":
            additions["PULUMI_HOME"] = str(self._work_dir / "pulumi")
        return additions

    @property
    def config(self) -> Mapping[str, str]:
        """What points the `aws` provider at the emulator."""
        url = self._emulator.endpoint_url
        return {
            "aws:region": REGION,
            "aws:accessKey": self._emulator.environment["AWS_ACCESS_KEY_ID"],
            "aws:secretKey": self._emulator.environment["AWS_SECRET_ACCESS_KEY"],
            "aws:endpoints": json.dumps([dict.fromkeys(ENDPOINT_SERVICES, url)]),
            "aws:s3UsePathStyle": "true",
            "aws:skipCredentialsValidation": "true",
            "aws:skipMetadataApiCheck": "true",
        }

    def how_to_use(self, stack: str, work_dir: Path) -> list[str]:
        """The environment for a shell, and a first command."""
        exports = [f"export {key}={shlex.quote(value)}" for key, value in self._additions.items()]
        path = os.pathsep.join([str(self._bin_dir), str(self.pulumi.executable.parent), "$PATH"])
        return [
            *exports,
            f'export PATH="{path}"',
            f"pulumi --cwd {shlex.quote(str(work_dir))} stack output --stack {stack}",
        ]

    def how_to_remove(self, stack: str, work_dir: Path) -> list[str]:  # noqa: ARG002  the protocol has them
        """The emulator holds everything: without it nothing is left but a folder."""
        return removal(self._work_dir, self._emulator.pid if self._emulator.runs else None)


def find_pulumi(say: Say) -> PulumiInstallation:
    """The Pulumi CLI from wherever it can be had.

    Raises:
        PulumiMissing: from nowhere; the message lists what was tried.
    """
    try:
        cli = local_aws.ensure_pulumi(progress=say)
    except local_aws.PulumiUnavailable as error:
        raise PulumiMissing(str(error)) from error
    return PulumiInstallation(executable=Path(cli.path), version=str(cli.version), origin=cli.origin)


def get_pulumi(bin_dir: Path, plugins: Plugins, say: Say) -> PulumiInstallation:
    """Find the Pulumi CLI, and write what it lacks: a language host, and the plugins where they are bundled.

    Args:
        bin_dir: goes before everything else on PATH.
        plugins: which ones the engine is to find.
        say: told if a CLI has to be got first.

    Raises:
        PulumiMissing: there is none to be had.
    """
    found = find_pulumi(say)
    if plugins == "bundled":
        local_aws.install_plugins(bin_dir)
    local_aws.add_language_host(found.executable, bin_dir)
    return found


class ContainersStay(DriverError):
    """The engine does not remove containers."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}. See that Docker works, and run `clean` again.")


def remove_containers(emulator: str) -> int:
    """Remove the containers of an emulator that is gone; answers how many there were.

    Args:
        emulator: its name, as `LocalTarget.notes` has it.

    Raises:
        ContainersStay: some of them are still there.
    """
    try:
        return local_aws.remove_containers(emulator)
    except local_aws.ContainersStay as error:
        raise ContainersStay(str(error)) from error


def removal(work_dir: Path, emulator_pid: int | None) -> list[str]:
    """Commands that remove a work folder and the emulator that writes there, pasted in one go or line by line.

    The emulator has at most 8 s to end. Whether it did is asked a bounded number of times, because in a container
    without an init process it stays in the process table; and it may have ended already.
    """
    lines = [f"rm -rf {shlex.quote(str(work_dir))}"]
    if emulator_pid is not None:
        ended = f"kill -0 {emulator_pid} 2>/dev/null || break"
        lines.insert(0, f"kill {emulator_pid} 2>/dev/null; for i in $(seq 50); do {ended}; sleep 0.2; done")
    return lines


ENDPOINT_SERVICES = (
    "cloudwatch",
    "dynamodb",
    "ec2",
    "ecr",
    "ecs",
    "events",
    "iam",
    "lambda",
    "logs",
    "s3",
    "sfn",
    "sts",
)
"""The services that the program uses, as the `aws` provider's config calls them."""


class _Meanwhile:
    """Work in a thread that ends with the process, whatever it is waiting for."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001  carried to the thread that waits
            self._error = error

    def result(self) -> None:
        """Wait for the end of the work and raise what it raised."""
        wait_for(self._thread)
        if self._error is not None:
            raise self._error
