"""What becomes of work folders, and what is said of it."""

import io
import signal
from dataclasses import replace
from pathlib import Path

import pytest

import local_aws
from ecs_kit.automation.cli import clean
from ecs_kit.automation.cli.command_options import CommandOptions
from ecs_kit.automation.errors import DestroyConfirmationNeeded, ProcessesRemain
from ecs_kit.automation.host import processes, workfolders
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.host.processes import Process
from ecs_kit.automation.host.workfolders import Record
from ecs_kit.automation.stacks.target import Identity, Say

KILLED = Record(17, "2026-11-24T09:20:09Z", ("e2e.py",), "local", "e2e", "bundled")
KEPT = replace(KILLED, kept=True, use=("export AWS_ENDPOINT_URL=http://127.0.0.1:1",))


def test_killed_ones_go_kept_ones_stay_and_what_nobody_knows_is_left_alone() -> None:
    assert clean.decision(KILLED, empty=False, kept_too=False) == "remove"
    assert clean.decision(KEPT, empty=False, kept_too=False) == "keep"
    assert clean.decision(None, empty=False, kept_too=False) == "unknown"
    assert clean.decision(None, empty=True, kept_too=False) == "remove"
    assert {clean.decision(record, empty=False, kept_too=True) for record in (KILLED, KEPT, None)} == {"remove"}


def test_processes_are_counted_for_people() -> None:
    ended = [Process(1, "plugin"), Process(2, "plugin"), Process(3, "emulator"), Process(4, "process")]

    assert clean.counted(ended) == "1 emulator, 2 plugins, 1 process"
    assert clean.counted([Process(1, "process"), Process(2, "process")]) == "2 processes"


def folder(root: Path, name: str, record: Record | None) -> Path:
    path = root / ".kit" / "runs" / name
    (path / "state").mkdir(parents=True)
    if record is not None:
        held = workfolders.hold(path)
        held.start(record)
        held.close()
    return path


def clean_runs(root: Path, capsys: pytest.CaptureFixture[str], *, kept: bool = False) -> tuple[int, list[str]]:
    status = clean.clean(CommandOptions("clean", kept=kept), root=root, interruption=Interruption())
    return status, [line[8:].strip() for line in capsys.readouterr().err.splitlines()]


def test_clean_says_what_it_removed_and_what_it_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    killed, kept, unknown = (
        folder(tmp_path, name, record) for name, record in (("1", KILLED), ("2", KEPT), ("3", None))
    )

    assert clean_runs(tmp_path, capsys) == (
        0,
        [
            "removing what is left of e2e 1 (process 17, started 2026-11-24T09:20:09Z; "
            "killed, or ended before everything was removed)",
            f"removed {killed}",
            "kept: 2 (process 17, started 2026-11-24T09:20:09Z; kept by --keep); its emulator has ended",
            "`clean --kept` removes it",
            f"left alone, as it has no record: {unknown}; `clean --kept` removes it",
        ],
    )
    assert (killed.exists(), kept.exists(), unknown.exists()) == (False, True, True)
    assert clean_runs(tmp_path, capsys, kept=True)[0] == 0
    assert not kept.exists() and not unknown.exists()
    assert clean_runs(tmp_path, capsys, kept=True) == (0, ["nothing to clean"])


def test_processes_that_stay_are_a_failure_and_the_folder_stays_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(path: Path) -> list[Process]:
        raise ProcessesRemain(path, "engine 7")

    monkeypatch.setattr(processes, "end", end)
    killed = folder(tmp_path, "1", KILLED)

    status, said = clean_runs(tmp_path, capsys)

    assert status == 1 and "do not end: engine 7" in said[-1]
    assert killed.exists()


def test_the_containers_of_every_emulator_are_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(clean, "remove_containers", lambda emulator: asked.append(emulator) or 2)
    (folder(tmp_path, "1", replace(KILLED, emulator_name="emulator-a")) / "emulator" / "emulator-b").mkdir(parents=True)

    _, said = clean_runs(tmp_path, capsys)

    assert sorted(asked) == ["emulator-a", "emulator-b"]
    assert "removed 4 containers" in said


def test_containers_that_stay_are_a_failure_and_the_folder_stays_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def remove(emulator: str) -> int:
        raise local_aws.ContainersStay(f"label={emulator}", "permission denied")

    monkeypatch.setattr(local_aws, "remove_containers", remove)
    killed = folder(tmp_path, "1", replace(KILLED, emulator_name="emulator-a"))

    status, said = clean_runs(tmp_path, capsys)

    assert status == 1 and killed.exists()
    assert said[-1] == (
        "containers with the label label=emulator-a could not be removed: permission denied. "
        "See that Docker works, and run `clean` again."
    )


