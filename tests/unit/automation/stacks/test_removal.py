"""What the driver advises to remove a local run by hand works as it stands."""

import subprocess
import sys
import threading
from pathlib import Path

from ecs_kit.automation.stacks.local import removal

LINGERS = """
import pathlib, signal, sys
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
print("ready", flush=True)
signal.sigwait([signal.SIGTERM])
for number in range(2000):
    (pathlib.Path(sys.argv[1]) / str(number)).write_text("still writing")
"""


def paste(lines: list[str]) -> "subprocess.CompletedProcess[str]":
    command = ["sh", "-c", "\n".join(lines)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_an_emulator_that_still_writes_when_it_is_told_to_end_is_waited_for(tmp_path: Path) -> None:
    folder = tmp_path / "it's here"
    folder.mkdir()
    emulator = subprocess.Popen([sys.executable, "-c", LINGERS, str(folder)], stdout=subprocess.PIPE)
    assert emulator.stdout is not None and emulator.stdout.readline() == b"ready\n"
    reaper = threading.Thread(target=emulator.communicate, daemon=True)
    reaper.start()

    done = paste(removal(folder, emulator.pid))

    reaper.join(60)
    assert not reaper.is_alive(), "the emulator was told to end, and did not"
    assert (done.returncode, done.stderr, folder.exists()) == (0, "", False)


def test_an_emulator_that_has_ended_already_is_no_trouble(tmp_path: Path) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()

    done = paste(removal(tmp_path / "run", ended.pid))

    assert (done.returncode, done.stderr) == (0, "")
