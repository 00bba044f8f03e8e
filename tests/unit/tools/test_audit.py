"""Grants against calls, and policies with one grant less."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from tests.unit.components.recorder import TARGET, deployment
from tools.audit import exempt, page
from tools.audit.cases import CASES
from tools.audit.grants import Grant, Mutant, Question, denied, grants_of, mutants, unused, without
from tools.audit.journey import CONFIG, ECS_RECORDS, TOPIC, Asked
from tools.audit.mutation import Verdict, cases_of, named, why_not

ROOT = Path(__file__).resolve().parents[3]
ROLE = "kit-pattern-1-task"
READ = {"Sid": "Read", "Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectTagging"], "Resource": ["a/*", "b/*"]}
WRITE = {"Sid": "Write", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "a/copies/*"}
FORBID = {"Sid": "Forbid", "Effect": "Deny", "Action": ["s3:PutObject"], "Resource": ["a/copies/fixed"]}
POLICY = {"Version": "2012-10-17", "Statement": [READ, WRITE, FORBID]}
POLICIES = {(ROLE, "own"): POLICY}


def question(action: str, resource: str, sid: str = "Read", *, allowed: bool = True, role: str = ROLE) -> Question:
    return Question(role, action, resource, sid, allowed)


def grant(action: str, resource: str, sid: str = "Read") -> Grant:
    return Grant(ROLE, "own", sid, action, resource)


def test_every_action_on_every_resource_that_a_policy_allows_is_a_grant() -> None:
    assert grants_of(POLICIES) == [
        grant("s3:GetObject", "a/*"),
        grant("s3:GetObject", "b/*"),
        grant("s3:GetObjectTagging", "a/*"),
        grant("s3:GetObjectTagging", "b/*"),
        grant("s3:PutObject", "a/copies/*", "Write"),
    ]


def test_a_grant_is_unused_unless_its_own_statement_allowed_a_call_on_its_own_resource() -> None:
    asked = [
        question("s3:GetObject", "a/x"),
        question("s3:GetObject", "b/x", "Other"),
        question("s3:GetObject", "b/x", role="kit-pattern-2-task"),
        question("s3:GetObjectTagging", "a/x", allowed=False),
        question("s3:PutObject", "a/copies/x", "Write"),
    ]
    assert unused(grants_of(POLICIES), asked) == [
        grant("s3:GetObject", "b/*"),
        grant("s3:GetObjectTagging", "a/*"),
        grant("s3:GetObjectTagging", "b/*"),
    ]


def test_a_dot_of_a_resource_is_no_pattern() -> None:
    one = grant("s3:GetObject", "a.b/*")
    assert unused([one], [question("s3:GetObject", "axb/c")]) == [one]


def test_each_action_and_each_statement_that_allows_is_a_mutant_once() -> None:
    assert mutants(POLICIES) == [
        Mutant(ROLE, "own", "Read", ("s3:GetObject",)),
        Mutant(ROLE, "own", "Read", ("s3:GetObject", "s3:GetObjectTagging")),
        Mutant(ROLE, "own", "Read", ("s3:GetObjectTagging",)),
        Mutant(ROLE, "own", "Write", ("s3:PutObject",)),
    ]


def test_a_mutant_lacks_its_actions_and_nothing_else() -> None:
    one, whole = Mutant(ROLE, "own", "Read", ("s3:GetObject",)), Mutant(ROLE, "own", "Write", ("s3:PutObject",))
    assert without(POLICY, one)["Statement"] == [{**READ, "Action": ["s3:GetObjectTagging"]}, WRITE, FORBID]
    assert without(POLICY, whole)["Statement"] == [READ, FORBID]
    assert POLICY["Statement"] == [READ, WRITE, FORBID], "the policy itself is as it was"


def test_a_message_counts_only_if_it_names_the_action_that_was_denied() -> None:
    asked = [question("s3:GetObject", "a/x", "", allowed=False)]
    refusal = "x is not authorized to perform: {} on a/x"
    told = [("execution", refusal.format("s3:PutObject")), ("log", refusal.format("s3:GetObject"))]
    assert named(denied(asked), iter(told)) == ("log", "s3:GetObject")
    assert named(denied(asked), iter(told[:1])) is None


def asked(case: str, *questions: Question) -> Asked:
    return Asked(case, 1, "task", questions)


def test_the_cases_of_a_mutant_are_those_that_its_statement_allowed_a_call_of() -> None:
    mutant = Mutant(ROLE, "own", "Read", ("s3:GetObject",))
    needed = question("s3:GetObject", "a/x")
    found = [
        asked("copies", needed, question("s3:PutObject", "a/copies/x", "Write")),
        asked("killed tasks", needed),
        asked("swept", question("s3:GetObject", "a/x", "Other")),
    ]
    assert [case.name for case in cases_of(mutant, 1, "task", found)] == ["killed tasks", "copies"]
    assert cases_of(mutant, 2, "task", found) == []


def test_a_mutant_survives_unless_it_is_named_or_listed() -> None:
    mutant = Mutant("kit-pattern-1-monitor", "own", "WriteTraces", ("xray:PutTraceSegments",))
    listed = why_not(mutant, exempt.DONE_BY_AWS)
    assert Verdict(mutant, "copies", was_denied=True).survives and Verdict(mutant).survives
    assert listed and not Verdict(mutant, why=listed).survives
    assert not Verdict(mutant, "copies", was_denied=True, named_in="log").survives


def test_an_exemption_is_of_its_roles_its_statement_and_its_actions_alone() -> None:
    for role, sid, action, is_exempt in (
        ("kit-pattern-1-task-execution", "WriteLog", "logs:PutLogEvents", True),
        ("kit-pattern-1-task-execution", "WriteLog", "logs:CreateLogStream", False),
        ("kit-pattern-1-task", "WriteLog", "logs:PutLogEvents", False),
        ("kit-pattern-1-task-execution", "PullImage", "logs:PutLogEvents", False),
    ):
        assert bool(exempt.exemption(exempt.SILENT, role, sid, action)) is is_exempt, (role, sid, action)


def test_an_exemption_of_some_resources_is_of_no_mutant() -> None:
    what = ("kit-pattern-2-state-machine", "FollowChildren", "states:StopExecution")
    for resource, is_exempt in (("execution:kit:*", True), ("execution:kit/*", False)):
        found = exempt.exemption(exempt.DONE_BY_AWS, *what, f"arn:aws:states:eu-west-1:1:{resource}")
        assert bool(found) is is_exempt
    assert exempt.exemption(exempt.DONE_BY_AWS, *what) is None


def test_the_page_says_who_asks_for_each_grant() -> None:
    traces: dict[str, Any] = {**WRITE, "Sid": "WriteTraces", "Action": ["xray:PutTraceSegments"], "Resource": "*"}
    policies = {**POLICIES, ("kit-pattern-1-monitor", "own"): {**POLICY, "Statement": [traces]}}
    text = page.page(grants_of(policies), {1: {"copies": {question("s3:GetObject", "a/x")}}})
    assert "| task | s3:GetObject | `a/*` | copies | Read |" in text
    assert "| task | s3:GetObject | `b/*` | **nobody** | Read |" in text
    assert "| monitor | xray:PutTraceSegments | `*` | AWS: [" in text


@functools.cache
def rendered() -> frozenset[tuple[int, str, str, str, str]]:
    """The grants of both deployments of an audit, as the page shows them."""
    arns = {"ONE": "secretsmanager:{}:{}:secret:audit-AbCdEf", "TWO": "ssm:{}:{}:parameter/audit/word"}
    secrets = {name: f"arn:aws:{arn.format(TARGET.region, TARGET.account)}" for name, arn in arns.items()}
    found: set[tuple[int, str, str, str, str]] = set()
    topic = {"notificationTopicArn": f"arn:aws:sns:{TARGET.region}:{TARGET.account}:{TOPIC}"}
    for config in (CONFIG, {**CONFIG, **ECS_RECORDS, "jobSecrets": json.dumps(secrets)}):
        deployed = deployment(patterns="all", **config, **topic)
        policies = {
            (each.inputs["name"], each.inputs["name"]): each.document("policy") for each in deployed.of("RolePolicy")
        }
        for each in grants_of(policies):
            shown = page.shown(each.resource)
            found.add((page.pattern_of(each.role), page.short(each.role), each.action, f"`{shown}`", each.sid))
    return frozenset(found)


def test_the_page_has_every_grant_of_the_policies_and_no_other() -> None:
    """Where it fails, `make audit` writes the page."""
    listed, pattern = set(), 0
    for line in (ROOT / page.PAGE).read_text(encoding="utf-8").splitlines():
        if line.startswith("## Pattern "):
            pattern = int(line.removeprefix("## Pattern "))
        elif pattern and line.startswith("| ") and not line.startswith(("| role |", "| --- |")):
            role, action, resource, called_by, sid = line.strip("| ").split(" | ")
            assert called_by != "**nobody**", line
            listed.add((pattern, role, action, resource, sid))
    assert listed == rendered()


def test_cases_have_names_of_their_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
