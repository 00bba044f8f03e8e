"""The executables that the engine starts: plugins and language host."""

import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi import RunError
from pulumi.runtime.proto import language_pb2, language_pb2_grpc, provider_pb2_grpc

from local_aws import language_host
from local_aws.plugins import PACKAGES, install, write_executable
from local_aws.testing.sockets import listening

VERSIONS = {"aws": "7.51.1", "awsx": "3.11.0", "docker": "4.11.2"}


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    install(tmp_path / "bin with space")
    return tmp_path / "bin with space"


@pytest.fixture
def process(request: pytest.FixtureRequest, bin_dir: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    write_executable(bin_dir / "pulumi-language-python", "local_aws.language_host")
    started = subprocess.Popen(
        [str(bin_dir / request.param), "127.0.0.1:1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    yield started, int(started.stdout.readline())
    if started.poll() is None:
        started.kill()
    started.communicate()


def assert_ends_quietly(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    assert (process.communicate(timeout=30)[1], process.returncode) == ("", 0)


def test_installing_twice_is_fine(bin_dir: Path) -> None:
    install(bin_dir)
    assert sorted(item.name for item in bin_dir.iterdir()) == sorted(f"pulumi-resource-{name}" for name in PACKAGES)
    assert all(os.access(item, os.X_OK) for item in bin_dir.iterdir())


@pytest.mark.parametrize("process", [f"pulumi-resource-{name}" for name in PACKAGES], indirect=True)
def test_a_plugin_serves_and_ends_quietly(process: tuple[subprocess.Popen[str], int]) -> None:
    started, port = process
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        info = provider_pb2_grpc.ResourceProviderStub(channel).GetPluginInfo(empty_pb2.Empty())
    assert info.version in VERSIONS.values()
    assert listening(started.pid) == {"127.0.0.1"}
    assert_ends_quietly(started)


@pytest.mark.parametrize("process", ["pulumi-language-python"], indirect=True)
def test_the_language_host_serves_and_ends_quietly(process: tuple[subprocess.Popen[str], int]) -> None:
    started, port = process
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub = language_pb2_grpc.LanguageRuntimeStub(channel)
        stub.Handshake(language_pb2.LanguageHandshakeRequest())
        assert stub.GetPluginInfo(empty_pb2.Empty()).version
        assert stub.About(language_pb2.AboutRequest()).executable
        assert not stub.GetRequiredPackages(language_pb2.GetRequiredPackagesRequest()).packages
        assert listening(started.pid) == {"127.0.0.1"}
        stub.Cancel(empty_pb2.Empty())
    assert_ends_quietly(started)


@pytest.mark.parametrize("name", [*(f"pulumi-resource-{name}" for name in PACKAGES), "pulumi-language-python"])
def test_the_engine_s_processes_end_with_an_engine_that_is_killed(bin_dir: Path, name: str) -> None:
    write_executable(bin_dir / "pulumi-language-python", "local_aws.language_host")
    engine = subprocess.Popen(
        ["sh", "-c", '"$0" 127.0.0.1:1 & wait', str(bin_dir / name)], stdout=subprocess.PIPE, text=True
    )
    assert engine.stdout is not None
    assert int(engine.stdout.readline()) > 0
    engine.kill()
    printed, _ = engine.communicate(timeout=60)
    assert printed == "", "the pipe ends when its last writer has ended"


def test_a_program_runs_as_python_would_run_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [])
    (tmp_path / "beside.py").write_text("VALUE = 'seen'\n")
    code = "from pathlib import Path\nimport beside\nassert __name__ == '__main__'\nPath(__file__).with_name('out')"
    (tmp_path / "__main__.py").write_text(f"{code}.write_text(beside.VALUE)\nraise SystemExit(0)\n")
    language_host.run_program(language_host.program_file(tmp_path, "."))
    assert (tmp_path / "out").read_text() == "seen"


def test_a_program_that_is_not_there_or_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no program"):
        language_host.run_program(language_host.program_file(tmp_path, ""))
    (tmp_path / "__main__.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(RunError, match="exit status 3"):
        language_host.run_program(language_host.program_file(tmp_path, "__main__.py"))


def test_an_error_is_shown_from_the_program_s_first_line_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host, and the virtual environment, may be in the folder of the project."""
    monkeypatch.setattr("sys.path", list(sys.path))
    program, host = tmp_path / "__main__.py", tmp_path / "host.py"
    program.write_text("def inner():\n    raise ValueError('no bears')\ninner()\n")
    host.write_text("from local_aws.language_host import run_program\nrun_program(program)\n")

    with pytest.raises(ValueError, match="no bears") as raised:
        runpy.run_path(str(host), {"program": program})

    shown = language_host.users_part(raised.value, program).splitlines()
    assert shown[:2] == ["Traceback (most recent call last):", f'  File "{program}", line 3, in <module>']
    assert shown[-1] == "ValueError: no bears"
