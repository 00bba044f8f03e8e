"""The whole program: what is deployed, how it hangs together, what it exports."""

from __future__ import annotations

import ast
import json
from collections import Counter

import pytest

from ecs_kit.components import errors, program
from tests.unit.components.recorder import PROJECT, Deployment, deployment, run

TABLE = json.loads((PROJECT / "tests/expected_resources.json").read_text())
ROWS = [
    pytest.param(pattern, row, id=f"pattern {pattern}, {switch}")
    for pattern, rows in TABLE["patterns"].items()
    for switch, row in rows.items()
]

WITHOUT_TAGS = {
    "BucketLifecycleConfiguration",
    "BucketPolicy",
    "BucketPublicAccessBlock",
    "BucketServerSideEncryptionConfiguration",
    "ClusterCapacityProviders",
    "EventTarget",
    "Image",
    "LifecyclePolicy",
    "Permission",
    "RolePolicy",
}
"""Types that take no tags."""


def short(counts: dict[str, int]) -> Counter:
    return Counter({kind.rsplit(":", 1)[1]: count for kind, count in counts.items() if kind.startswith("aws:")})


@pytest.mark.parametrize(("pattern", "row"), ROWS)
def test_exactly_the_resources_of_the_table_are_deployed(pattern, row):
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in row["config"].items()}
    deployed = deployment(patterns=pattern, **config)
    counts = Counter(resource.type for resource in deployed.resources) + Counter(TABLE["awsxVpcChildren"])
    assert dict(counts) == row["resources"]


@pytest.mark.parametrize("pattern", ["1", "2"])
def test_the_table_agrees_with_the_design(pattern):
    counts = short(TABLE["patterns"][pattern]["default"]["resources"])
    functions = {"1": 2, "2": 1}[pattern]
    gateway_endpoints, interface_endpoints = 2, 6
    assert counts["Vpc"] == 1
    assert (counts["Subnet"], counts["RouteTable"], counts["NatGateway"]) == (4, 4, 0)
    assert counts["VpcEndpoint"] == gateway_endpoints + interface_endpoints
    assert counts["SecurityGroup"] == interface_endpoints + functions + 1
    assert (counts["Cluster"], counts["Repository"], counts["TaskDefinition"]) == (1, 1, 1)
    assert TABLE["patterns"][pattern]["default"]["resources"]["docker:index/image:Image"] == 1
    assert (counts["Table"], counts["Bucket"], counts["StateMachine"]) == (2, 1, 1)
    assert counts["Function"] == functions
    assert counts["Role"] == {"1": 5, "2": 4}[pattern]
    assert counts["LogGroup"] == functions + 2


def test_the_switches_of_the_table_change_what_they_stand_for():
    for rows in TABLE["patterns"].values():
        default = short(rows["default"]["resources"])
        changes = {name: short(row["resources"]) - default for name, row in rows.items()}
        assert changes["nat-single"] == {"NatGateway": 1, "Eip": 1, "Route": 2}
        assert changes["nat-per-az"] == {"NatGateway": 2, "Eip": 2, "Route": 2}
        assert changes["container-insights"] == {"LogGroup": 1}
        assert default - short(rows["without-ecs-agent"]["resources"]) == {"VpcEndpoint": 1, "SecurityGroup": 1}


def test_both_patterns_are_deployed_unless_one_is_chosen():
    kinds = [[r.type for r in deployment(**config).resources] for config in ({}, {"patterns": "1"}, {"patterns": "2"})]
    one, two = "kit:patterns:TaskSubmissionFromLambda", "kit:patterns:TaskSubmissionFromStepFunctions"
    assert [(one in found, two in found) for found in kinds] == [(True, True), (True, False), (False, True)]


def test_the_two_patterns_share_nothing():
    both = Counter(r.type for r in deployment().resources)
    apart = Counter(r.type for r in deployment(patterns="1").resources)
    apart += Counter(r.type for r in deployment(patterns="2").resources)
    assert both == apart


