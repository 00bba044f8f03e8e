"""Spec files on their way to a run's input."""

import json
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.automation.cli import e2e, e2e_options
from ecs_kit.automation.errors import SpecForOnePattern, SpecInvalid, SpecPatternUnknown, SpecUnreadable
from ecs_kit.automation.journeys import spec_files

ROOT = Path(__file__).resolve().parents[4]

DEPLOYED: dict[str, Any] = {
    "region": "us-east-1",
    "s3BucketName": "000000000000-ecs-starter-kit-pattern-1-bucket",
    "subnetIdLiteral": "subnet-0a1b2c3d$subnet-1a1b2c3d",
    "securityGroupId": "sg-0a1b2c3d",
    "ddbTableNameWFSummary": "workflow_summary_pattern_1",
    "hashKeyWFSummary": "workflow_name",
    "rangeKeyWFSummary": "workflow_run_id",
    "ddbTableNameWFDetails": "workflow_details_pattern_1",
    "hashKeyWFDetails": "workflow_run_id",
    "rangeKeyWFDetails": "ecs_task_id",
    "clusterName": "amazon-ecs-starter-kit-pattern-1",
    "containerName": "amazon-ecs-starter-kit",
    "taskDefinition": "amazon-ecs-starter-kit-pattern-1:3",
    "workflowName": "amazon_ecs_starter_kit-pattern-1",
    "separator": "$",
    "stateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:x",
}


def sample(pattern: int = 1) -> spec_files.Document:
    return spec_files.load(spec_files.sample_path(ROOT, pattern))


def written(folder: Path, document: Any) -> Path:
    path = folder / "spec.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


@pytest.mark.parametrize("pattern", [1, 2])
def test_the_kit_s_own_specs_tell_their_pattern(pattern: int) -> None:
    path = spec_files.sample_path(ROOT, pattern)

    assert spec_files.pattern_of(path, spec_files.load(path)) == pattern


def test_the_summary_table_s_name_tells_the_pattern_before_the_workflow_s_does() -> None:
    document = {"ddbTableNameWFSummary": "workflow_summary_pattern_2", "workflowName": "mine-pattern-1"}

    assert spec_files.pattern_of(Path("x"), document) == 2


def test_a_spec_that_does_not_tell_its_pattern_is_refused() -> None:
    with pytest.raises(SpecPatternUnknown, match="--pattern 1 or --pattern 2"):
        spec_files.pattern_of(Path("x.json"), {"workflowName": "mine"})


def test_placeholders_are_filled_in_and_fitting_values_kept(tmp_path: Path) -> None:
    document = {**dict(reversed(sample().items())), "clusterName": "amazon-ecs-starter-kit-pattern-1"}
    document["taskDefinition"] = "amazon-ecs-starter-kit-pattern-1"
    document["separator"] = ","
    document["subnetIdLiteral"] = "subnet-1a1b2c3d,subnet-0a1b2c3d"
    document["securityGroupId"] = "sg-0a1b2c3d,sg-9a1b2c3d"
    document["workflowRunId"] = "100001"
    path = written(tmp_path, document)

    rendered = spec_files.render(
        path, spec_files.load(path), {**DEPLOYED, "securityGroupIds": ["sg-0a1b2c3d", "sg-9a1b2c3d"]}
    )

    assert rendered["taskDefinition"] == "amazon-ecs-starter-kit-pattern-1"
    assert rendered["subnetIdLiteral"] == "subnet-1a1b2c3d,subnet-0a1b2c3d"
    assert rendered["ddbTableNameWFDetails"] == "workflow_details_pattern_1"
    assert rendered["taskList"][0]["s3BucketName"] == DEPLOYED["s3BucketName"]
    assert rendered["workflowRunId"] == "100001"


def test_the_task_definition_is_named_by_its_family_for_a_run_right_after_an_update() -> None:
    path = spec_files.sample_path(ROOT, 1)
    assert spec_files.render(path, sample(), DEPLOYED)["taskDefinition"] == "amazon-ecs-starter-kit-pattern-1"


