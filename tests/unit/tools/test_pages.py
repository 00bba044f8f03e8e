"""What pages repeat of the code is what the code has, and no page is a stub."""

import re
from pathlib import Path

import pytest

import local_aws
from ecs_kit.automation.cli import explain
from ecs_kit.automation.cli.e2e import main
from ecs_kit.runtime.contract import failures
from local_aws.emulator import errors as emulator_errors
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
    assert explain.conditions() == CONDITIONS


@pytest.mark.parametrize("name", sorted(CONDITIONS))
def test_a_condition_s_page_says_what_it_means_its_cause_how_to_see_it_and_what_to_do(name: str) -> None:
    heading, *parts = re.split(r"^#+ (.+)\n", explain.text_of(name), flags=re.MULTILINE)
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
    assert reason.partition(":")[0] in explain.text_of(page)


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
