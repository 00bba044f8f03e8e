"""One deployment of both patterns: its resources, what a change changes, and specs in all their forms."""

import base64
import json
import subprocess
import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.journeys import rerunning, runs, spec_files, starting, tables
from ecs_kit.automation.stacks import costs, deployed_network, preflight
from ecs_kit.automation.stacks.clients import AwsClients
from ecs_kit.automation.stacks.lifecycle import Changes
from ecs_kit.components.config import KitConfig, declarations
from ecs_kit.components.names import DeploymentTarget
from ecs_kit.components.reachability import INTERNET
from ecs_kit.runtime.reporter import run_state
from ecs_kit.runtime.reporter.items import details_items
from local_aws.testing.aws import Topic, ask_until
from tests.e2e.conftest import ROOT, Deployed, metric_sums, sample
from tools.audit.cases import CASES
from tools.audit.grants import mutants
from tools.audit.mutation import play_without
from tools.audit.stage import Stage

TABLE = json.loads((ROOT / "tests" / "expected_resources.json").read_text(encoding="utf-8"))["patterns"]
SWITCHES: dict[str, dict[str, Any]] = {name: row["config"] for name, row in TABLE["1"].items() if row["config"]}

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("deployed-stack")]


def changed(changes: Changes) -> set[tuple[str, str, str]]:
    """Operation, type and name of each changed resource; components change with their children."""
    return {
        (step.operation, step.type.rsplit(":", 1)[-1], step.name)
        for step in changes.steps
        if step.type.startswith(("aws:", "docker:"))
    }


def both_patterns(switch: str) -> dict[str, int]:
    """Number of resources by type that the table has for both patterns."""
    both: Counter[str] = Counter()
    for rows in TABLE.values():
        both.update(rows[switch]["resources"])
    return dict(both)


def test_the_state_holds_exactly_the_resources_of_the_table(deployed: Deployed) -> None:
    assert dict(deployed.resources) == both_patterns("default")


def test_neither_a_refresh_nor_a_second_deployment_finds_a_change(deployed: Deployed) -> None:
    """The state holds what AWS answers, in AWS's normal forms, not what the program said."""
    for changes in (deployed.stack.refresh(), deployed.stack.deploy().changes):
        assert changes.nothing, changes


def preview_by_hand(deployed: Deployed) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [
            deployed.target.pulumi.executable,
            *("preview", "--non-interactive", "--color", "never", "--expect-no-changes", "--stack", "e2e"),
            *("--config-file", str(deployed.work_dir / "Pulumi.e2e.yaml")),
        ],
        cwd=deployed.project,
        env=dict(deployed.target.environment),
        capture_output=True,
        text=True,
        check=False,
    )


def test_pulumi_by_hand_finds_no_change_either(deployed: Deployed) -> None:
    preview = preview_by_hand(deployed)
    assert preview.returncode == 0, preview.stdout + preview.stderr


def test_pulumi_by_hand_shows_once_that_a_value_is_refused_and_changes_nothing(deployed: Deployed) -> None:
    deployed.configure(taskMemory="7")
    refused = preview_by_hand(deployed)
    deployed.configure(taskMemory="512")
    assert refused.returncode != 0, refused.stdout
    resources, _, diagnostics = refused.stdout.partition("Diagnostics:")
    assert diagnostics.count("taskMemory = '7': must be a whole number from 512 to 122880") == 1
    assert "aws:" not in resources


@pytest.mark.parametrize("pattern", [1, 2])
def test_every_workload_reaches_what_its_roles_may_call_and_not_the_internet(deployed: Deployed, pattern: int) -> None:
    found = deployed_network.read(deployed.target.aws, deployed.outputs[f"pattern{pattern}"])
    assert {path.workload for path in found} == {"tasks", "monitor", *(("launcher",) if pattern == 1 else ())}
    assert deployed_network.unreached(found) == []
    assert all(not path.is_complete for path in found if path.service == INTERNET)


