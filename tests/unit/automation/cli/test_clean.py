"""What `clean` and the next run remove of work folders, and what they print."""

import io
import signal
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

import local_aws
from ecs_kit.automation.cli import clean
from ecs_kit.automation.cli import options as command_line
from ecs_kit.automation.errors import BadInput, DriverError
from ecs_kit.automation.host import processes, workfolders
from ecs_kit.automation.host.interruption import Interruption
from ecs_kit.automation.host.processes import Process
from ecs_kit.automation.host.workfolders import Record
from ecs_kit.automation.stacks import local
from ecs_kit.automation.stacks.lifecycle import PhysicalResource
from ecs_kit.automation.stacks.target import Identity, Say

KILLED = Record(17, "2026-11-24T09:20:09Z", "e2e", "bundled")
KEPT = replace(KILLED, kept=True, use=("export AWS_ENDPOINT_URL=http://127.0.0.1:1",))


def folder(root: Path, name: str, record: Record | None, target: str = "runs") -> Path:
    path = root / ".kit" / target / name
    (path / "state").mkdir(parents=True)
    if record is not None:
        held = workfolders.hold(path)
        held.start(record)
        held.close()
    return path


def run(root: Path, arguments: str = "") -> int:
    options = command_line.parse_command(["clean", *arguments.split()])
    return clean.clean(options, root=root, interruption=Interruption())


def clean_runs(root: Path, capsys: pytest.CaptureFixture[str], arguments: str = "") -> tuple[int, list[str]]:
    status = run(root, arguments)
    return status, [line[8:].strip() for line in capsys.readouterr().err.splitlines()]


def test_clean_says_what_it_removed_and_what_it_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    killed, kept, unknown = (
        folder(tmp_path, name, record) for name, record in (("1", KILLED), ("2", KEPT), ("3", None))
    )
    empty = killed.with_name("4")
    empty.mkdir()

    assert clean_runs(tmp_path, capsys) == (
        0,
        [
            "removing what is left of e2e 1 (process 17, started 2026-11-24T09:20:09Z; "
            "killed, or ended before everything was removed)",
            f"removed {killed}",
            "kept: 2 (process 17, started 2026-11-24T09:20:09Z; kept by deploy or --keep); its emulator has ended",
            "`clean --kept` removes it",
            "left alone, as it has no record: 3 (it has no record); its emulator has ended",
            "`clean --kept` removes it",
            "removing what is left of e2e 4 (it has no record)",
            f"removed {empty}",
        ],
    )
    assert (killed.exists(), kept.exists(), unknown.exists()) == (False, True, True)
    assert clean_runs(tmp_path, capsys)[1][-1] == "nothing else to clean"
    assert clean_runs(tmp_path, capsys, "--kept")[0] == 0
    assert not kept.exists() and not unknown.exists()
    assert clean_runs(tmp_path, capsys, "--kept") == (0, ["nothing to clean"])


@pytest.mark.parametrize(
    ("module", "name", "error", "says"),
    [
        (processes, "end", DriverError("engine 7 does not end"), "engine 7 does not end"),
        (
            *(local_aws, "remove_containers", local_aws.ContainersStay("label=emulator-a", "permission denied")),
            "containers with the label label=emulator-a could not be removed: permission denied. "
            "See that Docker works, and run `clean` again.",
        ),
    ],
    ids=["processes", "containers"],
)
def test_what_cannot_be_ended_is_a_failure_and_its_folder_is_not_removed(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    module: ModuleType,
    name: str,
    error: Exception,
    says: str,
) -> None:
    def fail(_what: object) -> None:
        raise error

    monkeypatch.setattr(module, name, fail)
    killed = folder(tmp_path, "1", replace(KILLED, emulator_name="emulator-a"))

    status, said = clean_runs(tmp_path, capsys)

    assert (status, said[-1], killed.exists()) == (1, f"FAILED: {says}", True)


def test_the_processes_and_the_containers_of_every_emulator_are_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    kinds = ("plugin", "plugin", "emulator", "process", "process")
    ended = [Process(number, kind) for number, kind in enumerate(kinds, 1)]  # type: ignore[arg-type]
    monkeypatch.setattr(processes, "end", lambda _folder: ended)
    monkeypatch.setattr(local, "remove_containers", lambda emulator: asked.append(emulator) or 2)
    (folder(tmp_path, "1", replace(KILLED, emulator_name="emulator-a")) / "emulator" / "emulator-b").mkdir(parents=True)

    _, said = clean_runs(tmp_path, capsys)

    assert sorted(asked) == ["emulator-a", "emulator-b"]
    assert {"ended plugin 1, plugin 2, emulator 3, process 4, process 5", "removed 4 containers"} <= set(said)


