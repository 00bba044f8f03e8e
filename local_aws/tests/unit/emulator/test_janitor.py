"""What is left when the emulator is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from local_aws.emulator import janitor


def test_it_kills_the_groups_that_are_left_and_removes_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "emulator"
    folder.mkdir()
    left, ended = (subprocess.Popen(["sleep", "600"], start_new_session=True) for _ in range(2))
    told = f"+{left.pid}\n+{ended.pid}\n-{ended.pid}\n"
    subprocess.run([sys.executable, janitor.__file__, str(folder)], input=told, text=True, check=True)
    assert left.wait() == -9
    assert ended.poll() is None
    assert not folder.exists()
    os.killpg(ended.pid, 9)
    ended.wait()