def test_a_hop_that_is_taken_away_is_named(deployed: Deployed) -> None:
    ec2, output = deployed.target.aws.ec2, deployed.outputs["pattern2"]
    of_vpc = [{"Name": "vpc-id", "Values": [output["vpcId"]]}]
    groups = ec2.describe_security_groups(Filters=of_vpc)["SecurityGroups"]
    (endpoints,) = [group for group in groups if group["GroupName"].endswith("-endpoints")]
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [endpoints["GroupId"]]}])
    (rule,) = [
        each
        for each in rules["SecurityGroupRules"]
        if (each.get("ReferencedGroupInfo") or {}).get("GroupId") == output["securityGroupId"]
    ]
    ec2.revoke_security_group_ingress(GroupId=endpoints["GroupId"], SecurityGroupRuleIds=[rule["SecurityGroupRuleId"]])
    try:
        missing = deployed_network.unreached(deployed_network.read(deployed.target.aws, output))
    finally:
        permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
        pair = {"GroupId": output["securityGroupId"], "Description": rule["Description"]}
        tags = [{"ResourceType": "security-group-rule", "Tags": rule["Tags"]}]
        ec2.authorize_security_group_ingress(
            GroupId=endpoints["GroupId"],
            IpPermissions=[{**permission, "UserIdGroupPairs": [pair]}],
            TagSpecifications=tags,
        )
    assert {(path.workload, path.service) for path in missing} == {
        ("tasks", service) for service in ("ecr.api", "ecr.dkr", "logs")
    }
    for path in missing:
        assert f"no rule of {endpoints['GroupId']} admits tcp 443 from {output['securityGroupId']}" in path.missing


def test_the_registrys_password_is_encrypted_in_the_state_and_in_no_log(deployed: Deployed) -> None:
    data = deployed.target.aws.ecr.get_authorization_token()["authorizationData"][0]
    token = data["authorizationToken"].encode()
    password = base64.b64decode(token).partition(b":")[2]
    files = [path for path in deployed.work_dir.rglob("*") if path.is_file() and "emulator-" not in str(path)]
    assert {path.name for path in files} >= {"pulumi.log", "e2e.json"}
    holding = [path for path in files if token in (text := path.read_bytes()) or password in text]
    assert holding == []
    (state,) = [path for path in files if path.name == "e2e.json"]
    resources = json.loads(state.read_text())["checkpoint"]["latest"]["resources"]
    images = [each for each in resources if each["type"] == "docker:index/image:Image"]
    assert all("ciphertext" in json.dumps(each["inputs"]["registry"]) for each in images) and len(images) == 2


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_list_of_one_task_is_a_run_like_any_other(deployed: Deployed, pattern: int) -> None:
    verdict = deployed.run(pattern, spec_files.with_tasks(sample(pattern), 1))

    assert verdict.problems == ()
    assert (verdict.copies, verdict.summary["number_of_tasks"]) == (1, 1)


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_run_has_the_state_transitions_and_about_the_logs_that_its_estimate_counts(
    deployed: Deployed, pattern: int
) -> None:
    verdict = deployed.run(pattern, spec_files.with_tasks(sample(pattern), 4))

    assert verdict.run is not None
    pages = deployed.target.aws.stepfunctions.get_paginator("get_execution_history")
    found = pages.paginate(executionArn=verdict.run.execution_arn).search("events[].stateEnteredEventDetails.name")
    entered = Counter(name for name in found if name)
    assert sum(entered.values()) == costs.transitions(pattern, 4, entered["MonitorTasks"]), entered
    logs = deployed.target.aws.logs.get_paginator("filter_log_events")
    lines = logs.paginate(logGroupName=verdict.run.deployed["taskLogGroup"]).search("events[].[logStreamName, message]")
    sizes: Counter[str] = Counter()
    for stream, message in lines:
        sizes[stream] += len(message)
    assert 0.1 < max(sizes.values()) / (costs.LOG_KIB_OF_TASK * 1024) < 1, sizes


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_spec_with_all_values_filled_in_and_in_another_form_runs(deployed: Deployed, pattern: int) -> None:
    """Other order, separator, run id as text, several security groups, entries with and without a bucket."""
    output = deployed.outputs[f"pattern{pattern}"]
    filled = {name: output[name] for name in reversed(spec_files.FILLED_IN)}
    groups = sorted({output["securityGroupId"], *output.get("securityGroupIds", [])})
    filled |= {
        "separator": ",",
        "subnetIdLiteral": ",".join(reversed(output["subnetIdLiteral"].split(output["separator"]))),
        "securityGroupId": ",".join(groups),
        "taskDefinition": output["taskDefinition"].partition(":")[0],
        "workflowName": "seed_form",
        "workflowRunId": "100001",
        "taskList": [
            {"objectKey": "sample/sample.txt", "taskName": "without_bucket"},
            {"objectKey": "sample/sample.txt", "taskName": "with_bucket", "s3BucketName": output["s3BucketName"]},
        ],
    }

    verdict = deployed.run(pattern, filled)

    assert verdict.problems == ()
    assert verdict.run is not None and (verdict.run.run_id, verdict.copies) == (100001, 2)

    again = deployed.run(pattern, filled)

    assert again.execution_status == "FAILED"
    assert "RunIdInUse" in again.problems[0] and "100001" in again.problems[0]


