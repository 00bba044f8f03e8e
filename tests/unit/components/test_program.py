"""The whole program: what is deployed, how it hangs together, what it exports."""

import json
from collections import Counter

import pytest

from tests.unit.components.recorder import PROJECT, configured, deployment

TABLE = json.loads((PROJECT / "tests/expected_resources.json").read_text())
ROWS = [
    pytest.param(pattern, row, id=f"pattern {pattern}, {switch}")
    for pattern, rows in TABLE["patterns"].items()
    for switch, row in rows.items()
]

WITHOUT_TAGS = {
    *("BucketLifecycleConfiguration", "BucketPolicy", "BucketPublicAccessBlock"),
    *("BucketServerSideEncryptionConfiguration", "ClusterCapacityProviders", "Dashboard", "EventTarget", "Image"),
    *("LifecyclePolicy", "Permission", "QueryDefinition", "RolePolicy", "Schedule"),
}
"""Types that take no tags."""


@pytest.mark.parametrize(("pattern", "row"), ROWS)
def test_exactly_the_resources_of_the_table_are_deployed(pattern, row):
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in row["config"].items()}
    deployed = deployment(patterns=pattern, **config)
    children = "awsxVpcChildrenWithNat" if "natGateways" in row["config"] else "awsxVpcChildren"
    counts = Counter(resource.type for resource in deployed.resources) + Counter(TABLE[children])
    assert dict(counts) == row["resources"]


def test_both_patterns_are_deployed_by_default_and_share_nothing():
    one, two, both = deployment(patterns="1"), deployment(patterns="2"), deployment()
    assert one.of("TaskSubmissionFromLambda") and two.of("TaskSubmissionFromStepFunctions")
    assert sorted(r.urn for r in both.resources) == sorted(r.urn for r in [*one.resources, *two.resources])


def test_every_resource_is_a_child_of_its_pattern_named_for_it_and_not_protected():
    deployed = deployment()
    parents = {resource.urn: resource.parent for resource in deployed.resources}
    for resource in deployed.resources:
        assert not resource.protect
        assert resource.type.startswith(("aws:", "awsx:", "docker:", "kit:")) and resource.type.count(":") == 2
        assert resource.name.startswith(("pattern-", "amazon-ecs-starter-kit-pattern-", "workflow_"))
        above = resource.urn
        while ":patterns:" not in above.split("::")[2].split("$")[-1]:
            above = parents[above]


def test_everything_that_takes_tags_has_the_kits_and_the_users_own():
    for pattern, resource in ((number, resource) for number in (1, 2) for resource in configured(number).resources):
        if resource.type.startswith("kit:") or resource.type.rsplit(":", 1)[1] in WITHOUT_TAGS:
            assert "tags" not in resource.inputs
            continue
        tags = resource.inputs["tags"]
        assert tags["kit:workflow"] == f"amazon_ecs_starter_kit-pattern-{pattern}", resource.urn
        assert (tags["kit:stack"], tags["team"]) == ("test", "data")


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_patterns_outputs_are_a_specs_infrastructure_and_where_to_look(pattern):
    outputs = deployment().outputs[f"pattern{pattern}"]
    base = f"amazon-ecs-starter-kit-pattern-{pattern}"
    schema = json.loads((PROJECT / "specs/workflow_specs.schema.json").read_text())
    infrastructure = set(schema["properties"]) - {"taskList", "taskListUri", "rerunOf", "workflowRunId", "$schema"}
    expected = {
        "workflowName": f"amazon_ecs_starter_kit-pattern-{pattern}",
        "taskDefinition": f"{base}:7",
        "stateMachineArn": f"arn:aws:states:eu-central-1:123456789012:stateMachine:{base}",
        "monitorFunctionName": f"{base}-ecs-task-monitor",
        **({"launcherFunctionName": f"{base}-ecs-task-launcher"} if pattern == 1 else {}),
        "taskLogGroup": f"/ecs/{base}",
        "failureQueueUrl": f"https://sqs.eu-central-1.amazonaws.com/123456789012/{base}-failures",
        "vpcId": "vpc-1",
        "repositoryUrl": f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/{base}",
        "imageUri": f"123456789012.dkr.ecr.eu-central-1.amazonaws.com/{base}@sha256:{'0' * 64}",
        "targetPrefix": "copies",
        "jobRecords": "kit",
    }
    assert expected.items() <= outputs.items()
    assert set(outputs) == infrastructure | set(expected)


def test_the_stack_exports_the_kits_version_and_the_target():
    outputs = deployment(patterns="1").outputs
    assert (outputs["kitVersion"], outputs["account"], outputs["region"]) == ("0.1.0", "123456789012", "eu-central-1")
    assert "pattern2" not in outputs


def test_a_name_suffix_is_in_every_physical_name():
    deployed = deployment(nameSuffix="blue")
    names = [r.inputs[key] for r in deployed.resources for key in ("name", "family", "bucket") if key in r.inputs]
    assert len(names) > 20 and all("blue" in name for name in names)
