"""What the README shows, with the package as pip installs it: without the rest of this repository."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from local_aws import session

PACKAGE = Path(__file__).resolve().parents[1]
README = (PACKAGE / "README.md").read_text(encoding="utf-8")
NOT_IN_IT = shutil.ignore_patterns("tests", "build", "__pycache__", "*.egg-info")


def block(language: str, number: int = 0) -> str:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)[number]


def without_ids(text: str) -> str:
    return re.sub(r"-[0-9a-f]{7}\b", "-…", text)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the package is made of. A build leaves files beside it."""
    return Path(shutil.copytree(PACKAGE, tmp_path_factory.mktemp("source") / "local_aws", ignore=NOT_IN_IT))


@pytest.fixture(scope="module")
def installed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the package's wheel holds."""
    folder = tmp_path_factory.mktemp("installed")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-cache-dir", "--wheel-dir", str(folder))
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(source)], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_the_wheel_holds_all_of_the_package(source: Path, installed: Path) -> None:
    def content(folder: Path) -> set[str]:
        return {str(file.relative_to(folder)) for file in folder.rglob("*.*") if file.suffix in (".py", ".mod", ".sum")}

    assert content(installed / "local_aws") == content(PACKAGE) - {
        name for name in content(PACKAGE) if name.startswith(("tests/", "build/"))
    }


@pytest.mark.integration
def test_the_program_does_with_the_commands_what_is_shown(installed: Path, tmp_path: Path) -> None:
    program = block("python")
    assert len([line for line in program.splitlines() if line]) == 10
    (tmp_path / "Pulumi.yaml").write_text(block("yaml"))
    (tmp_path / "__main__.py").write_text(program)
    (tmp_path / "as_writer.py").write_text(block("python", 1))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    try:
        shell = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", block("sh")],
            cwd=tmp_path,
            env={**kept, "PATH": path, "PYTHONPATH": str(installed)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    finally:
        session.stop(tmp_path / ".local-aws")

    assert shell.returncode == 0, shell.stdout
    said = without_ids(shell.stdout)
    assert [line for line in block("text").splitlines() if without_ids(line) not in said] == [], shell.stdout
