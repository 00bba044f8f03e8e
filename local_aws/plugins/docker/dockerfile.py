"""Parsing Dockerfiles: lines, instructions, variables.

The language is Docker's "Dockerfile reference". What the archive builder cannot do is refused by name: `ADD`, `SHELL`,
`ONBUILD`, `MAINTAINER`, here documents.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from local_aws.plugins.docker.errors import DockerfileError

EXPANDED: Final = frozenset({"ARG", "COPY", "ENV", "FROM", "USER", "WORKDIR"})
"""Instructions in which the builder replaces variables; in the others a shell does, or nothing."""
IGNORED: Final = frozenset({"EXPOSE", "HEALTHCHECK", "LABEL", "RUN", "STOPSIGNAL", "VOLUME"})
"""Instructions that the archive builder skips."""
INSTRUCTIONS: Final = EXPANDED | IGNORED | {"CMD", "ENTRYPOINT"}

_VARIABLE: Final = re.compile(r"\\\$|\$(?:(?P<plain>\w+)|\{(?P<name>\w+)(?:(?P<mode>:[-+])(?P<other>[^}]*))?\})")


@dataclass(frozen=True)
class Instruction:
    """One instruction: its keyword in capitals, its arguments as written, its first line, its `--name=value` flags."""

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
        try:
            words = json.loads(self.text)
        except ValueError:
            return None
        return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def parse(text: str, path: str) -> list[Instruction]:
    """The instructions of a Dockerfile; `path` is its name, for errors.

    Raises:
        DockerfileError: something that is not supported, or no `FROM`.
    """
    if re.match(r"\s*#\s*escape\s*=\s*[^\\\s]", text, re.IGNORECASE):
        raise DockerfileError(path, 1, "only the backslash is supported as the escape character")
    instructions = [_instruction(line, number, path) for number, line in _logical_lines(text)]
    first = next((item for item in instructions if item.keyword != "ARG"), None)
    if first is None:
        raise DockerfileError(path, 1, "there is no FROM")
    if first.keyword != "FROM":
        raise DockerfileError(path, first.line, f"{first.keyword} comes before FROM; only ARG may")
    return instructions


def _logical_lines(text: str) -> list[tuple[int, str]]:
    lines: list[tuple[int, str]] = []
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), 1):
        stripped = raw.strip()
        if not stripped or stripped.startswith("#"):
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
    while keyword not in ("CMD", "ENTRYPOINT") and (match := re.match(r"--([a-z-]+)(?:=(\S+))?\s*", rest)):
        flags[match.group(1)] = match.group(2) or "true"
        rest = rest[match.end() :]
    if keyword in ("COPY", "RUN") and re.search(r"<<-?[\"']?\w+", rest):
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
        words = [word.partition("=") for word in shlex.split(instruction.text)]
    except ValueError as error:
        raise DockerfileError(path, instruction.line, f"ENV: {error}") from error
    name, _, rest = instruction.text.partition(" ")
    if "=" not in name and rest:
        return {name: rest.strip()}
    if not all(separator for _, separator, _ in words):
        raise DockerfileError(path, instruction.line, f"ENV: {instruction.text!r} has a word without a value")
    return {name: value for name, _, value in words}
