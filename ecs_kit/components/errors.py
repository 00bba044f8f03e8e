"""The program's exceptions, one per condition: what is wrong, where, and what to do."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi

from ecs_kit.runtime.contract.errors import plain

LONGEST_VALUE = 1_000
"""Characters of a given value in a message."""


@dataclass(frozen=True)
class ConfigProblem:
    """One configuration value that cannot be used; `allowed` completes "must be …"."""

    key: str
    value: str
    allowed: str

    def __str__(self) -> str:
        return f"{plain(self.key, 200)} = {plain(repr(self.value), LONGEST_VALUE)}: must be {self.allowed}"


class ConfigError(pulumi.RunError, ValueError):
    """The configuration cannot be used; every problem is in `problems`, and nothing has been created."""

    def __init__(self, problems: Sequence[ConfigProblem]):
        self.problems = tuple(problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{len(self.problems)} configuration value(s) cannot be used:\n{lines}")


class SourcesMissing(pulumi.RunError):
    """Files that the program packs are missing."""

    def __init__(self, what: str, path: str, advice: str):
        super().__init__(f"{what} not found at {path}: {advice}")


class ImageGone(pulumi.RunError):
    """An image that was pushed before it was in Pulumi's state has been removed from its repository."""

    def __init__(self, image: str):
        super().__init__(
            f"{image} is no longer in its repository, and Pulumi's state says that it was pushed: "
            "`pulumi up --replace '<URN of the docker Image>'` pushes it again, and `pulumi stack --show-urns` names it"
        )
