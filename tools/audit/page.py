"""The page of the audit: what each role is granted, by which statement, and which case asks for it."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from tools.audit import exempt
from tools.audit.grants import Grant, Question, covers

PAGE = "docs/security-audit.md"
SHOWN_CASES = 2
_PLACEHOLDERS = {
    r"(?<=:)[a-z]{2}(-[a-z]+)+-\d(?=:)": "<region>",
    r"\d{12}": "<account>",
    r"(?<=secret:audit-)\w+": "<suffix>",
}

Cases = Mapping[str, Iterable[Question]]
"""The questions of each case."""


def rows(grants: Iterable[Grant], asked: Cases) -> list[list[str]]:
    """A row for each grant, without a head."""
    by_case = {case: list(questions) for case, questions in asked.items()}
    found = []
    for grant in grants:
        cases = [case for case, questions in by_case.items() if any(covers(grant, each) for each in questions)]
        found.append([grant.role, grant.action, f"`{shown(grant.resource)}`", called_by(grant, cases), grant.sid])
    return found


def called_by(grant: Grant, cases: Sequence[str]) -> str:
    """Who asks for a grant: some cases, or AWS itself."""
    if cases:
        more = f" and {len(cases) - SHOWN_CASES} more" if len(cases) > SHOWN_CASES else ""
        return ", ".join(cases[:SHOWN_CASES]) + more
    found = exempt.exemption(exempt.DONE_BY_AWS, grant.role, grant.sid, grant.action, grant.resource)
    return f"AWS: [{found.why}]({found.page})" if found else "**nobody**"


def shown(resource: str) -> str:
    """A resource without what differs between deployments."""
    for pattern, placeholder in _PLACEHOLDERS.items():
        resource = re.sub(pattern, placeholder, resource)
    return resource


def tables(grants: Iterable[Grant], asked: Mapping[int, Cases]) -> str:
    """A table for each pattern."""
    by_pattern: defaultdict[int, list[Grant]] = defaultdict(list)
    for grant in grants:
        by_pattern[pattern_of(grant.role)].append(grant)
    parts = []
    for pattern, own in sorted(by_pattern.items()):
        head = ["role", "action", "resource", "called by", "granted by"]
        lines = [[short(row[0]), *row[1:]] for row in rows(own, asked.get(pattern, {}))]
        parts += [f"## Pattern {pattern}", "", _table([head, *lines]), ""]
    return "\n".join(parts)


def pattern_of(role: str) -> int:
    """The pattern of a role."""
    return int(role.partition("-pattern-")[2].partition("-")[0])


def short(role: str) -> str:
    """A role's name without that of its pattern."""
    return role.partition("-pattern-")[2].partition("-")[2]


def page(grants: Sequence[Grant], asked: Mapping[int, Cases]) -> str:
    """The page."""
    exemptions = [["role", "statement", "why", "page"]] + [
        [
            ", ".join(each.users),
            each.sid + "".join(f" ({only})" for only in (each.actions, each.resources) if only != "*"),
            each.why,
            f"<{each.page}>",
        ]
        for each in (*exempt.DONE_BY_AWS, *exempt.SILENT, exempt.ABSENT)
    ]
    return "\n".join([_INTRODUCTION, _table(exemptions), "", tables(grants, asked)]).rstrip() + "\n"


def _table(lines: list[list[str]]) -> str:
    head, *body = lines
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *body))


_INTRODUCTION = f"""\
# What each role may do, and what asks for it

`make audit` writes this page. It deploys both patterns on the local AWS, which enforces IAM and records every decision.
Then it plays the cases of `tools/audit/cases.py`: runs that succeed, fail, are stopped and are swept, task lists and
specs in S3, schedules, lost answers, killed tasks and functions, and rows kept from ECS. It fails where a call has no
grant, or a grant has no call.

`make mutation` takes each action of each statement, and each whole statement, away in turn, and plays a case that asks
for it. It fails unless a message that a user sees names the missing action: the execution's error or history, a
function's log, a row, a stopped task's reason, the answer of a call, or a message of the failure queue.

## Exempt

The list was made on {exempt.LISTED}. The first {len(exempt.DONE_BY_AWS)} entries are what AWS itself does with a
role; no case asks for them. The next {len(exempt.SILENT)} are refused in a case, but nothing that a user sees names the
action. The last one is no grant: it is the one denial that belongs to a run.

Statements that deny are not taken away: what a task is denied is tried in `tests/integration/test_compromised_task.py`.
The local AWS does not know the condition of `NotFromCode`, by which a function's code is denied what Lambda itself may.

A customer-managed key (`kmsKeyArn`) is not part of the audit: the local AWS does not ask for the use of keys.
"""
