"""Stand-ins for the `aws`, `awsx` and `docker` plugins, for some resource types: `aws.registry` lists them.

They honour the same configuration as the published plugins, so a program runs on both. An unknown type, property or
function is an error that names it.
"""

import os
import shlex
import sys
from pathlib import Path
from typing import Final

PACKAGES: Final = ("aws", "awsx", "docker")
PARENT_VARIABLE: Final = "LOCAL_AWS_PARENT_PROCESS"
"""Environment variable with the id of the process that started a plugin's."""
_ROOT: Final = Path(__file__).resolve().parents[2]


def install(bin_dir: Path) -> None:
    """Write an executable `pulumi-resource-<package>` for each plugin into `bin_dir`, to be put on PATH.

    Each runs this interpreter; nothing is downloaded.
    """
    bin_dir.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        write_executable(bin_dir / f"pulumi-resource-{package}", f"local_aws.plugins.{package}")


def write_executable(path: Path, module: str) -> None:
    """Write a shell script that runs a module of this project with this interpreter, in any working directory."""
    script = (
        "#!/bin/sh\n"
        f"PYTHONPATH={shlex.quote(str(_ROOT))}${{PYTHONPATH:+:$PYTHONPATH}} PYTHONSAFEPATH=1\n"
        f"{PARENT_VARIABLE}=$PPID\n"
        f"export PYTHONPATH PYTHONSAFEPATH {PARENT_VARIABLE}\n"
        f'exec {shlex.quote(sys.executable)} -m {module} "$@"\n'
    )
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(script)
    new.chmod(0o755)
    new.replace(path)
