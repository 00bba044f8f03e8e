"""What an AWS account needs of this machine."""

from pathlib import Path

import pytest

from ecs_kit.automation.stacks import local
from ecs_kit.automation.stacks.aws import AwsTarget
from ecs_kit.automation.stacks.target import Identity, Plugins, PulumiInstallation


@pytest.mark.parametrize("plugins", ["bundled", "published"])
def test_a_cli_that_brings_no_language_host_finds_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plugins: Plugins
) -> None:
    executable = tmp_path / "cli" / "bin" / "pulumi"
    monkeypatch.setattr(local, "find_pulumi", lambda _say: PulumiInstallation(executable, "3.259.0"))
    monkeypatch.setenv("PATH", str(tmp_path))
    aws = AwsTarget(
        plugins=plugins,
        confirmed=True,
        work_dir=tmp_path / "work",
        state_dir=tmp_path / "state",
        get_pulumi=local.get_pulumi,
    )
    aws.identity = Identity("000000000000", "us-east-1", "arn")

    aws.start(lambda _line: None)

    assert (tmp_path / "work" / "bin" / "pulumi-language-python").is_file()
    assert aws.environment["PATH"].startswith(f"{tmp_path / 'work' / 'bin'}:{executable.parent}:")
    assert aws.how_to_use("e2e")[0] == f". {tmp_path / 'work' / 'exports.sh'}"
    exports = (tmp_path / "work" / "exports.sh").read_text(encoding="utf-8")
    assert f'export PATH="{tmp_path / "work" / "bin"}:{executable.parent}:$PATH"' in exports.splitlines()
