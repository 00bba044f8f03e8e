"""`pulumi` in a shell with the local AWS's environment, as the README's "By hand" shows it."""

import subprocess
from pathlib import Path

import pytest

from local_aws import session
from tests.e2e.conftest import NAMESPACE, ROOT

pytestmark = pytest.mark.e2e


def test_a_value_out_of_range_is_refused_once_and_nothing_is_created(tmp_path: Path) -> None:
    settings = tmp_path / "Pulumi.hand.yaml"
    settings.write_text(f"config:\n  aws:region: us-east-1\n  {NAMESPACE}:taskMemory: 7\n", encoding="utf-8")
    started = session.start(tmp_path / "local", container_runtime="process", say=lambda _line: None)
    script = "\n".join(
        [
            *started.exports(),
            f'cd "{ROOT}"',
            "pulumi --non-interactive stack init hand --no-select >&2 || exit 99",
            f'pulumi --non-interactive --color never up --yes --stack hand --config-file "{settings}"',
        ]
    )
    try:
        refused = subprocess.run(
            ["sh", "-c", script],
            env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
    finally:
        session.stop(tmp_path / "local", say=lambda _line: None)
        (ROOT / "Pulumi.hand.yaml").unlink(missing_ok=True)

    assert refused.returncode not in (0, 99), refused.stderr
    _, _, diagnostics = refused.stdout.partition("Diagnostics:")
    assert diagnostics.count("taskMemory = '7': must be a whole number from 512 to 122880") == 1
    assert "created" not in refused.stdout
