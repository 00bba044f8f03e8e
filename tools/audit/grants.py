"""Grants of policies, the calls that use them, and policies with one grant less: pure functions."""

import copy
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Document = Mapping[str, Any]
Policies = Mapping[tuple[str, str], Document]
"""Inline policies by role and by their own name."""


@dataclass(frozen=True, order=True)
class Grant:
    """One action on one resource, or pattern of resources, that a statement of a role's policy allows."""

    role: str
    policy: str
    sid: str
    action: str
    resource: str


@dataclass(frozen=True, order=True)
class Question:
    """What IAM was asked for a role, and the statement that allowed it, if one did."""

    role: str
    action: str
    resource: str
    sid: str
    allowed: bool


@dataclass(frozen=True, order=True)
class Mutant:
    """A policy that lacks one action of a statement, or all of them, as one whose only action is removed."""

    role: str
    policy: str
    sid: str
    actions: tuple[str, ...]

    @property
    def text(self) -> str:
        """How a report names it."""
        return f"{self.sid}: {', '.join(self.actions)}"


def listed(value: Any) -> Sequence[str]:
    """An element of a policy, which may be a text or a list of texts."""
    return [value] if isinstance(value, str) else list(value)


def allowing(document: Document) -> Iterator[Mapping[str, Any]]:
    """The statements of a policy that allow something."""
    return (statement for statement in document["Statement"] if statement["Effect"] == "Allow")


def grants_of(policies: Policies) -> list[Grant]:
    """Every grant of policies."""
    return sorted(
        Grant(role, policy, statement["Sid"], action, resource)
        for (role, policy), document in policies.items()
        for statement in allowing(document)
        for action in listed(statement["Action"])
        for resource in listed(statement["Resource"])
    )


def covers(grant: Grant, question: Question) -> bool:
    """Whether a grant is one that the statement of an allowed question needs for it."""
    same = (grant.role, grant.sid, grant.action) == (question.role, question.sid, question.action)
    return same and question.allowed and re.fullmatch(_expression(grant.resource), question.resource) is not None


def _expression(pattern: str) -> str:
    return ".*".join(map(re.escape, pattern.split("*")))


def unused(grants: Iterable[Grant], questions: Iterable[Question]) -> list[Grant]:
    """The grants that no question needed."""
    asked = list(questions)
    return [grant for grant in grants if not any(covers(grant, question) for question in asked)]


def denied(questions: Iterable[Question]) -> list[Question]:
    """The questions that were answered with no."""
    return sorted(question for question in questions if not question.allowed)


def mutants(policies: Policies) -> list[Mutant]:
    """Every policy with one statement, or one action of a statement, removed; each once."""
    found = set()
    for (role, policy), document in policies.items():
        for statement in allowing(document):
            actions = tuple(sorted(listed(statement["Action"])))
            found |= {Mutant(role, policy, statement["Sid"], (action,)) for action in actions}
            found.add(Mutant(role, policy, statement["Sid"], actions))
    return sorted(found)


def without(document: Document, mutant: Mutant) -> dict[str, Any]:
    """A policy without the actions of a mutant; a statement that has none left is gone."""
    changed: dict[str, Any] = copy.deepcopy(dict(document))
    statements = []
    for statement in changed["Statement"]:
        if statement["Sid"] == mutant.sid and statement["Effect"] == "Allow":
            statement["Action"] = [each for each in listed(statement["Action"]) if each not in mutant.actions]
        if statement["Action"]:
            statements.append(statement)
    return {**changed, "Statement": statements}
