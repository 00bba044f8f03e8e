"""A driver goes on where nobody reads any more what it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecs_kit.automation.host.tolerant_stderr import TolerantStream, tolerant_stderr

ROOT = Path(__file__).resolve().parents[4]

SAYS = """
import sys
from ecs_kit.automation.cli.entry_point import exit_status

def act(_interruption):
    assert not sys.stderr.isatty()
    for number in range(3):
        print("said", number, file=sys.stderr, flush=True)
    return 7

sys.exit(exit_status(act))
"""


def test_what_cannot_be_written_is_dropped() -> None:
    reader, writer = os.pipe()
    with os.fdopen(writer, "w", encoding="utf-8") as stream:
        lasting = TolerantStream(stream)
        lasting.write("read\n")
        lasting.flush()
        assert os.read(reader, 100) == b"read\n"
        os.close(reader)
        for _ in range(2):
            assert lasting.write("not read\n") == 9
            lasting.flush()
        assert (lasting.isatty(), lasting.encoding) == (False, "utf-8")


@pytest.mark.parametrize("redirection", ["", "2>&-"])
def test_the_exit_status_is_the_one_of_what_was_done(redirection: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {redirection}', sys.executable, SAYS],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=writer,
        check=False,
    )
    os.close(writer)
    assert ended.returncode == 7


def test_it_is_put_back() -> None:
    before = sys.stderr
    with tolerant_stderr():
        assert sys.stderr is not before
    assert sys.stderr is before
