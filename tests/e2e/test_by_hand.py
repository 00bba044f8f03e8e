"""`pulumi` in a shell that was led to the local AWS, as the README's "By hand" shows it."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_aws import session

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).resolve().parents[2]

Pulumi = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def pulumi(tmp_path: Path) -> Iterator[Pulumi]:
    """Runs the command of that name in the project's folder, with a stack `hand`, and answers with how it ended."""
    started = session.start(tmp_path / "local", container_runtime="process", say=lambda _line: None)
    script = "\n".join([*started.exports(), f'cd "{ROOT}"', 'exec pulumi --non-interactive --color never "$@"'])

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["sh", "-c", script, "pulumi", *arguments],
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    initialised = run("stack", "init", "hand", "--no-select")
    assert initialised.returncode == 0, initialised.stderr
    yield run
    session.stop(tmp_path / "local", say=lambda _line: None)
    (ROOT / "Pulumi.hand.yaml").unlink(missing_ok=True)


def settings(folder: Path, **values: str) -> str:
    lines = [f"  ecs-step-functions-kit:{key}: {value}" for key, value in values.items()]
    path = folder / "Pulumi.hand.yaml"
    path.write_text("\n".join(["config:", "  aws:region: us-east-1", *lines]) + "\n", encoding="utf-8")
    return str(path)


def test_a_value_out_of_range_is_refused_once_and_nothing_is_created(pulumi: Pulumi, tmp_path: Path) -> None:
    refused = pulumi("up", "--yes", "--stack", "hand", "--config-file", settings(tmp_path, taskMemory="7"))

    assert refused.returncode != 0
    _, _, diagnostics = refused.stdout.partition("Diagnostics:")
    assert diagnostics.count("taskMemory = '7': must be a whole number from 512 to 122880") == 1
    assert "created" not in refused.stdout
