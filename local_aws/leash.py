"""Runs a command that must not outlive its parent.

It runs as a process in a session of its own, with nothing but the standard library; its arguments are the command. When
its standard input ends, because its parent ended in any way, it kills its process group. It exits as the command does.
"""

import os
import signal
import subprocess
import sys
import threading


def main() -> None:
    """Run the command until it or standard input ends."""
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    threading.Thread(target=_end_with_input, daemon=True).start()
    code = process.wait()
    os._exit(code if code >= 0 else 128 - code)


def _end_with_input() -> None:
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
