"""Programs of Python as copies of an interpreter."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_aws.emulator.children import Children, signal_group
from local_aws.emulator.runtimes.fork_server import is_understood
from local_aws.emulator.runtimes.process import Process
from local_aws.emulator.runtimes.simulated import CopiedProcess, CopyingChildren


@pytest.fixture(scope="module")
def copying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CopyingChildren]:
    made = CopyingChildren(Children(tmp_path_factory.mktemp("emulator")), tmp_path_factory.mktemp("runtime"))
    yield made
    made.close()


def start(copying: CopyingChildren, folder: Path, program: str, *arguments: str, **environment: str) -> Process:
    (folder / "program.py").write_text(program)
    command = [sys.executable, str(folder / "program.py"), *arguments]
    process = copying.start(command, environment=environment, folder=folder)
    assert isinstance(process, CopiedProcess)
    return process


def result(process: Process) -> tuple[int, str]:
    """How it ended, and what it wrote."""
    assert process.stdout is not None
    with process.stdout as stream:
        text = stream.read().decode()
    return process.wait(), text


@pytest.mark.parametrize(
    ("program", "code", "output"),
    [
        ("print('done')", 0, "done\n"),
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no')", 1, "no\n"),
        ("import os; os._exit(7)", 7, ""),
        ("import os; os.kill(os.getpid(), 9)", -9, ""),
        ("import atexit, sys; atexit.register(print, 'last'); sys.exit(4)", 4, "last\n"),
        ("import threading; threading.Thread(target=print, args=('thread',)).start()", 0, "thread\n"),
    ],
)
def test_a_copy_ends_as_its_program_does(
    copying: CopyingChildren, tmp_path: Path, program: str, code: int, output: str
) -> None:
    assert result(start(copying, tmp_path, program)) == (code, output)


def test_an_exception_ends_it_with_a_traceback(copying: CopyingChildren, tmp_path: Path) -> None:
    code, output = result(start(copying, tmp_path, "raise ValueError('wrong')"))
    assert code == 1 and output.endswith("ValueError: wrong\n") and "program.py" in output


def test_a_copy_has_its_own_arguments_environment_folder_and_modules(copying: CopyingChildren, tmp_path: Path) -> None:
    (tmp_path / "helper.py").write_text("NAME = 'helper'")
    program = "import helper, os, sys; print(sys.argv[1:], sorted(os.environ), os.getcwd(), helper.NAME)"
    assert result(start(copying, tmp_path, program, "a", "b", ONE="1"))[1] == f"['a', 'b'] ['ONE'] {tmp_path} helper\n"


def test_a_module_is_found_in_its_folder_and_on_pythonpath(copying: CopyingChildren, tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__main__.py").write_text("import sys; print(__package__, sys.argv[1:])")
    (tmp_path / "elsewhere").mkdir()
    for environment, folder in (({}, tmp_path), ({"PYTHONPATH": str(tmp_path)}, tmp_path / "elsewhere")):
        command = [sys.executable, "-m", "package", "x"]
        process = copying.start(command, environment=environment, folder=folder)
        assert result(process) == (0, "package ['x']\n")


def test_the_aws_sdk_has_each_copy_s_own_credentials_and_region(copying: CopyingChildren, tmp_path: Path) -> None:
    program = (
        "import boto3; client = boto3.client('s3'); "
        "print(boto3.DEFAULT_SESSION.get_credentials().access_key, client.meta.region_name, client.meta.endpoint_url)"
    )
    for key, region in (("one", "eu-central-1"), ("two", "us-west-2")):
        given = {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": "s", "AWS_DEFAULT_REGION": region}
        expected = f"{key} {region} http://127.0.0.1:1\n"
        assert result(start(copying, tmp_path, program, **given, AWS_ENDPOINT_URL="http://127.0.0.1:1")) == (
            0,
            expected,
        )


def test_a_signal_reaches_the_whole_group_of_a_copy_alone(copying: CopyingChildren, tmp_path: Path) -> None:
    waiting = "import os, signal; os.fork(); print(signal.getsignal(signal.SIGINT), flush=True); signal.pause()"
    first, second = (start(copying, tmp_path, waiting) for _ in range(2))
    for process in (first, second):
        assert process.stdout is not None
        assert b"default_int_handler" in process.stdout.readline() + process.stdout.readline()
    signal_group(first.pid, signal.SIGTERM)
    assert result(first)[0] == -signal.SIGTERM
    signal_group(second.pid, signal.SIGKILL)
    assert result(second)[0] == -signal.SIGKILL


def test_what_is_left_is_killed_with_the_server(tmp_path: Path) -> None:
    (tmp_path / "emulator").mkdir()
    copying = CopyingChildren(Children(tmp_path / "emulator"), tmp_path)
    process = start(copying, tmp_path, "import signal; signal.pause()")
    copying.close()
    assert process.wait() == -signal.SIGKILL
    with pytest.raises(OSError):
        start(copying, tmp_path, "")


def test_other_programs_are_started_as_processes(copying: CopyingChildren, tmp_path: Path) -> None:
    assert [is_understood(given) for given in ([], ["-m"], ["-c", "1"], ["-u", "x.py"])] == [False] * 4
    for command in (["/bin/sh", "-c", "exit 5"], [sys.executable, "-c", "raise SystemExit(5)"]):
        process = copying.start(command, environment={}, folder=tmp_path)
        assert result(process) == (5, "") and not isinstance(process, CopiedProcess)
