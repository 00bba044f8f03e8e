"""Faults for the runs of a journey: a file of rules, and how long they are injected."""

import json
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.errors import BadInput, DriverError
from ecs_kit.automation.stacks import faults
from local_aws.emulator.faults import Call, FaultPlan, parse_rules

ROOT = Path(__file__).resolve().parents[4]
RULE = {"service": "ecs", "operation": "RunTask", "effect": {"drop": "after"}}
DRIVER = "arn:aws:iam::000000000000:root"
LAUNCHER = "arn:aws:sts::000000000000:assumed-role/kit-launcher/kit-launcher"


def written(folder: Path, content: Any) -> Path:
    path = folder / "faults.json"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


@pytest.mark.parametrize("wrap", [list, lambda rules: {"rules": rules}])
def test_a_rule_applies_to_the_stack_s_calls_and_not_the_driver_s_unless_it_names_a_caller(
    tmp_path: Path, wrap: Any
) -> None:
    rules = faults.read(written(tmp_path, wrap([RULE, {**RULE, "operation": "ListTasks", "caller": "*"}])))
    plan = FaultPlan(parse_rules(list(rules)))

    def met(caller: str, operation: str) -> bool:
        return plan.decide(Call("ecs", operation, caller, "/ {}")) is not None

    assert (met(LAUNCHER, "RunTask"), met(DRIVER, "RunTask"), met(DRIVER, "ListTasks")) == (True, False, True)
    assert [each["name"] for each in plan.report()] == ["rule 0", "rule 1"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file"),
        (b"\xff\xfe\x00", "it is not a text in UTF-8"),
        ("{oops", "not JSON: .* in line 1, column 2"),
        ([], "it has no rules"),
        ({"rule": [RULE]}, "it has no rules"),
        ("7", "fault rule 0: the rules have to be a list"),
        ([RULE, {**RULE, "share": 7}], "fault rule 1: 'share' is 7, but has to be a number from 0 to 1"),
        ([{**RULE, "service": "stepfunctions"}], "fault rule 0: service 'stepfunctions' is not one of .*states"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_place_and_advice(tmp_path: Path, content: Any, says: str) -> None:
    with pytest.raises(BadInput, match=f"--faults {tmp_path}/faults.json: {says}.*docs/faults.md"):
        faults.read(written(tmp_path, content))


def test_the_example_can_be_used() -> None:
    assert len(faults.read(ROOT / "specs" / "faults.example.json")) == 5


class Recorder:
    """An injector that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.ended = False

    def inject_faults(self, rules: Any) -> None:
        self.told.append(list(rules))

    def injected_faults(self) -> list[dict[str, Any]]:
        if self.ended:
            raise ConnectionRefusedError("refused")
        return [{"name": "rule 0", "matched": 2, "met": 1}]


def test_faults_end_with_the_block_and_their_counts_are_kept_however_it_ends() -> None:
    recorder, met = Recorder(), list[dict[str, Any]]()
    with pytest.raises(ZeroDivisionError), faults.Faults([RULE], recorder).injected(met):
        assert recorder.told == [[RULE]]
        raise ZeroDivisionError
    assert recorder.told == [[RULE], []]
    assert met == [{"name": "rule 0", "matched": 2, "met": 1}]


def test_an_emulator_that_ended_meanwhile_is_an_error_with_a_message() -> None:
    recorder = Recorder()
    with pytest.raises(DriverError, match=r"refused.*Its log"), faults.Faults([RULE], recorder).injected([]):
        recorder.ended = True