class NobodyThere:
    """A target that can be used."""

    def __init__(self, **_: object) -> None: ...

    def check(self) -> None: ...


@pytest.mark.parametrize("is_there", [False, True])
def test_a_name_that_is_no_stack_s_leaves_no_folder_and_removes_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    monkeypatch.setattr(clean, "AwsTarget", NobodyThere)
    monkeypatch.setattr(clean, "is_interactive", lambda: False)
    folder = tmp_path / ".kit" / "aws" / "e2w"
    if is_there:
        folder.mkdir(parents=True)

    with pytest.raises(DestroyConfirmationNeeded):
        options = CommandOptions("clean", target="aws", stack="e2w")
        clean.clean(options, root=tmp_path, interruption=Interruption())

    assert folder.exists() == is_there


def test_a_run_cleans_up_first_and_stops_an_engine_that_outlived_its_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    killed = folder(tmp_path, "1", KILLED)
    kept = folder(tmp_path, "2", KEPT)
    engines = [[Process(5, "engine")], [Process(5, "engine")], []]
    monkeypatch.setattr(clean, "_POLL_SECONDS", 0.0)
    stack = workfolders.hold(tmp_path / ".kit" / "aws" / "e2e")
    stack.start(replace(KILLED, target="aws"))
    monkeypatch.setattr(processes, "end", lambda _folder: [])
    monkeypatch.setattr(processes, "find", lambda _folder: engines.pop(0))
    told: list[tuple[int, signal.Signals]] = []
    monkeypatch.setattr(processes, "tell", lambda pid, number: told.append((pid, number)))

    clean.before_a_run(stack, runs=killed.parent, say=said.append)

    assert not killed.exists() and kept.exists() and engines == []
    assert said[-2:] == [
        "left on AWS: stack e2e of e2e (process 17, started 2026-11-24T09:20:09Z; "
        "killed, or ended before everything was removed)",
        "telling its engine (5) to stop; it finishes what it has begun",
    ]
    assert told == [(5, signal.SIGINT)], "once: a second signal would end it at once"
    stack.close()


class Resource:
    """As much of a resource in a state as cleaning looks at."""

    def __init__(self, kind: str) -> None:
        self.type = kind


class LeftOnAws:
    """A stack with one resource, and the target that it is on."""

    identity = Identity("123456789012", "eu-west-1", "arn")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.asked: list[str] = []

    def check(self) -> None:
        self.asked.append("check")

    def start(self, _say: Say) -> None:
        self.asked.append("start")

    def use_docker(self) -> None:
        self.asked.append("docker")

    def resources(self) -> list[Resource]:
        self.asked.append("resources")
        return [Resource(self.kind)]


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("aws:s3/bucket:Bucket", ["check", "start", "resources"]),
        ("docker:index/image:Image", ["check", "start", "resources", "docker"]),
    ],
)
def test_a_stack_with_an_image_of_its_own_is_destroyed_with_docker_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, asked: list[str]
) -> None:
    left = LeftOnAws(kind)
    monkeypatch.setattr(clean, "AwsTarget", lambda **_: left)
    monkeypatch.setattr(clean._CleanAws, "_open", lambda *_: left)
    monkeypatch.setattr(clean, "is_interactive", lambda: True)
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    held = workfolders.hold(tmp_path / ".kit" / "aws" / "e2e")
    held.start(replace(KILLED, target="aws"))
    held.close()

    clean.clean(CommandOptions("clean", target="aws"), root=tmp_path, interruption=Interruption())

    assert left.asked == asked


def test_revisions_that_a_plain_destroy_left_are_told_where_there_is_nothing_to_destroy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(clean, "AwsTarget", lambda **_: LeftOnAws("none"))
    monkeypatch.setattr(clean._CleanAws, "_open", lambda *_: None)

    options = CommandOptions("clean", target="aws", stack="e2e", yes=True)
    clean.clean(options, root=tmp_path, interruption=Interruption())

    said = capsys.readouterr().err
    assert "stack e2e is not in Pulumi's backend: there is nothing to destroy" in said
    assert "Task definition revisions that a plain `pulumi destroy` left stay ACTIVE" in said
    assert not (tmp_path / ".kit" / "aws" / "e2e").exists()
