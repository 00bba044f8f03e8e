"""Spec files: read, checked, rendered."""

import json
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.errors import BadInput
from ecs_kit.automation.journeys import spec_files

NAME = "amazon-ecs-starter-kit-pattern-1"
DEPLOYED: dict[str, Any] = {
    "region": "us-east-1",
    "s3BucketName": f"000000000000-{NAME}-bucket",
    "subnetIdLiteral": "subnet-0a1b2c3d$subnet-1a1b2c3d",
    "securityGroupId": "sg-0a1b2c3d",
    "jobRecords": "kit",
    "securityGroupIds": ["sg-0a1b2c3d", "sg-9a1b2c3d"],
    "ddbTableNameWFSummary": "workflow_summary_pattern_1",
    "hashKeyWFSummary": "workflow_name",
    "rangeKeyWFSummary": "workflow_run_id",
    "ddbTableNameWFDetails": "workflow_details_pattern_1",
    "hashKeyWFDetails": "workflow_run_id",
    "rangeKeyWFDetails": "ecs_task_id",
    "clusterName": NAME,
    "containerName": "amazon-ecs-starter-kit",
    "taskDefinition": f"{NAME}:3",
    "workflowName": "amazon_ecs_starter_kit-pattern-1",
    "separator": "$",
}
PATH = Path("spec.json")


def sample(pattern: int = 1) -> spec_files.Document:
    return spec_files.load(spec_files.sample_path(pattern))


def written(folder: Path, document: Any) -> Path:
    path = folder / "spec.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("document", "pattern"),
    [
        (sample(1), 1),
        (sample(2), 2),
        ({"ddbTableNameWFSummary": "workflow_summary_pattern_2", "workflowName": "mine-pattern-1"}, 2),
    ],
)
def test_the_summary_table_s_name_tells_the_pattern_else_the_workflow_s_does(
    document: spec_files.Document, pattern: int
) -> None:
    assert spec_files.pattern_of(document) == pattern


def test_placeholders_are_filled_in_and_fitting_values_kept(tmp_path: Path) -> None:
    own = {
        "clusterName": NAME,
        "taskDefinition": NAME,
        "separator": ",",
        "subnetIdLiteral": "subnet-1a1b2c3d,subnet-0a1b2c3d",
        "securityGroupId": "sg-0a1b2c3d,sg-9a1b2c3d",
        "workflowRunId": "100001",
    }
    path = written(tmp_path, {**dict(reversed(sample().items())), **own})

    rendered = spec_files.render(path, spec_files.load(path), DEPLOYED)

    assert own.items() <= rendered.items()
    assert rendered["ddbTableNameWFDetails"] == "workflow_details_pattern_1"


def test_the_task_definition_is_named_by_its_family_for_a_run_right_after_an_update() -> None:
    assert spec_files.render(PATH, sample(), DEPLOYED)["taskDefinition"] == NAME


def test_objects_of_other_buckets_need_the_bucket_in_the_config() -> None:
    tasks = [{"taskName": "a", "s3BucketName": "other-bucket", "objectKey": "k"}]
    document = {**sample(), "taskList": tasks}

    with pytest.raises(BadInput, match="sourceBuckets"):
        spec_files.render(PATH, document, DEPLOYED, source_buckets=())
    for buckets in (["other-bucket"], None):
        assert spec_files.render(PATH, document, DEPLOYED, source_buckets=buckets)["taskList"] == tasks


def test_a_list_that_no_run_can_have_is_refused_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecs_kit.automation.journeys.list_files.MAX_TASKS", 20)
    with pytest.raises(BadInput, match="has 21 tasks; 20 is the most"):
        spec_files.render(PATH, spec_files.with_tasks(sample(), 21), DEPLOYED)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"clusterName": None}, "clusterName"),
        ({"region": "<nowhere>"}, "placeholder <nowhere> has no value"),
    ],
)
def test_a_bad_spec_is_refused_with_path_and_reason(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    document = {**sample(), **change}
    path = written(tmp_path, {name: value for name, value in document.items() if value is not None})

    with pytest.raises(BadInput) as refused:
        spec_files.load(path)

    assert str(path) in str(refused.value) and says in str(refused.value)


@pytest.mark.parametrize("number", [1, 3, 10, 11, 25])
def test_as_many_tasks_as_were_asked_for_each_with_a_name_of_its_own(number: int) -> None:
    tasks = spec_files.with_tasks(sample(), number)["taskList"]

    assert len({task["taskName"] for task in tasks}) == len(tasks) == number
    assert tasks[0] == sample()["taskList"][0]


def test_repeated_names_stay_valid_and_distinct() -> None:
    document = {"taskList": [{"taskName": "a", "objectKey": "k"}, {"taskName": "a-2", "objectKey": "l"}]}

    names = [task["taskName"] for task in spec_files.with_tasks(document, 5)["taskList"]]

    assert names == ["a", "a-2", "a-2-2", "a-3", "a-2-3"]
