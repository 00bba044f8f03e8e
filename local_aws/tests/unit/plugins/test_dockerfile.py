"""Reading Dockerfiles, and what cannot be followed."""

import pytest

from local_aws.plugins.docker.dockerfile import Instruction, expand, pairs, parse
from local_aws.plugins.docker.errors import DockerfileError


def test_lines_comments_and_continuations() -> None:
    text = """\
# syntax=docker/dockerfile:1
ARG BASE=python

from ${BASE} AS one
COPY --chown=1:2 --from=zero a \\
    # a comment within
    b /c/
RUN echo one && \\

    echo two
CMD ["python", "-m", "x"]
"""
    assert parse(text, "Dockerfile") == [
        Instruction("ARG", "BASE=python", 2),
        Instruction("FROM", "${BASE} AS one", 4),
        Instruction("COPY", "a  b /c/", 5, {"chown": "1:2", "from": "zero"}),
        Instruction("RUN", "echo one &&  echo two", 8),
        Instruction("CMD", '["python", "-m", "x"]', 11),
    ]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "there is no FROM"),
        ("RUN x\nFROM y", 1, "RUN comes before FROM"),
        ("FROM x\nONBUILD RUN y", 2, "ONBUILD is not supported"),
        ("FROM x\nMAINTAINER me", 2, "MAINTAINER is not supported"),
        ("FROM x\nCOPY", 2, "COPY has no arguments"),
        ("FROM x\nRUN <<EOF\necho\nEOF", 2, "here documents are not supported in RUN"),
        ("FROM x\nCOPY <<'EOF' /y\nEOF", 2, "here documents are not supported in COPY"),
        ("# escape=`\nFROM x", 1, "only the backslash"),
    ],
)
def test_what_is_not_understood_is_named_with_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(DockerfileError) as failure:
        parse(text, "task/Dockerfile")
    assert str(failure.value).startswith(f"task/Dockerfile, line {line}: {reason}")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$A/${A}", "1/1"),
        ("${B:-two}", "two"),
        ("${A:-two}", "1"),
        ("${B:-${A}", "${A"),
        ("${A:+yes}${B:+no}", "yes"),
        ("$B", ""),
        ("\\$A", "$A"),
    ],
)
def test_variables_are_replaced(text: str, value: str) -> None:
    assert expand(text, {"A": "1"}) == value


def test_pairs_in_both_forms() -> None:
    assert pairs(Instruction("ENV", 'A=1 B="two words" C=a\\ b', 1), "f") == {"A": "1", "B": "two words", "C": "a b"}
    assert pairs(Instruction("ENV", "A the rest of it", 1), "f") == {"A": "the rest of it"}


@pytest.mark.parametrize("text", ["A", "A=1 B", 'A="open'])
def test_pairs_that_are_none(text: str) -> None:
    with pytest.raises(DockerfileError, match="f, line 7: ENV"):
        pairs(Instruction("ENV", text, 7), "f")


def test_words_are_a_json_list_or_a_shell_s() -> None:
    assert Instruction("COPY", '["a b", "c"]', 1).words() == ["a b", "c"]
    assert Instruction("COPY", '"a b" c', 1).words() == ["a b", "c"]
    assert Instruction("CMD", "[not json", 1).json_words() is None
    assert Instruction("CMD", "[1]", 1).json_words() is None
