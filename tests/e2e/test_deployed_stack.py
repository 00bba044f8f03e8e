"""One deployment of both patterns: its resources, what a change changes, and specs in all their forms."""

import json
import subprocess
from collections import Counter
from typing import Any

import pytest

from ecs_kit.automation.journeys import spec_files
from ecs_kit.automation.stacks import costs, preflight
from ecs_kit.automation.stacks.lifecycle import Changes
from ecs_kit.components.config import KitConfig, declarations
from ecs_kit.components.names import DeploymentTarget
from tests.e2e.conftest import ROOT, Deployed, sample

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