def test_a_preflight_knows_the_stack_by_its_tag_and_finds_all_its_names_taken(deployed: Deployed) -> None:
    """The emulator has no quotas: each of them is a finding that says so."""
    aws, here = deployed.target.aws, deployed.target.identity
    needs = preflight.needs_of_config(KitConfig(), DeploymentTarget("aws", here.account, here.region))
    assert preflight.stack_of(aws, here, needs) == "e2e"

    answers = preflight.read(aws, here, needs)

    assert [name for name, is_taken in answers.taken.items() if is_taken is not True] == []
    assert answers.counts["L-F678F1CE"] == answers.counts["L-A4707A72"] == 3, "both patterns', and the account's own"
    levels = Counter(finding.level for finding in preflight.judge(needs, answers) if "quota of" in finding.what)
    assert levels == {preflight.Level.NOT_CHECKED: len(answers.quotas)}


@pytest.mark.parametrize("pattern", [1, 2])
def test_the_metrics_of_a_run_with_failing_tasks_are_what_its_tables_say(deployed: Deployed, pattern: int) -> None:
    before, output = metric_sums(deployed, pattern), deployed.outputs[f"pattern{pattern}"]
    rendered = spec_files.render(Path("spec.json"), spec_files.with_tasks(sample(pattern), 10), output)
    runs.put_sources(deployed.target.aws, rendered, output["s3BucketName"])
    first, *others = rendered["taskList"]
    broken = {**rendered, "taskList": [{**first, "objectKey": "missing.txt"}, *others]}
    run = runs.start(deployed.target.aws, pattern=pattern, spec=broken, deployed=output, name=uuid.uuid4().hex)
    verdict = deployed.verdict(run)

    assert (verdict.summary["completed_tasks"], verdict.summary["failed_tasks"]) == (9, 1)
    rows = list(details_items(deployed.target.aws, run.deployed, run.workflow_name, run.run_id, consistent=True))
    durations = sum(float(row["exec_time_in_seconds"]) for row in rows)

    def measured() -> Counter[str] | None:
        """The log of a container arrives a moment after its end."""
        found = metric_sums(deployed, pattern)
        found.subtract(before)
        return found if found["TaskDuration"] == pytest.approx(durations) else None

    found = ask_until(measured)
    assert {name: number for name, number in found.items() if number and name != "TaskDuration"} == {
        "RunsFailed": 1,
        "TasksCompleted": verdict.summary["completed_tasks"],
        "TasksFailed": verdict.summary["failed_tasks"],
        "TasksLaunched": len(rows),
    }


def test_the_dashboard_and_the_alarms_are_there_and_the_alarm_on_failed_tasks_follows_the_runs(
    deployed: Deployed,
) -> None:
    cloudwatch = deployed.target.aws.cloudwatch
    names = [entry["DashboardName"] for entry in cloudwatch.list_dashboards()["DashboardEntries"]]
    assert names == ["amazon-ecs-starter-kit-pattern-1", "amazon-ecs-starter-kit-pattern-2"]
    alarms = {alarm["AlarmName"]: alarm["StateValue"] for alarm in cloudwatch.describe_alarms()["MetricAlarms"]}
    assert len(alarms) == 12
    for pattern in (1, 2):
        sums = metric_sums(deployed, pattern)
        share = 100 * sums["TasksFailed"] / max(1, sums["TasksFailed"] + sums["TasksCompleted"])
        assert alarms[f"amazon-ecs-starter-kit-pattern-{pattern}-tasks-failed"] == ("ALARM" if share > 10 else "OK")


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_spec_in_the_bucket_is_one_run_however_often_its_scheduled_start_is_delivered(
    deployed: Deployed, pattern: int
) -> None:
    aws, output = deployed.target.aws, deployed.outputs[f"pattern{pattern}"]
    document = {**spec_files.with_tasks(sample(pattern), 2), "workflowName": "scheduled"}
    rendered = spec_files.render(Path("spec.json"), document, output)
    runs.put_sources(aws, rendered, output["s3BucketName"])
    key = "specs/nightly.json"
    aws.s3.put_object(Bucket=output["s3BucketName"], Key=key, Body=json.dumps(rendered).encode())
    due = {"specUri": f"s3://{output['s3BucketName']}/{key}", "scheduledTime": "2026-11-24T03:00:00Z"}

    first, second = [
        ended(aws, aws.stepfunctions.start_execution(stateMachineArn=output["stateMachineArn"], input=json.dumps(due)))
        for _ in range(2)
    ]

    assert (first["status"], second["status"]) == ("SUCCEEDED", "SUCCEEDED")
    assert json.loads(second["output"])["error"] == "RunIdInUse"
    (summary,) = tables.summary_items(aws, output, "scheduled")
    assert (summary["execution_arn"], summary["completed_tasks"]) == (first["executionArn"], 2)
    rows = details_items(aws, output, "scheduled", summary["workflow_run_id"], consistent=True)
    assert len(list(rows)) == 2
    assert run_state.key_of_execution(pattern, first, output).run_id == summary["workflow_run_id"]


