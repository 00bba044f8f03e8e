"""The Pulumi CLI: the local AWS finds, downloads or builds one; where that is not installed, the one on PATH."""

import shutil
from pathlib import Path
from types import ModuleType

from pulumi.automation import PulumiCommand

from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.stacks.target import Plugins, PulumiInstallation, Say


def find_pulumi(say: Say) -> PulumiInstallation:
    """The Pulumi CLI; `say` is told if one has to be downloaded or built.

    Raises:
        BadInput: there is none; the message says what to do.
    """
    local = _local()
    return _on_path() if local is None else local.find_pulumi(say)


def get_pulumi(bin_dir: Path, plugins: Plugins, say: Say) -> PulumiInstallation:
    """Find the Pulumi CLI, and write what it lacks to `bin_dir`: a language host, and the plugins if they are bundled.

    Raises:
        BadInput: there is no CLI, or no bundled plugins.
    """
    if (local := _local()) is not None:
        found: PulumiInstallation = local.get_pulumi(bin_dir, plugins, say)
        return found
    if plugins == "bundled":
        raise BadInput("--plugins bundled needs the package pulumi-local-aws: install the kit's folder local_aws/.")
    return _on_path()


def _local() -> ModuleType | None:
    try:
        from ecs_kit.automation.stacks import local
    except ModuleNotFoundError as error:
        if error.name != "local_aws":
            raise
        return None
    return local


def _on_path() -> PulumiInstallation:
    found = shutil.which("pulumi")
    if found is None:
        raise BadInput("the Pulumi CLI is needed, and there is none on PATH: https://www.pulumi.com/docs/install/")
    return PulumiInstallation(Path(found), str(PulumiCommand().version))
