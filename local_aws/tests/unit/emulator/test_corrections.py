"""The corrections: what the README says about them is true, and what `local_aws.corrections` reports."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from local_aws import corrections
from local_aws.corrections import Outcome
from local_aws.emulator import aws_behaviour
from local_aws.emulator.aws_behaviour.installation import every_correction
from local_aws.emulator.aws_behaviour.patching import RECORD

FOLDER = Path(aws_behaviour.__file__).parent
README = (Path(__file__).resolve().parents[3] / "README.md").read_text(encoding="utf-8")
LISTED = re.findall(r"^\| `(\w+)` \| .+? \| .+? \|$", README, re.MULTILINE)
HELPERS = {
    *("__init__", "calls", "clients", "installation", "lambda_bootstrap", "patching", "permissions", "states_map_runs"),
    "states_scope",
}
"""Modules that correct nothing themselves."""


def test_the_readme_lists_every_module_that_corrects_something_and_each_can_be_left_out() -> None:
    made = every_correction()
    assert sorted(LISTED) == sorted({path.stem for path in FOLDER.glob("*.py")} - HELPERS)
    assert {each.module for each in made} == set(LISTED)
    assert len({each.name for each in made}) == len(made)


def test_the_record_is_what_is_installed() -> None:
    found = corrections.record(every_correction(), sorted(corrections.EMULATOR.rglob("*.py")))
    assert json.loads(RECORD.read_text(encoding="utf-8")) == found, "python -m local_aws.corrections --accept"
    assert "missing" not in found["names"].values()


def test_what_changed_is_told_with_its_signature_before_and_now() -> None:
    before = {"version": "1.0.0", "names": {"a": "(x)", "b": "dict", "c": "(y)"}}
    now = {"version": "1.1.0", "names": {"a": "(x)", "b": "missing", "d": "(z)"}}
    assert corrections.changes(before, before) == []
    assert corrections.changes(before, now) == [
        "MiniStack 1.1.0 is installed, the corrections know 1.0.0",
        "b: dict -> missing",
        "c: (y) -> no longer used",
        "d: not recorded -> (z)",
    ]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("<testcase name='a'/><testcase name='b'><skipped/></testcase>", Outcome(1, None)),
        ("<testcase name='a'/><testcase name='b'><failure/></testcase>", Outcome(1, "b")),
        ("<testcase name='a'><error/></testcase>", Outcome(0, "a")),
        ("", Outcome(0, None)),
    ],
)
def test_a_run_of_tests_is_read_from_its_report(body: str, found: Outcome) -> None:
    assert corrections.outcome(f"<testsuites><testsuite>{body}</testsuite></testsuites>") == found


def test_each_correction_is_left_out_in_turn_and_is_needed_where_a_test_fails_without_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = {
        "": Outcome(9, None),
        "event_targets": Outcome(1, "test_it"),
        "ecs_events": Outcome(1, None),
        "execution_role": Outcome(0, None),
    }
    monkeypatch.setattr(corrections, "run_tests", lambda _module, left_out="": runs[left_out])
    assert corrections.main(["event_targets"]) == 0
    capsys.readouterr()
    assert corrections.main(["event_targets", "ecs_events", "execution_role"]) == 1
    _, *told, counted = capsys.readouterr().out.splitlines()
    assert sorted(line.partition(" with MiniStack")[0] for line in told) == [
        "ecs_events: no test fails without it: superfluous",
        "event_targets: needed by test_it",
        "execution_role: no test names it",
    ]
    assert counted == "1 of 3 corrections are needed"
    runs[""] = Outcome(3, "test_other")
    assert corrections.main([]) == 2
    assert "with all corrections, this fails: test_other" in capsys.readouterr().out
