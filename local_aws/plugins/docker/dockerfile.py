"""Reading Dockerfiles: lines, instructions, variables.

The language is Docker's "Dockerfile reference". Here documents, `ONBUILD` and `MAINTAINER` are refused.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from local_aws.plugins.docker.errors import DockerfileError

EXPANDED: Final = frozenset({"ADD", "ARG", "COPY", "ENV", "FROM", "USER", "WORKDIR"})
"""Instructions in which variables are replaced by the builder; in the others a shell does that, or nobody."""
IGNORED: Final = frozenset({"EXPOSE", "HEALTHCHECK", "LABEL", "STOPSIGNAL", "VOLUME"})
"""Instructions that add nothing to files, command or environment: what runs such an image looks at no more."""
INSTRUCTIONS: Final = EXPANDED | IGNORED | {"CMD", "ENTRYPOINT", "RUN", "SHELL"}

_VARIABLE: Final = re.compile(r"\\\$|\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?:(?P<mode>:[-+])(?P<other>[^}]*))?\})")


@dataclass(frozen=True)
class Instruction:
    """One instruction.

    Attributes:
        keyword: in capitals.
        flags: `--name=value` pairs before the arguments.
        text: the arguments as they stand.
        line: where it begins, from 1.
    """

    keyword: str
    text: str
    line: int
    flags: Mapping[str, str] = field(default_factory=dict)

    def words(self) -> list[str]:
        """The arguments: a JSON list, or words as a shell would split them.

        Raises:
            ValueError: an open quote.
        """
        return self.json_words() or shlex.split(self.text)

    def json_words(self) -> list[str] | None:
        """The arguments of the exec form, or `None` if they are in another."""
        if not self.text.startswith("["):
            return None
        try:
            words = json.loads(self.text)
        except ValueError:
            return None
        return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def parse(text: str, path: str) -> list[Instruction]:
    """The instructions of a Dockerfile.

    Args:
        text: its content.
        path: its name, for errors.

    Raises:
        DockerfileError: something that is not understood, or no `FROM`.
    """
    instructions = [_instruction(line, number, path) for number, line in _logical_lines(text, path)]
    first = next((item for item in instructions if item.keyword != "ARG"), None)
    if first is None:
        raise DockerfileError(path, 1, "there is no FROM")
    if first.keyword != "FROM":
        raise DockerfileError(path, first.line, f"{first.keyword} comes before FROM; only ARG may")
    return instructions


def _logical_lines(text: str, path: str) -> list[tuple[int, str]]:
    lines: list[tuple[int, str]] = []
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        stripped = raw.strip()
        if stripped.startswith("#"):
            directive = re.fullmatch(r"#\s*escape\s*=\s*(\S)", stripped, re.IGNORECASE)
            if directive and directive.group(1) != "\\" and not lines and not pending:
                raise DockerfileError(path, number, "only the backslash is supported as the escape character")
            continue
        if not stripped:
            continue
        start = start or number
        if stripped.endswith("\\"):
            pending += stripped[:-1] + " "
            continue
        lines.append((start, (pending + stripped).strip()))
        pending, start = "", 0
    if pending.strip():
        lines.append((start, pending.strip()))
    return lines


def _instruction(line: str, number: int, path: str) -> Instruction:
    keyword, _, rest = line.partition(" ")
    keyword, rest = keyword.upper(), rest.strip()
    if keyword not in INSTRUCTIONS:
        raise DockerfileError(
            path, number, f"{keyword} is not supported; supported are {', '.join(sorted(INSTRUCTIONS))}"
        )
    flags: dict[str, str] = {}
    while match := re.match(r"--([a-z-]+)(?:=(\S+))?\s*", rest):
        if keyword in ("CMD", "ENTRYPOINT"):
            break
        flags[match.group(1)] = match.group(2) or "true"
        rest = rest[match.end() :]
    if keyword in ("ADD", "COPY", "RUN") and re.search(r"<<-?[\"']?\w+", rest):
        raise DockerfileError(path, number, f"here documents are not supported in {keyword}")
    if not rest:
        raise DockerfileError(path, number, f"{keyword} has no arguments")
    return Instruction(keyword, rest, number, flags)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`text` with `$name`, `${name}`, `${name:-default}` and `${name:+alternative}` replaced."""

    def replace(match: re.Match[str]) -> str:
        name = match.group("plain") or match.group("name")
        if name is None:
            return "$"
        value = variables.get(name, "")
        if match.group("mode") == ":-":
            return value or expand(match.group("other"), variables)
        if match.group("mode") == ":+":
            return expand(match.group("other"), variables) if value else ""
        return value

    return _VARIABLE.sub(replace, text)


def pairs(instruction: Instruction, path: str) -> dict[str, str]:
    """The pairs of `ENV`: `name=value …`, or `name the rest`.

    Raises:
        DockerfileError: neither form.
    """
    try:
        words = shlex.split(instruction.text)
    except ValueError as error:
        raise DockerfileError(path, instruction.line, f"{instruction.keyword}: {error}") from error
    if "=" not in words[0]:
        name, _, value = instruction.text.partition(" ")
        if not value:
            raise DockerfileError(path, instruction.line, f"{instruction.keyword} {name} has no value")
        return {name: value.strip()}
    result: dict[str, str] = {}
    for word in words:
        name, separator, value = word.partition("=")
        if not separator:
            raise DockerfileError(path, instruction.line, f"{instruction.keyword}: {word!r} is no name=value")
        result[name] = value
    return result
