"""Ends what the emulator started when the emulator itself is gone.

Run as a process of its own with nothing but the standard library. On its standard input it is told which process
groups run (`+<pid>`) and which have ended (`-<pid>`), one a line. When the input ends, because the emulator ended,
however that came about, it kills the groups that are left and removes the emulator's folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys


def main() -> None:
    """Follow standard input to its end, then clean up. The only argument is the folder to remove."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        sign, pid = line[:1], int(line[1:])
        (groups.add if sign == "+" else groups.discard)(pid)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    shutil.rmtree(sys.argv[1], ignore_errors=True)


if __name__ == "__main__":
    main()
