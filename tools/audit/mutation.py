"""Policies with one grant less on a deployed stack: the case that asks for it is played, and has to name it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import ClientError

from ecs_kit.automation.errors import DriverError
from tools.audit.cases import CASES, Case
from tools.audit.exempt import DONE_BY_AWS, SILENT, exemption
from tools.audit.grants import Document, Mutant, Policies, Question, mutants, without
from tools.audit.journey import Asked, AuditJourney
from tools.audit.stage import Stage

MOST_CASES = 3
"""Of those that ask for a grant, how many are played until one names it."""
NAMED_WITHIN_SECONDS = 10.0
"""How long after the end of a case a message may appear, as a log does."""


class Noticed(Exception):
    """A message names the action that is missing."""

    def __init__(self, where: str, action: str):
        super().__init__(f"{action} is named in the {where}")
        self.where, self.action = where, action


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: the case that was played last, what was denied, and where its action was named."""

    mutant: Mutant
    case: str = ""
    was_denied: bool = False
    named_in: str = ""
    why: str = ""

    @property
    def survives(self) -> bool:
        """Whether nothing noticed that the grant is missing, and no reason is listed."""
        return not self.named_in and not self.why

    @property
    def outcome(self) -> str:
        """In a word."""
        if self.named_in:
            return f"named in the {self.named_in}"
        return f"listed: {self.why}" if self.why else "denied, not named" if self.was_denied else "not noticed"


def named(denied: Sequence[Question], told: Iterator[tuple[str, str]]) -> tuple[str, str] | None:
    """Where, and which action of denied questions, a message names; None where none does."""
    actions = {question.action for question in denied}
    for where, text in told:
        for action in sorted(actions):
            if re.search(rf"not authorized to perform: {re.escape(action)}\b", text):
                return where, action
    return None


def cases_of(mutant: Mutant, pattern: int, records: str, asked: Sequence[Asked]) -> list[Case]:
    """The cases in which a question needs what a mutant lacks, those with the fewest questions first."""
    sizes: dict[str, int] = {}
    for each in asked:
        needed = any(
            (question.role, question.sid) == (mutant.role, mutant.sid) and question.action in mutant.actions
            for question in each.questions
        )
        if needed and (each.pattern, each.records) == (pattern, records):
            sizes[each.case] = len(each.questions)
    return sorted((case for case in CASES if case.name in sizes), key=lambda case: sizes[case.name])


def why_not(mutant: Mutant, exemptions: Any) -> str:
    """The listed reason for a mutant all of whose actions are exempt; empty for others."""
    found = [exemption(exemptions, mutant.role, mutant.sid, action) for action in mutant.actions]
    return found[0].why if found[0] is not None and all(found) else ""


def mutate(stage: Stage, mutant: Mutant, policies: Policies, cases: Sequence[Case]) -> Verdict:
    """Play cases without a grant until one names it."""
    if why := why_not(mutant, DONE_BY_AWS):
        return Verdict(mutant, why=why)
    listed, verdict = why_not(mutant, SILENT), Verdict(mutant)
    for case in cases[: 1 if listed else MOST_CASES]:
        verdict = play_without(stage, mutant, policies[mutant.role, mutant.policy], case)
        if verdict.named_in:
            return verdict
    return replace(verdict, why=listed if verdict.was_denied else "")


def play_without(stage: Stage, mutant: Mutant, document: Document, case: Case) -> Verdict:
    """Play a case while the policy lacks a grant."""

    def denied() -> list[Question]:
        own = [question for question in stage.questions() if not question.allowed]
        return [question for question in own if question.role == mutant.role and question.action in mutant.actions]

    def look() -> None:
        if (found := denied()) and (where := named(found, stage.told())):
            raise Noticed(*where)

    stage.put_policy(mutant.role, mutant.policy, without(document, mutant))
    stage.begin(look)
    verdict = Verdict(mutant, case.name)
    try:
        case.play(stage)
        stage.until(lambda: not denied(), "a message that names what was denied", NAMED_WITHIN_SECONDS)
    except Noticed as noticed:
        verdict = replace(verdict, named_in=noticed.where)
    except (DriverError, ClientError):
        pass  # The case cannot end without the grant: the verdict says whether a message names it.
    finally:
        verdict = replace(verdict, was_denied=bool(denied()))
        stage.put_policy(mutant.role, mutant.policy, document)
        stage.clean()
    return verdict


@dataclass(eq=False)
class MutationJourney(AuditJourney):
    """An audit, and after its cases the mutants of the policies."""

    role: str = ""
    verdicts: list[Verdict] = field(default_factory=list, init=False)

    @property
    def passed(self) -> bool:
        """Whether no mutant survives."""
        return super().passed and not any(verdict.survives for verdict in self.verdicts)

    def use_records(self, records: str) -> None:
        """Play the cases of one kind of rows, then the mutants of the policies that are new with it."""
        super().use_records(records)
        seen = {each.mutant for each in self.verdicts}
        for stage in self.stages():
            policies = stage.policies()
            for mutant in mutants(policies):
                if mutant not in seen and self.role in mutant.role:
                    cases = cases_of(mutant, stage.pattern, records, self.asked)
                    verdict = mutate(stage, mutant, policies, cases)
                    self.verdicts.append(verdict)
                    self.progress.say(f"{mutant.role} {mutant.text}: {verdict.outcome} ({verdict.case})")

    def document(self) -> dict[str, Any]:
        """What became of each mutant."""
        found = [
            {"role": each.mutant.role, "mutant": each.mutant.text, "case": each.case, "outcome": each.outcome}
            for each in self.verdicts
        ]
        return {**super().document(), "mutants": found}
