"""The kit as an installed package: a program elsewhere deploys it, without this checkout."""

import json
import os
import shlex
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from local_aws import ensure_pulumi
from local_aws.pulumi_cli import default_cache_dir
from tests.documentation import example
from tests.e2e.conftest import DRIVER_SECONDS, ROOT, copy_project

pytestmark = [pytest.mark.e2e, pytest.mark.acceptance]

PROGRAM = f"""\
{example("your-own-job.md", 'pulumi.export("pattern2"')}
from ecs_kit import TaskSubmissionFromLambda

pulumi.export("pattern1", dict(TaskSubmissionFromLambda("jobs", PatternArgs()).outputs))
"""
"""The documentation's, and a second pattern."""

OWN_CONTAINER = {
    "Pulumi.yaml": "name: greetings\nruntime: python\n",
    "__main__.py": example("your-own-job.md", 'TaskSubmissionFromLambda("greetings"'),
    "image/Dockerfile": 'FROM scratch\nCOPY greet.sh /greet.sh\nENTRYPOINT ["/bin/sh", "/greet.sh"]\n',
    "image/greet.sh": 'echo "$1 says hello"\n',
    "tasks.json": '[{"taskName": "bear"}, {"taskName": "wolf"}]',
}
START = example("commands.md", "ecs_kit.start").replace('"dev"', '"e2e"')


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The wheels of the kit and of the local AWS."""
    sources, made = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("wheels")
    copy_project(sources, ("ecs_kit", "local_aws", "pyproject.toml", "README.md", "LICENSE"))
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check")
    folders = (str(sources), str(sources / "local_aws"))
    command = (*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", str(made), *folders)
    subprocess.run(command, check=True, timeout=DRIVER_SECONDS)
    return sorted(made.iterdir())


@pytest.fixture(scope="module")
def executable(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ecs-kit` with the local AWS."""
    return install(wheels, tmp_path_factory.mktemp("environment"))


def install(wheels: list[Path], folder: Path) -> Path:
    """`ecs-kit` in a virtual environment with wheels, and otherwise with the packages of this interpreter."""
    subprocess.run((sys.executable, "-m", "venv", "--without-pip", str(folder)), check=True)
    python = folder / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check")
    subprocess.run((*pip, "--no-deps", *map(str, wheels)), check=True, timeout=DRIVER_SECONDS)
    (site_packages,) = (folder / "lib").glob("python*/site-packages")
    (site_packages / "further.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return folder / "bin" / "ecs-kit"


def test_a_wheel_holds_one_package(wheels: list[Path]) -> None:
    for wheel, package in zip(wheels, ("ecs_kit", "local_aws"), strict=True):
        names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
        assert {name for name in names if not name.endswith(".dist-info")} == {package}


def test_the_kit_s_wheel_holds_the_pages_of_conditions_and_the_prices(wheels: list[Path]) -> None:
    names = set(zipfile.ZipFile(wheels[0]).namelist())
    pages = {f"ecs_kit/conditions/{page.name}" for page in (ROOT / "docs" / "conditions").glob("*.md")}
    assert {*pages, "ecs_kit/runtime/reporter/prices.toml"} - names == set()


def call(executable: Path, folder: Path, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Call the command in a program's folder; `more` goes into its environment."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PULUMI_", "KIT_", "PYTHON"))
    }
    environment = {**kept, "HOME": str(folder), "XDG_CACHE_HOME": str(default_cache_dir().parent), **more}
    command = (executable, *arguments)
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=DRIVER_SECONDS, check=False
    )
    print(done.stdout, done.stderr)
    return done


def test_a_program_in_a_folder_of_its_own_deploys_and_runs_both_patterns(executable: Path, tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: my-jobs\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)

    done = call(executable, tmp_path, "--json", "report.json")

    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert [(each["pattern"], each["copies"], each["problems"]) for each in report["patterns"]] == [
        (1, 10, []),
        (2, 10, []),
    ]
    assert (report["destroyed"], report["leftovers"]) == (True, [])


def test_a_container_of_one_s_own_is_deployed_and_run_command_by_command(executable: Path, tmp_path: Path) -> None:
    (tmp_path / "image").mkdir()
    for name, text in OWN_CONTAINER.items():
        (tmp_path / name).write_text(text)

    deployed = call(executable, tmp_path, "deploy", "--container-runtime", "process", "--pattern", "1")
    assert deployed.returncode == 0, deployed.stderr
    (file,) = (line.split(" . ", 1)[1] for line in deployed.stderr.splitlines() if line.endswith("/exports.sh"))
    exports = (line.removeprefix("export ") for line in Path(file).read_text(encoding="utf-8").splitlines())
    use = dict(os.path.expandvars(shlex.split(line)[0]).split("=", 1) for line in exports)
    started = call(executable, tmp_path, "start", "--specs", "tasks.json", "--watch", "--json", **use)
    assert started.returncode == 0, started.stderr
    assert json.loads(started.stdout)["runs"][0]["status"] == "Completed"
    assert call(executable, tmp_path, "logs", "--task", "bear", **use).stdout == "bear says hello\n"
    again = subprocess.run(
        (executable.with_name("python"), "-c", START),
        cwd=tmp_path,
        env={**os.environ, **use},
        capture_output=True,
        text=True,
        check=True,
    )
    assert again.stdout == "Completed\n"
    assert call(executable, tmp_path, "destroy").returncode == 0
    assert not [path for path in (tmp_path / ".kit" / "runs").iterdir() if path.is_dir()]


def test_the_commands_for_aws_need_no_local_aws(wheels: list[Path], tmp_path: Path) -> None:
    executable = install(wheels[:1], tmp_path / "environment")
    (tmp_path / "Pulumi.yaml").write_text("name: my-jobs\nruntime: python\n")
    python = (executable.with_name("python"), "-c", "import ecs_kit; ecs_kit.start({}, [])")
    started = subprocess.run(python, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "stack given holds no pattern" in started.stderr
    (tmp_path / "state").mkdir()
    where = {"PULUMI_BACKEND_URL": f"file://{tmp_path}/state", "PULUMI_CONFIG_PASSPHRASE": ""}
    without = call(executable, tmp_path, "status", PATH="/usr/bin", **where)
    assert (without.returncode, "there is none on PATH" in without.stderr) == (2, True)
    cli = ensure_pulumi(progress=print).path.parent
    found = call(executable, tmp_path, "status", PATH=f"{cli}:/usr/bin", **where)
    assert (found.returncode, "has no stack of this project" in found.stderr) == (2, True)
    local = call(executable, tmp_path, "deploy")
    assert (local.returncode, "needs the package pulumi-local-aws" in local.stderr) == (2, True)


def test_a_folder_without_a_program_is_named(executable: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        (executable,), cwd=tmp_path, capture_output=True, text=True, timeout=DRIVER_SECONDS, check=False
    )
    assert done.returncode == 2
    assert f"{tmp_path} holds no Pulumi.yaml" in done.stderr
    assert not list(tmp_path.iterdir())
