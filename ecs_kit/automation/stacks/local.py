"""The local target: the real Pulumi engine, an emulator for AWS, and provider plugins that talk to it."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import boto3

import local_aws
from ecs_kit.automation.errors import BadInput, DriverError
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.target import Identity, Plugins, PulumiInstallation, Say, Target
from local_aws import parse_rules

__all__ = ["LocalTarget", "find_pulumi", "get_pulumi", "parse_rules", "removal", "remove_containers"]

ContainerRuntime = Literal["auto", "process", "simulated", "docker"]
ACCOUNT = "000000000000"
REGION = "us-east-1"


class LocalTarget(Target):
    """An emulated AWS on this machine, which ends with the driver unless it is to `keep` it.

    `work_dir` must exist. Without a `port`, the emulator takes any free one.
    """

    name = "local"
    identity = Identity(account=ACCOUNT, region=REGION, arn=f"arn:aws:iam::{ACCOUNT}:root")

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
        own = ("AWS_", "KIT_", "LOCAL_AWS_", "PULUMI_")
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(own)}
        super().__init__(work_dir=work_dir, plugins=plugins, environ=inherited)
        self._emulator = local_aws.Emulator(
            work_dir / "emulator",
            port=port,
            container_runtime=container_runtime,
            region=REGION,
            account=ACCOUNT,
            log_file=work_dir / "emulator.log",
            detached=keep,
            base_image=base_image,
        )
        self.injector = self._emulator

    def check(self) -> None:
        """`start` finds out everything as early."""

    def start(self, say: Say) -> None:
        """Start the emulator, find the Pulumi CLI and write the plugins.

        Raises:
            BadInput: there is no CLI, no Docker although it was asked for, or the emulator does not start.
        """
        (self.work_dir / "state").mkdir(parents=True, exist_ok=True)
        try:
            self._emulator.start()
        except local_aws.DockerUnavailable as error:
            raise BadInput(
                f"--container-runtime docker cannot be used: {error.reason}. "
                "Put that right, or use --container-runtime process."
            ) from error
        except local_aws.EmulatorError as error:
            raise BadInput(str(error)) from error
        self.container_runtime = self._emulator.container_runtime
        if self._emulator.container_runtime_reason:
            say(f"container runtime: {self.container_runtime} ({self._emulator.container_runtime_reason})")
        # After the emulator, which refuses options at once: a CLI may have to be built first.
        self.pulumi = get_pulumi(self._bin_dir, self._plugins, say)
        self._use_emulator()

    def _use_emulator(self) -> None:
        url = self._emulator.endpoint_url
        access_key = self._emulator.environment["AWS_ACCESS_KEY_ID"]
        secret_key = self._emulator.environment["AWS_SECRET_ACCESS_KEY"]
        session = boto3.Session(access_key, secret_key, region_name=REGION)
        self.aws = AwsClients(session, endpoint_url=url)
        self.config = local_aws.provider_configuration(self._emulator)
        self._additions = {
            **local_aws.engine_environment(self._emulator, self.work_dir),
            "PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS": "true",
            # The state is worth no more than the emulator: it is written once, at the end of an update.
            "PULUMI_EXPERIMENTAL": "true",
            "PULUMI_SKIP_CHECKPOINTS": "true",
            "GOGC": "400",
        }
        if self._plugins == "bundled":
            self._additions["PULUMI_HOME"] = str(self.work_dir / "pulumi")

    def stop(self) -> None:
        """Stop the emulator, and with it everything that was deployed."""
        self._emulator.stop()

    @property
    def notes(self) -> Mapping[str, Any]:
        """The label of the emulator's containers."""
        return {"emulator_name": self._emulator.folder.name}

    def how_to_remove(self, stack: str) -> list[str]:  # noqa: ARG002  as the base class has it
        """Commands that end the emulator, which holds everything, and remove the work folder."""
        return removal(self.work_dir, self._emulator.pid if self._emulator.runs else None)


def find_pulumi(say: Say) -> PulumiInstallation:
    """The Pulumi CLI, wherever it is found; `say` is told if one has to be downloaded or built.

    Raises:
        BadInput: there is none; the message lists what was tried.
    """
    try:
        cli = local_aws.ensure_pulumi(progress=say)
    except local_aws.PulumiUnavailable as error:
        raise BadInput(str(error)) from error
    return PulumiInstallation(Path(cli.path), str(cli.version))


def get_pulumi(bin_dir: Path, plugins: Plugins, say: Say) -> PulumiInstallation:
    """Find the Pulumi CLI, and write what it lacks to `bin_dir`: a language host, and the plugins if they are bundled.

    Raises:
        BadInput: there is no CLI.
    """
    found = find_pulumi(say)
    if plugins == "bundled":
        local_aws.install_plugins(bin_dir)
    local_aws.add_language_host(found.executable, bin_dir)
    return found


def remove_containers(emulator: str) -> int:
    """Remove the containers of an ended emulator, by its name in `LocalTarget.notes`; returns how many there were.

    Raises:
        DriverError: some could not be removed.
    """
    try:
        return local_aws.remove_containers(emulator)
    except local_aws.ContainersStay as error:
        raise DriverError(f"{error}. See that Docker works, and run `clean` again.") from error


def removal(work_dir: Path, emulator_pid: int | None) -> list[str]:
    """Commands that end the emulator, if it runs, and remove its work folder, to be pasted into a shell.

    The emulator has at most 8 s to end. It is waited for a bounded number of times: it may have ended already, and in
    a container without an init process it stays in the process table.
    """
    lines = [f"rm -rf {shlex.quote(str(work_dir))}"]
    if emulator_pid is not None:
        ended = f"kill -0 {emulator_pid} 2>/dev/null || break"
        lines.insert(0, f"kill {emulator_pid} 2>/dev/null; for i in $(seq 50); do {ended}; sleep 0.2; done")
    return lines