def test_a_wrong_value_is_refused_with_the_expected_one(tmp_path: Path) -> None:
    path = written(tmp_path, {**sample(), "clusterName": "another"})

    with pytest.raises(SpecInvalid) as refused:
        spec_files.render(path, spec_files.load(path), DEPLOYED)

    assert "$.clusterName" in str(refused.value)
    assert "expected 'amazon-ecs-starter-kit-pattern-1'" in str(refused.value)


def test_objects_of_other_buckets_need_the_bucket_in_the_config(tmp_path: Path) -> None:
    document = sample()
    document["taskList"] = [{"taskName": "a", "s3BucketName": "other-bucket", "objectKey": "k"}]
    path = written(tmp_path, document)

    with pytest.raises(SpecInvalid, match="sourceBuckets"):
        spec_files.render(path, document, DEPLOYED)
    assert (
        spec_files.render(path, document, DEPLOYED, source_buckets=["other-bucket"])["taskList"] == document["taskList"]
    )


def test_an_input_that_step_functions_would_refuse_is_refused_here(tmp_path: Path) -> None:
    path = written(tmp_path, sample())

    with pytest.raises(SpecInvalid, match="Step Functions takes 262144: use fewer tasks"):
        spec_files.render(path, spec_files.with_tasks(sample(), 4000), DEPLOYED)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"clusterName": None}, "clusterName"),
        ({"colour": "red"}, "unknown attribute colour"),
        ({"taskList": []}, "$.taskList: is empty"),
        ({"taskList": [{"taskName": "a", "objectKey": "k"}] * 2}, "$.taskList[1].taskName"),
        ({"taskList": "all"}, "$.taskList"),
        ({"region": "<nowhere>"}, "placeholder <nowhere> has no value"),
    ],
)
def test_a_bad_spec_is_refused_with_place_and_reason(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    document = {**sample(), **change}
    path = written(tmp_path, {name: value for name, value in document.items() if value is not None})

    with pytest.raises(SpecInvalid) as refused:
        spec_files.load(path)

    assert str(path) in str(refused.value) and says in str(refused.value)


def test_what_is_not_json_is_refused_with_line_and_column(tmp_path: Path) -> None:
    path = written(tmp_path, '{"region": \n oops}')

    with pytest.raises(SpecUnreadable, match="line 2, column 2"):
        spec_files.load(path)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecUnreadable, match="No such file or directory"):
        spec_files.load(tmp_path / "none.json")


@pytest.mark.parametrize("number", [1, 3, 10, 11, 25])
def test_as_many_tasks_as_were_asked_for_each_with_a_name_of_its_own(number: int) -> None:
    tasks = spec_files.with_tasks(sample(), number)["taskList"]

    assert len({task["taskName"] for task in tasks}) == len(tasks) == number
    assert tasks[0] == sample()["taskList"][0]


def test_repeated_names_stay_valid_and_distinct() -> None:
    document = {"taskList": [{"taskName": "a", "objectKey": "k"}, {"taskName": "a-2", "objectKey": "l"}]}

    names = [task["taskName"] for task in spec_files.with_tasks(document, 5)["taskList"]]

    assert names == ["a", "a-2", "a-2-2", "a-3", "a-2-3"]


def test_a_spec_that_names_no_pattern_runs_in_those_that_are_asked_for() -> None:
    example = ROOT / "examples" / "word-count" / "spec.json"
    for given, patterns in (("1", [1]), ("2", [2]), ("all", [1, 2])):
        files = e2e._spec_files(e2e_options.parse(["--specs", str(example), "--pattern", given]))
        assert list(files) == patterns
    with pytest.raises(SpecPatternUnknown):
        e2e._spec_files(e2e_options.parse(["--specs", str(example)]))


def test_a_spec_for_one_pattern_is_not_run_in_both() -> None:
    sample = spec_files.sample_path(ROOT, 2)
    assert list(e2e._spec_files(e2e_options.parse(["--specs", str(sample)]))) == [2]
    with pytest.raises(SpecForOnePattern, match="is for pattern 2: leave --pattern all out"):
        e2e._spec_files(e2e_options.parse(["--specs", str(sample), "--pattern", "all"]))