@pytest.mark.acceptance
@pytest.mark.parametrize("pattern", [1, 2])
def test_the_objects_of_a_folder_are_a_run_and_what_failed_of_a_list_is_run_again(
    deployed: Deployed, pattern: int, tmp_path: Path
) -> None:
    aws, output = deployed.target.aws, deployed.outputs[f"pattern{pattern}"]
    bucket = output["s3BucketName"]

    def run_of(document: spec_files.Document) -> run_state.RunState:
        run = starting.start(aws, pattern, output, document, None)
        ended(aws, {"executionArn": run.execution_arn})
        runs.await_final_rows(aws, [run], limit_seconds=120, poll_seconds=0.5)
        return run_state.read(aws, run)

    for name in ("a", "b"):
        aws.s3.put_object(Bucket=bucket, Key=f"in/folder/{name}.txt", Body=name.encode())
    folder = run_of(starting._of(output, "folder", taskListUri=f"s3://{bucket}/in/folder/"))
    assert runs.succeeded(folder)
    assert {row["task_name"] for row in folder.details} == {"a.txt", "b.txt"}

    lines = [{"taskName": name, "objectKey": f"in/{name}.txt"} for name in ("folder/a", "late")]
    (tmp_path / "list.jsonl").write_text(
        "".join(json.dumps({**each, "taskName": each["taskName"][-1]}) + "\n" for each in lines)
    )
    first = run_of(starting.of_list(aws, output, tmp_path / "list.jsonl", "listed"))
    assert first.summary is not None
    assert (first.summary["status"], first.summary["completed_tasks"], first.summary["failed_tasks"]) == (
        "Failed",
        1,
        1,
    )

    aws.s3.put_object(Bucket=bucket, Key="in/late.txt", Body=b"late")
    second = run_of(rerunning.of_failed(aws, first))
    assert runs.succeeded(second) and second.summary is not None
    assert [(row["task_name"], row["status"]) for row in second.details] == [("e", "Completed")]
    again = run_state.read(aws, first.key).summary
    assert again is not None
    assert (second.summary["rerun_of"], again["rerun_by"]) == (first.key.run_id, second.key.run_id)


def ended(aws: AwsClients, started: Mapping[str, Any]) -> Mapping[str, Any]:
    """An execution once it has ended."""

    def described() -> Mapping[str, Any] | None:
        found = aws.stepfunctions.describe_execution(executionArn=started["executionArn"])
        return found if found["status"] != "RUNNING" else None

    return ask_until(described)


def test_an_event_that_the_monitor_cannot_handle_waits_in_the_failure_queue(deployed: Deployed) -> None:
    aws, output = deployed.target.aws, deployed.outputs["pattern1"]
    event = {"action": "dance"}
    aws.functions.invoke(
        FunctionName=output["monitorFunctionName"], InvocationType="Event", Payload=json.dumps(event).encode()
    )

    def received() -> Any:
        return aws.sqs.receive_message(QueueUrl=output["failureQueueUrl"], MessageAttributeNames=["All"]).get(
            "Messages"
        )

    (message,) = ask_until(received)
    assert json.loads(message["Body"]) == event
    assert "action is 'dance'" in message["MessageAttributes"]["ErrorMessage"]["StringValue"]


def test_ecs_tasks_have_the_tags_of_their_task_definition(deployed: Deployed) -> None:
    aws = deployed.target.aws
    for pattern in (1, 2):
        run = deployed.start(pattern, spec_files.with_tasks(sample(pattern), 1))
        assert deployed.verdict(run).problems == ()
        (row,) = details_items(aws, run.deployed, run.workflow_name, run.run_id, consistent=True)
        described = aws.ecs.describe_tasks(
            cluster=run.deployed["clusterName"], tasks=[row["ecs_task_id"]], include=["TAGS"]
        )
        tags = {tag["key"]: tag["value"] for tag in described["tasks"][0]["tags"]}
        assert (tags["kit:stack"], tags["kit:workflow"]) == ("e2e", run.deployed["workflowName"])


