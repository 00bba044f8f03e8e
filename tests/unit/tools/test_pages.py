"""What pages repeat of the code is what the code has, and no page is a stub."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import local_aws
from ecs_kit.automation.cli import explain
from ecs_kit.automation.cli.e2e import main
from ecs_kit.automation.errors import StoppedBy
from ecs_kit.automation.journeys import conditions
from ecs_kit.runtime.contract import failures
from ecs_kit.runtime.reporter.meanings import text_of
from local_aws.emulator import errors as emulator_errors
from tests.unit.test_state_machines import MACHINES, all_states
from tools import pages

ROOT = pages.ROOT
CONDITIONS = {page.stem for page in (ROOT / "docs" / "conditions").glob("*.md")} - {"index"}
SECTIONS = ("Cause", "How to see it", "What to do")


@pytest.mark.parametrize("name", pages.PAGES)
def test_a_page_has_what_the_command_writes(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert text == pages.written(name, text), "run: make pages"


def test_a_page_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="has no marks"):
        pages.PARTS[0].in_page("nothing")


def test_every_condition_has_a_page_and_every_page_a_condition() -> None:
    assert conditions.conditions() == CONDITIONS


def stop_errors() -> Iterator[str]:
    """The `error` of every call of StopExecution in the package, as its source has it."""
    for path in sorted((ROOT / "ecs_kit").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".stop_execution"):
                yield ast.unparse(next(each.value for each in node.keywords if each.arg == "error"))


def test_errors_of_executions_that_the_package_stops_are_declared_and_have_pages() -> None:
    assert sorted(stop_errors()) == sorted(f"StoppedBy.{each.name}" for each in StoppedBy)
    assert {str(each) for each in StoppedBy} <= CONDITIONS


def test_errors_with_which_state_machines_end_an_execution_have_pages() -> None:
    """Those of their own Fail states, and what Step Functions fails with, by the sources of the local AWS.

    Pattern 2 always catches States.TaskFailed, and its Distributed Map tolerates all failures.
    """
    states = [state for machine in MACHINES.values() for _, state in all_states(machine)]
    own = {state["Error"] for state in states if state["Type"] == "Fail" and not state["Error"].startswith("{%")}
    tolerated = {state["ToleratedFailurePercentage"] for state in states if "ToleratedFailurePercentage" in state}
    behaviour = ROOT / "local_aws" / "emulator" / "aws_behaviour"
    sources = [path.read_text(encoding="utf-8") for path in behaviour.glob("states_*.py")]
    names = {name for source in sources for name in re.findall(r'"(States\.[A-Z]\w+)"', source)}
    assert (own, tolerated) == ({"TasksFailed"}, {100})
    assert own | names - {"States.ALL", "States.TaskFailed", "States.ExceedToleratedFailureThreshold"} <= CONDITIONS


def test_the_page_of_a_time_out_has_the_limit_of_the_run_and_that_of_the_task() -> None:
    words = set(re.findall(r"\w+", text_of("States.Timeout")))
    assert {"TIMED_OUT", "runTimeoutSeconds", "taskTimeoutSeconds"} <= words


@pytest.mark.parametrize("name", sorted(CONDITIONS))
def test_a_condition_s_page_says_what_it_means_its_cause_how_to_see_it_and_what_to_do(name: str) -> None:
    heading, *parts = re.split(r"^#+ (.+)\n", text_of(name), flags=re.MULTILINE)
    titles, texts = parts[::2], [text.split() for text in parts[1::2]]
    assert (heading, titles) == ("", [name, *SECTIONS])
    assert [title for title, words in zip(titles, texts, strict=True) if len(words) < 8] == []


@pytest.mark.parametrize(
    ("reason", "page"),
    [
        ("RESOURCE:MEMORY", "CapacityUnavailable"),
        ("AGENT", "CapacityUnavailable"),
        ("Capacity is unavailable at this time", "CapacityUnavailable"),
        ("You've reached the limit on the number of vCPUs you can run concurrently", "QuotaReached"),
        ("Rate exceeded", "Throttling"),
        ("ThrottlingException", "Throttling"),
    ],
)
def test_reasons_of_runtask_that_the_kit_waits_for_are_on_the_page_of_their_condition(reason: str, page: str) -> None:
    assert failures.BUSY_FAILURE.search(reason)
    assert reason.partition(":")[0] in text_of(page)


def test_the_conditions_of_the_local_aws_are_its_errors() -> None:
    assert issubclass(local_aws.PulumiUnavailable, Exception)
    assert issubclass(emulator_errors.DockerUnavailable, emulator_errors.EmulatorError)
    assert issubclass(emulator_errors.PortInUse, emulator_errors.EmulatorError)


@pytest.mark.parametrize(
    ("given", "page"),
    [
        ("NoRecord", "NoRecord"),
        ("norecord", "NoRecord"),
        ("JobFailed: NoSuchKey: x", "JobFailed"),
        ("ECS.ClusterNotFoundException", "ECS.Error"),
        ("ECS.ServerException", "ECS.ServerException"),
    ],
)
def test_explain_prints_a_condition_s_page_as_plain_text(
    given: str, page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", given]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"# {page}\n") and "](" not in said
    assert max(map(len, said.splitlines())) <= 160, "only an address may be longer than a line"


def test_explain_lists_all_names_and_knows_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain"]) == 0
    assert set(capsys.readouterr().out.split()) == CONDITIONS
    assert main(["explain", "NoRecrd"]) == 2
    assert "explain NoRecrd: there is no condition of this name. Did you mean NoRecord?" in capsys.readouterr().err


def test_links_on_a_page_become_names_and_addresses() -> None:
    text = "- See [NoRecord](NoRecord.md), [specs](../specs.md#a) and [AWS](https://aws.amazon.com)."
    assert explain.plain(text) == ("- See NoRecord, specs (docs/specs.md#a) and AWS (https://aws.amazon.com).")


def test_errors_lead_to_their_pages_each_once() -> None:
    shown = explain.hint(["JobFailed", "Surprise", "ECS.FooException", "JobFailed"])
    assert [line.rpartition(" explain ")[2] for line in shown] == ["JobFailed`", "ECS.Error`"]


def test_the_pages_are_in_the_installed_package() -> None:
    assert (ROOT / "ecs_kit" / "conditions").resolve() == ROOT / "docs" / "conditions"
    assert Path(ROOT / "ecs_kit" / "conditions").readlink() == Path("../docs/conditions")
