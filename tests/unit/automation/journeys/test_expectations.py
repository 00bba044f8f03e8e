"""What each result has to be: copy, exists, or a function in a file of the user's own."""

from pathlib import Path

import pytest

from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.journeys import expectations
from tests.unit.automation.journeys.fakes import ROOT


def loaded(tmp_path: Path, code: str, function: str = "") -> expectations.Judge:
    file = tmp_path / "expect.py"
    file.write_text(code)
    found = expectations.read(f"{file}{function}")
    assert found is not None
    return found


def test_a_copy_needs_no_function() -> None:
    assert [expectations.read(text) for text in ("copy", "none")] == ["copy", "none"]


def test_a_result_that_exists_is_not_empty() -> None:
    exists = expectations.read("exists")
    assert exists is not None
    assert (exists(b"", b"x"), exists(b"x", b"")) == ("", "it is empty")


@pytest.mark.parametrize(
    ("code", "function", "result", "says"),
    [
        ("def expected(source, result):\n    return '' if source in result else 'it lacks it'", "", b"ba", ""),
        (
            "def expected(source, result):\n    return '' if source in result else 'it lacks it'",
            "",
            b"b",
            "it lacks it",
        ),
        ("def other(source, result):\n    pass", ":other", b"", ""),
        ("def expected(source, result):\n    return {}[result]", "", b"x", "expected raised KeyError: b'x'"),
    ],
    ids=["right", "wrong", "another name, returns None", "raises"],
)
def test_a_function_says_what_is_wrong(tmp_path: Path, code: str, function: str, result: bytes, says: str) -> None:
    assert loaded(tmp_path, code, function)(b"a", result) == says


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("x = 1", "there is no function expected"),
        ("expected = 1", "there is no function expected"),
        ("1 / 0", "ZeroDivisionError"),
        ("def", "SyntaxError"),
    ],
)
def test_a_file_without_a_usable_function_is_refused(tmp_path: Path, code: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        loaded(tmp_path, code)


@pytest.mark.parametrize("text", ["", "Copy", "nowhere.py", "README.md"])
def test_another_word_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(BadInput, match=r"give copy, exists, none, or a Python file with a function expected"):
        expectations.read(text)


def test_the_examples_expectation_tells_right_from_wrong() -> None:
    judge = expectations.read(str(ROOT / "examples" / "word-count" / "expect.py"))
    assert judge is not None
    right = b'{"words": 3, "differentWords": 2, "mostFrequent": {"a": 2, "b": 1}}'
    assert judge(b"A b a", right) == ""
    assert judge(b"A b a b", right) == "it counts 3 words, not 4"
    assert judge(b"A b b", right) == "it miscounts a, b"
    assert judge(b"A b a", b"A b a").startswith("it is no JSON")
