"""Two at once that start the local AWS of one checkout."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local_aws import session

LIMIT_SECONDS = 60.0


class FakeEmulator:
    """An emulator that is slow to start."""

    starting = threading.Event()
    may_answer = threading.Event()
    made = 0

    pid, endpoint_url, container_runtime, container_runtime_reason = 1, "http://127.0.0.1:1", "process", "a test"

    def __init__(self, _folder: Path, *, log_file: Path, **_: object) -> None:
        type(self).made += 1
        self.log_file = log_file

    def start(self) -> None:
        self.starting.set()
        assert self.may_answer.wait(LIMIT_SECONDS)


def test_one_starts_it_and_the_other_says_that_it_waits_and_takes_that_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "Emulator", FakeEmulator)
    monkeypatch.setattr(session, "engine_environment", lambda *_: {})
    monkeypatch.setattr(session, "_pulumi", lambda *_: ())
    monkeypatch.setattr(session.Session, "lives", True)
    folder, said = tmp_path / "local", list[str]()

    def say(line: str) -> None:
        said.append(line)
        FakeEmulator.may_answer.set()

    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(session.start, folder, say=lambda _line: None)
        assert FakeEmulator.starting.wait(LIMIT_SECONDS)
        second = threads.submit(session.start, folder, say=say)

        assert first.result(LIMIT_SECONDS) == second.result(LIMIT_SECONDS)

    assert said == [
        f"another process starts or stops the local AWS in {folder}: waiting for it",
        "the local AWS runs already at http://127.0.0.1:1",
    ]
    assert FakeEmulator.made == 1
