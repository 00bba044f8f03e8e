"""An AWS on this machine for Pulumi programs: an emulator that enforces IAM, and what the Pulumi engine needs for it.

    from local_aws import Emulator, add_language_host, engine_environment, ensure_pulumi, install_plugins

    with Emulator(folder) as emulator:
        cli = ensure_pulumi(progress=print)
        install_plugins(folder / "bin")
        add_language_host(cli.path, folder / "bin")
        environment = engine_environment(emulator, folder)  # and folder/bin before everything else on PATH

This is the whole interface, with `local_aws.testing`, a pytest plugin, and the command `python -m local_aws`; every
other module may change.

Emulator: AWS's APIs on a loopback port, in a process of its own. `inject_faults` makes calls fail.
EmulatorError: it cannot be started; `DockerUnavailable` where Docker was asked for.
ensure_pulumi: finds the Pulumi CLI, a `PulumiCli`, or downloads or builds one; else `PulumiUnavailable`.
add_language_host: lets a CLI that was built from source run Python programs.
install_plugins: writes the stand-ins for the provider plugins.
engine_environment: makes the engine and its plugins use an emulator.
provider_configuration: the `aws` provider's configuration for an emulator.
parse_rules: checks rules for `inject_faults`; else `BadFaultRule`.
remove_containers: removes what a killed emulator left in Docker; else `ContainersStay`.
"""

from local_aws.emulator import DockerUnavailable, Emulator, EmulatorError
from local_aws.emulator.errors import ContainersStay
from local_aws.emulator.faults import BadFaultRule, parse_rules
from local_aws.emulator.runtimes.selection import remove_containers
from local_aws.environment import engine_environment, provider_configuration
from local_aws.plugins import install as install_plugins
from local_aws.pulumi_cli import PulumiCli, PulumiUnavailable, add_language_host
from local_aws.pulumi_cli import ensure as ensure_pulumi

__all__ = [
    "BadFaultRule",
    "ContainersStay",
    "DockerUnavailable",
    "Emulator",
    "EmulatorError",
    "PulumiCli",
    "PulumiUnavailable",
    "add_language_host",
    "engine_environment",
    "ensure_pulumi",
    "install_plugins",
    "parse_rules",
    "provider_configuration",
    "remove_containers",
]