def test_a_run_cleans_up_first_and_stops_an_engine_that_outlived_its_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    killed = folder(tmp_path, "1", KILLED)
    kept = folder(tmp_path, "2", KEPT)
    engines = [[Process(5, "engine")], [Process(5, "engine")], []]
    monkeypatch.setattr(clean, "_POLL_SECONDS", 0.0)
    stack = workfolders.hold(tmp_path / ".kit" / "aws" / "e2e")
    stack.start(KILLED)
    monkeypatch.setattr(processes, "end", lambda _folder: [])
    monkeypatch.setattr(processes, "find", lambda _folder: engines.pop(0))
    told: list[tuple[int, signal.Signals]] = []
    monkeypatch.setattr(processes, "send_signal", lambda pid, number: told.append((pid, number)))

    clean.before_a_run(stack, runs=killed.parent, say=said.append)

    assert not killed.exists() and kept.exists() and engines == []
    assert said[-2:] == [
        "left on AWS: stack e2e of e2e (process 17, started 2026-11-24T09:20:09Z; "
        "killed, or ended before everything was removed)",
        "telling its engine (5) to stop; it finishes what it has begun",
    ]
    assert told == [(5, signal.SIGINT)], "once: a second signal would end it at once"
    stack.close()


class LeftOnAws:
    """A stack with one resource, and the target that it is on."""

    identity = Identity("123456789012", "eu-west-1", "arn")

    work_dir = Path("work")
    outputs: dict[str, str] | None = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.asked: list[str] = []

    def check(self) -> None:
        self.asked.append("check")

    def start(self, _say: Say) -> None:
        self.asked.append("start")

    def adopt(self, _target: object, *, create: bool) -> dict[str, str] | None:
        assert not create
        return self.outputs

    def use_docker(self, _target: object, _resources: object) -> None:
        self.asked.append("docker")

    def resources(self) -> list[PhysicalResource]:
        self.asked.append("resources")
        return [PhysicalResource("docker:index/image:Image", "urn", "id", {}, {})]


@pytest.fixture
def left(monkeypatch: pytest.MonkeyPatch) -> LeftOnAws:
    made = LeftOnAws()
    monkeypatch.setattr(clean, "AwsTarget", lambda **_: made)
    monkeypatch.setattr(clean.Stack, "of_target", lambda *_, **__: made)
    return made


@pytest.mark.parametrize("exists", [False, True])
def test_an_unconfirmed_clean_creates_and_removes_no_folder(tmp_path: Path, left: LeftOnAws, exists: bool) -> None:
    path = tmp_path / ".kit" / "aws" / "e2w"
    if exists:
        path.mkdir(parents=True)

    with pytest.raises(BadInput, match="asks before it destroys stack e2w, but the input is not a terminal"):
        run(tmp_path, "--target aws --stack e2w")

    assert (path.exists(), left.asked) == (exists, ["check"])


def test_a_kept_stack_is_removed_on_request_alone(
    tmp_path: Path, left: LeftOnAws, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = folder(tmp_path, "e2e", KEPT, "aws")

    with pytest.raises(BadInput, match=r"stack e2e was kept by deploy or --keep\. Add --kept"):
        run(tmp_path, "--target aws --stack e2e --yes")
    assert run(tmp_path, "--target aws --yes") == 0
    assert "kept: stack e2e (process 17" in capsys.readouterr().err
    assert (kept.exists(), left.asked) == (True, [])


def test_a_stack_s_image_needs_docker_before_it_is_destroyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: LeftOnAws
) -> None:
    stdin = io.StringIO("n\n")
    monkeypatch.setattr(stdin, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", stdin)
    folder(tmp_path, "e2e", KILLED, "aws")

    assert run(tmp_path, "--target aws") == 1

    assert left.asked == ["check", "start", "resources", "docker"]


def test_where_there_is_nothing_to_destroy_the_revisions_of_a_plain_destroy_are_mentioned(
    tmp_path: Path, left: LeftOnAws, capsys: pytest.CaptureFixture[str]
) -> None:
    left.outputs = None

    assert run(tmp_path, "--target aws --stack e2e --yes") == 0

    said = capsys.readouterr().err
    assert "stack e2e is not in Pulumi's backend: there is nothing to destroy" in said
    assert "Task definition revisions that a plain `pulumi destroy` left stay ACTIVE" in said
    assert not (tmp_path / ".kit" / "aws" / "e2e").exists()