def test_everything_is_a_child_of_its_pattern():
    deployed = deployment()
    parents = {resource.urn: resource.parent for resource in deployed.resources}
    for resource in deployed.resources:
        if resource.type.startswith("kit:patterns:"):
            continue
        chain = resource.urn.split("::")[2].split("$")
        assert chain[-1] == resource.type
        above = resource.parent
        while above in parents and "kit:patterns:" not in above.split("::")[2].split("$")[-1]:
            above = parents[above]
        assert above.split("::")[2].split("$")[-1].startswith("kit:patterns:"), resource.urn
        assert resource.name.startswith(("pattern-", "amazon-ecs-starter-kit-pattern-", "workflow_"))


def test_components_have_type_tokens_of_the_kit():
    tokens = {r.type for r in deployment().resources if not r.type.startswith(("aws:", "awsx:", "docker:"))}
    assert all(token.count(":") == 2 and token.startswith("kit:") for token in tokens)


def test_nothing_is_protected_from_destroy():
    assert not any(resource.protect for resource in deployment().resources)


def test_everything_that_takes_tags_has_the_kits_and_the_users_own():
    for resource in deployment(tags='{"team": "data"}').resources:
        kind = resource.type.rsplit(":", 1)[1]
        if resource.type.startswith("kit:") or kind in WITHOUT_TAGS:
            assert "tags" not in resource.inputs
            continue
        tags = resource.inputs["tags"]
        pattern = "2" if "pattern-2" in resource.name or "pattern_2" in resource.name else "1"
        assert tags["kit:workflow"] == f"amazon_ecs_starter_kit-pattern-{pattern}", resource.urn
        assert (tags["kit:stack"], tags["team"]) == ("test", "data")


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_patterns_outputs_are_a_specs_infrastructure_and_where_to_look(pattern):
    outputs = deployment().outputs[f"pattern{pattern}"]
    base = f"amazon-ecs-starter-kit-pattern-{pattern}"
    schema = json.loads((PROJECT / "specs/workflow_specs.schema.json").read_text())
    assert set(schema["properties"]) - {"taskList", "workflowRunId", "$schema"} <= set(outputs)
    assert outputs["workflowName"] == f"amazon_ecs_starter_kit-pattern-{pattern}"
    assert outputs["taskDefinition"] == f"{base}:7"
    assert outputs["stateMachineArn"].endswith(f":stateMachine:{base}")
    assert outputs["monitorFunctionName"] == f"{base}-ecs-task-monitor"
    assert outputs.get("launcherFunctionName") == {1: f"{base}-ecs-task-launcher", 2: None}[pattern]
    assert outputs["taskLogGroup"] == f"/ecs/{base}"
    assert outputs["vpcId"] == "vpc-1"
    assert outputs["imageUri"] == f"{outputs['repositoryUrl']}@sha256:{'0' * 64}"
    assert outputs["targetPrefix"] == "copies"


def test_the_stack_says_which_kit_and_where():
    outputs = deployment(patterns="1").outputs
    assert (outputs["kitVersion"], outputs["account"], outputs["region"]) == ("0.1.0", "123456789012", "eu-central-1")
    assert "pattern2" not in outputs


def test_a_name_suffix_is_in_every_physical_name():
    deployed: Deployment = deployment(nameSuffix="blue")
    for resource in deployed.resources:
        for key in ("name", "family"):
            if key in resource.inputs:
                assert "blue" in resource.inputs[key], resource.urn
    assert deployed.the("Bucket", "1-bucket").inputs["bucket"].endswith("-bucket-blue")


def test_with_a_wrong_configuration_nothing_is_created():
    recorded: list[Deployment] = []
    with pytest.raises(errors.ConfigError, match="taskCpu"):
        recorded.append(run(program.program, {"taskCpu": "3"}))
    assert recorded == []


def test_the_programs_entry_does_nothing_but_call_the_program():
    body = ast.parse((PROJECT / "__main__.py").read_text()).body
    assert [type(node).__name__ for node in body] == ["Expr", "ImportFrom", "Expr"]