@pytest.mark.acceptance
def test_a_schedule_starts_a_run_and_its_end_is_told_to_the_topic(deployed: Deployed) -> None:
    aws, output = deployed.target.aws, deployed.outputs["pattern2"]
    document = {**spec_files.with_tasks(sample(2), 2), "workflowName": "nightly"}
    rendered = spec_files.render(Path("spec.json"), document, output)
    runs.put_sources(aws, rendered, output["s3BucketName"])
    aws.s3.put_object(Bucket=output["s3BucketName"], Key="specs/scheduled.json", Body=json.dumps(rendered).encode())
    topic = Topic(aws.client, "operators")

    deployed.configure(scheduleExpression="at(2026-01-01T03:00:00)", notificationTopicArn=topic.arn)
    deployed.stack.deploy()

    try:
        detail = topic.message(lambda event: event["detail"]["stateMachineArn"] == output["stateMachineArn"], 120)[
            "detail"
        ]
        result = json.loads(detail["output"])
        assert (detail["status"], result["status"], result["completed"]) == ("SUCCEEDED", "Completed", 2)
        assert json.loads(detail["input"])["scheduledTime"] == "2026-01-01T03:00:00Z"
    finally:
        deployed.configure(scheduleExpression="", notificationTopicArn="")
        deployed.stack.deploy()


@pytest.mark.acceptance
def test_more_memory_changes_the_task_definition_and_what_names_it(deployed: Deployed) -> None:
    deployed.configure(taskMemory="1024")

    changes = changed(deployed.stack.preview())

    deployed.configure(taskMemory="512")
    assert {kind for _, kind, _ in changes} == {"TaskDefinition", "Function", "StateMachine"}
    assert {operation for operation, kind, _ in changes if kind != "TaskDefinition"} == {"update"}


@pytest.mark.acceptance
def test_a_changed_function_s_source_updates_that_function_and_the_definition_that_names_its_version(
    deployed: Deployed,
) -> None:
    source = deployed.project / "ecs_kit" / "runtime" / "launcher" / "handler.py"
    source.write_text(source.read_text(encoding="utf-8") + "\n# changed\n", encoding="utf-8")

    assert changed(deployed.stack.deploy().changes) == {
        ("update", "Function", "pattern-1-launcher"),
        ("update", "StateMachine", "pattern-1-state-machine"),
    }


@pytest.mark.acceptance
@pytest.mark.parametrize("switch", SWITCHES)
def test_the_state_holds_exactly_the_resources_of_the_table_with_each_switch(deployed: Deployed, switch: str) -> None:
    """The last of these tests: it changes the stack."""
    defaults = {key.name: key.default for key in declarations()}
    switched = {name: defaults[name] for config in SWITCHES.values() for name in config} | SWITCHES[switch]
    deployed.configure(
        **{name: value if isinstance(value, str) else json.dumps(value) for name, value in switched.items()}
    )

    deployed.stack.deploy()

    found = Counter(resource.type for resource in deployed.stack.resources())
    expected = {of: number for of, number in both_patterns(switch).items() if not of.startswith(("kit:", "awsx:"))}
    assert dict(found) == expected


@pytest.mark.parametrize(
    ("pattern", "user", "sid", "action", "case"),
    [
        (2, "state-machine", "TrackTasksByEvents", "events:PutRule", "killed tasks"),
        (2, "task", "KeepOwnRecord", "dynamodb:UpdateItem", "killed tasks"),
        (1, "launcher", "RunTasks", "ecs:RunTask", "killed tasks"),
    ],
)
def test_a_run_names_the_grant_that_a_role_lacks(
    deployed: Deployed, pattern: int, user: str, sid: str, action: str, case: str
) -> None:
    """A sample of `make mutation`."""
    stage = Stage.of(deployed.target, deployed.outputs[f"pattern{pattern}"], pattern, "")
    policies, role = stage.policies(), stage.names.role(user)
    mutant = next(each for each in mutants(policies) if (each.role, each.sid, each.actions) == (role, sid, (action,)))
    (played,) = [each for each in CASES if each.name == case]

    verdict = play_without(stage, mutant, policies[mutant.role, mutant.policy], played)

    assert verdict.was_denied and verdict.named_in, verdict
    assert stage.policies() == policies, "the policy is as it was"
