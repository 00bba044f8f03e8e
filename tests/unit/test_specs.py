"""Specs: the samples, the seed kit's own form, and every way to get one wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.runtime.contract.errors import SpecRefused
from ecs_kit.runtime.contract.specs import INFRASTRUCTURE_ATTRIBUTES, Deployed, Spec
from ecs_kit.runtime.functions import spec_check
from tests.unit.runtime.fakes import infrastructure, spec

FOLDER = Path(__file__).parents[2] / "specs"
DEPLOYED = Deployed(infrastructure(), security_group_ids=("sg-tasks", "sg-monitor"), source_buckets=("elsewhere",))
OWN_NAME = "'a' is already the name of $.taskList[0]; every task needs a name of its own"


def refusal(document: object, deployed: Deployed | None = DEPLOYED) -> list[str]:
    with pytest.raises(SpecRefused) as refused:
        spec_check.check(document, deployed=deployed)
    return [str(problem) for problem in refused.value.problems]


def accepted(**changes: Any) -> Spec:
    return spec_check.check(spec(**changes), deployed=DEPLOYED)


def task(name: str = "a", key: str = "k", **more: Any) -> dict[str, Any]:
    return {"taskName": name, "objectKey": key, **more}


@pytest.mark.parametrize("pattern", [1, 2])
def test_a_sample_has_ten_tasks_and_is_accepted_once_its_placeholders_are_filled_in(pattern: int) -> None:
    document = json.loads((FOLDER / f"workflow_specs_pattern_{pattern}.json").read_text())
    assert {name: document[name] for name in INFRASTRUCTURE_ATTRIBUTES} == {
        name: f"<{name}>" for name in INFRASTRUCTURE_ATTRIBUTES
    }
    assert document["separator"] == "$" and "workflowRunId" not in document
    assert len(spec_check.check(document, deployed=None).tasks) == 10
    deployed = Deployed(infrastructure(pattern))
    expected = "$.region: is '<region>', which this stack did not deploy; expected 'eu-central-1'"
    assert expected in refusal(document, deployed)
    checked = spec_check.check(spec_check.render(document, deployed.attributes), deployed=deployed)
    assert checked.subnet_ids == ("subnet-1", "subnet-2")
    assert {task.bucket for task in checked.tasks} == {f"kit-{pattern}"}


class TestAccepted:
    def test_order_separator_string_id_several_groups_and_own_buckets(self) -> None:
        document = spec(
            workflowRunId="100001",
            separator=",",
            subnetIdLiteral="subnet-2, subnet-1",
            securityGroupId="sg-tasks,sg-monitor",
            taskList=[task("with", s3BucketName="elsewhere"), task("without")],
        )
        checked = spec_check.check(dict(reversed(document.items())), deployed=DEPLOYED)
        assert checked.run_id == 100001
        assert checked.subnet_ids == ("subnet-2", "subnet-1")
        assert checked.security_group_ids == ("sg-tasks", "sg-monitor")
        assert [(task.name, task.bucket) for task in checked.tasks] == [("with", "elsewhere"), ("without", "kit-1")]

    @pytest.mark.parametrize("given", [100001, "100001", 100001.0, "0100001"])
    def test_a_run_id_as_a_number_or_its_digits(self, given: object) -> None:
        assert accepted(workflowRunId=given).run_id == 100001

    @pytest.mark.parametrize("key", ["a/...", "a/../b", ".a", "ä ö/😀.txt", "k" * 1024])
    def test_an_object_s_key(self, key: str) -> None:
        assert accepted(taskList=[task(key=key)]).tasks[0].key == key

    @pytest.mark.parametrize("name", ["a", "...", "_", "A-1.b_c", "x" * 128])
    def test_task_names_a_bare_family_and_one_subnet(self, name: str) -> None:
        checked = accepted(taskList=[task(name)], taskDefinition="kit-1", subnetIdLiteral="subnet-2")
        assert checked.subnet_ids == ("subnet-2",)


def stack_refusal(name: str, given: str, expected: str) -> str:
    return f"$.{name}: is {given!r}, which this stack did not deploy; expected {expected!r}"


class TestRefusals:
    @pytest.mark.parametrize("document", [None, [], "spec", 3])
    def test_what_is_no_object(self, document: object) -> None:
        assert refusal(document)[0].startswith("$: must be an object, not ")

    @pytest.mark.parametrize("name", [*INFRASTRUCTURE_ATTRIBUTES, "separator", "workflowName"])
    def test_a_missing_attribute(self, name: str) -> None:
        assert refusal(spec(**{name: None})) == [f"$: misses attribute {name}"]

    def test_the_tasks_are_in_the_spec_or_elsewhere(self) -> None:
        assert refusal(spec(taskList=None)) == ["$: misses taskList, or taskListUri"]
        assert refusal(spec(taskListUri="s3://kit-1/specs/a.csv")) == ["$: has both taskList and taskListUri"]
        assert accepted(taskList=None, taskListUri="s3://kit-1/specs/a.csv").tasks == ()
        (problem,) = refusal(spec(taskList=None, taskListUri="a.csv"))
        assert problem.startswith("$.taskListUri: must be s3://BUCKET/KEY.jsonl, .json or .csv, or a prefix s3://")

    @pytest.mark.parametrize(
        ("changes", "problems"),
        [
            ({"region": None, "clusterName": None}, ["$: misses attributes region, clusterName"]),
            ({"tasks": 0}, ["$.taskList: is empty; name at least one task"]),
            (
                {"taskList": [task(ram=1)]},
                [
                    "$.taskList[0]: has unknown attribute ram; known are taskName, s3BucketName, objectKey, command, "
                    "environment, cpu, memory"
                ],
            ),
            (
                {"taskList": [task("a"), task("b"), task("a"), task("a")]},
                [f"$.taskList[{index}].taskName: {OWN_NAME}" for index in (2, 3)],
            ),
            (
                {"region": 1, "taskList": {}, "separator": ""},
                [
                    "$.region: must be a string, not 1",
                    '$.separator: must be a text of 1 to 8 characters, not ""',
                    "$.taskList: must be an array, not {}",
                ],
            ),
            ({"taskDefinition": "kit-1:6"}, [stack_refusal("taskDefinition", "kit-1:6", "kit-1:7")]),
            (
                {"separator": ","},
                [
                    "$.subnetIdLiteral: names subnet-1$subnet-2, which this stack did not deploy; "
                    "expected subnet-1,subnet-2"
                ],
            ),
            (
                {"subnetIdLiteral": "$"},
                ["$.subnetIdLiteral: names nothing, which this stack did not deploy; expected subnet-1$subnet-2"],
            ),
            (
                {"subnetIdLiteral": "subnet-1$other", "securityGroupId": "sg-tasks$other"},
                [
                    "$.subnetIdLiteral: names other, which this stack did not deploy; expected subnet-1$subnet-2",
                    "$.securityGroupId: names other, which this stack did not deploy; expected sg-tasks",
                ],
            ),
            (
                {"taskList": [task(key="specs/a.json"), task("t", key="specs/a.json", s3BucketName="elsewhere")]},
                ["$.taskList[0].objectKey: is below specs/ of the pattern's bucket, where tasks may not read"],
            ),
            (
                {"taskList": [task(s3BucketName="b")]},
                [
                    "$.taskList[0].s3BucketName: tasks of this stack may not read from 'b', only from kit-1, "
                    "elsewhere; add it to the sourceBuckets config key"
                ],
            ),
        ],
    )
    def test_every_problem_is_named_with_its_path(self, changes: dict[str, Any], problems: list[str]) -> None:
        assert refusal(spec(**changes)) == problems

    @pytest.mark.parametrize(
        ("changes", "start"),
        [
            ({"colour": "red"}, "$: has unknown attribute colour; known are region, "),
            *(
                ({"taskList": [task(name)]}, "$.taskList[0].taskName: must be 1 to 128 letters, digits")
                for name in ("", ".", "..", "a/b", "a b", "x" * 129, "ä")
            ),
            *(
                (
                    {"taskList": [task(key=key)]},
                    "$.taskList[0].objectKey: must be an object's key of 1 to 1024 characters",
                )
                for key in ("", "folder/", "k" * 1025, ".", "a/.", "a/..", "a\x00b", "a\nb", "a\n", "\x7f", "\ud800")
            ),
            *(
                ({"taskList": [task(command=["go", text])]}, "$.taskList[0].command[1]: must be a text that")
                for text in ("", "a\x00", "\udfff")
            ),
            *(
                ({"taskList": [task(environment={"A": text})]}, "$.taskList[0].environment.A: must be a text ")
                for text in ("a\x00", "\udfff")
            ),
            *(
                ({"workflowRunId": given}, "$.workflowRunId: must be ")
                for given in (True, 1.5, "12a", "", -1, 0, "0", 2**53, [1], "99999999999999999")
            ),
        ],
    )
    def test_an_invalid_value(self, changes: dict[str, Any], start: str) -> None:
        (problem,) = refusal(spec(**changes))
        assert problem.startswith(start)

    @pytest.mark.parametrize(
        ("entry", "says"),
        [
            ({"cpu": 256}, ": has cpu without memory or memory without cpu"),
            ({"cpu": 300, "memory": 512}, ".cpu: must be one of 256, 512, 1024, 2048, 4096, 8192, 16384"),
            ({"cpu": 256, "memory": 4096}, ".memory: must be one of 512, 1024, 2048, which Fargate offers"),
            ({"environment": {"kit_job": "x"}}, ".environment.kit_job: is reserved"),
            ({"environment": {"A-B": "x"}}, ""),
            ({"command": ["{source.colour}"]}, ": has no such placeholder: source.colour; known are source.uri"),
            ({"command": []}, ".command: must be a list of 1 to 100 words"),
            ({"command": ["x" * 8000]}, ": has 8000 characters of command and environment"),
        ],
    )
    def test_values_of_one_task(self, entry: dict[str, Any], says: str) -> None:
        (problem,) = refusal(spec(taskList=[task(**entry)]))
        assert problem.startswith(f"$.taskList[0]{says}")

    @pytest.mark.parametrize(
        ("entry", "why"),
        [
            ({}, "which this stack's job needs"),
            ({"command": ["cat", "/dev/null"]}, "which this stack's job needs"),
            ({"environment": {"FROM": "here"}}, "which this stack's job needs"),
            ({"command": ["cat", "{source.key}"], "environment": {"FROM": ""}}, "which source.key stands for"),
            ({"command": ["cat", "/dev/null"], "environment": {"FROM": "here"}}, None),
        ],
    )
    def test_a_task_without_an_object_whose_placeholders_need_one(self, entry: dict[str, Any], why: str | None) -> None:
        document = spec(taskList=[{"taskName": "a", **entry}])
        job = {"job_command": ("cat", "{source.uri}"), "job_environment": {"FROM": "{source.uri}"}}
        deployed = Deployed(infrastructure(), needs_objects=False, **job)
        if why:
            assert refusal(document, deployed) == [f"$.taskList[0]: misses attribute objectKey, {why}"]
        else:
            assert spec_check.check(document, deployed=deployed).tasks[0].key == ""
        assert "misses attribute objectKey" in refusal(document)[0], "the kit's library needs one for every task"

    @pytest.mark.parametrize(
        "name", [name for name in INFRASTRUCTURE_ATTRIBUTES if not name.endswith(("Literal", "GroupId"))]
    )
    def test_infrastructure_of_another_stack(self, name: str) -> None:
        assert refusal(spec(**{name: "other"})) == [stack_refusal(name, "other", infrastructure()[name])]

    def test_long_values_are_truncated_in_messages(self) -> None:
        (problem,) = refusal(spec(taskList=[task("/" * 500)]))
        assert problem.endswith("…")

    def test_the_message_says_that_nothing_was_launched(self) -> None:
        with pytest.raises(SpecRefused, match=r"nothing was launched: \$: misses attribute region"):
            spec_check.check(spec(region=None), deployed=None)


def test_a_text_that_is_no_json_is_refused_with_its_position() -> None:
    assert spec_check.parse('{"a": 1}') == {"a": 1}
    with pytest.raises(SpecRefused, match=r"\$: is not JSON: .* at line 2, column 1"):
        spec_check.parse('{"a": 1,\n}')


def test_placeholders_are_filled_in_wherever_they_stand() -> None:
    document = {"a": "<x>", "b": ["<y>", "<x> and more", 3, None, "<a b>", "<>"], "c": {"d": "<x>"}}
    assert spec_check.render(document, {"x": "1", "y": "2"}) == {
        "a": "1",
        "b": ["2", "<x> and more", 3, None, "<a b>", "<>"],
        "c": {"d": "1"},
    }
    with pytest.raises(SpecRefused) as refused:
        spec_check.render({"a": "<x>", "b": [{"c": "<y>"}]}, {"z": "1"})
    assert [problem.path for problem in refused.value.problems] == ["$.a", "$.b[0].c"]
