"""Specs: the samples, the seed kit's own form, and every way to get one wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ecs_kit.runtime.contract.errors import SpecRefused
from ecs_kit.runtime.contract.specs import INFRASTRUCTURE_ATTRIBUTES, SPEC_ATTRIBUTES, Deployed
from ecs_kit.runtime.functions import spec_check
from tests.unit.runtime.fakes import infrastructure, spec

FOLDER = Path(__file__).parents[2] / "specs"
DEPLOYED = Deployed(infrastructure(), security_group_ids=("sg-tasks", "sg-monitor"), source_buckets=("elsewhere",))


def refusal(document: object, deployed: Deployed | None = DEPLOYED) -> list[str]:
    with pytest.raises(SpecRefused) as refused:
        spec_check.check(document, deployed=deployed)
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize("pattern", [1, 2])
class TestSamples:
    def document(self, pattern: int) -> Any:
        return json.loads((FOLDER / f"workflow_specs_pattern_{pattern}.json").read_text())

    def test_names_ten_tasks_and_a_placeholder_for_each_infrastructure_attribute(self, pattern: int) -> None:
        document = self.document(pattern)
        assert len(document["taskList"]) == 10
        assert {document[name] for name in INFRASTRUCTURE_ATTRIBUTES} == {
            f"<{name}>" for name in INFRASTRUCTURE_ATTRIBUTES
        }
        assert document["separator"] == "$"
        assert "workflowRunId" not in document

    def test_satisfies_the_schema_with_its_placeholders(self, pattern: int) -> None:
        assert len(spec_check.check(self.document(pattern), deployed=None).tasks) == 10

    def test_is_accepted_by_the_stack_once_rendered(self, pattern: int) -> None:
        values = infrastructure(pattern)
        checked = spec_check.check(spec_check.render(self.document(pattern), values), deployed=Deployed(values))
        assert checked.subnet_ids == ("subnet-1", "subnet-2")
        assert {task.bucket for task in checked.tasks} == {f"kit-{pattern}"}

    def test_is_refused_with_the_expected_values_while_not_rendered(self, pattern: int) -> None:
        problems = refusal(self.document(pattern), Deployed(infrastructure(pattern)))
        assert "$.region: is '<region>', which this stack did not deploy; expected 'eu-central-1'" in problems


class TestSeedForm:
    def test_order_separator_string_id_several_groups_and_own_buckets_are_accepted(self) -> None:
        document = dict(
            reversed(
                spec(
                    workflowRunId="100001",
                    separator=",",
                    subnetIdLiteral="subnet-2, subnet-1",
                    securityGroupId="sg-tasks,sg-monitor",
                    taskList=[
                        {"objectKey": "a/x.txt", "taskName": "with", "s3BucketName": "elsewhere"},
                        {"objectKey": "a/y.txt", "taskName": "without"},
                    ],
                ).items()
            )
        )
        checked = spec_check.check(document, deployed=DEPLOYED)
        assert checked.run_id == 100001
        assert checked.subnet_ids == ("subnet-2", "subnet-1")
        assert checked.security_group_ids == ("sg-tasks", "sg-monitor")
        assert [(task.name, task.bucket) for task in checked.tasks] == [("with", "elsewhere"), ("without", "kit-1")]

    def test_a_bare_family_and_one_subnet_are_accepted(self) -> None:
        checked = spec_check.check(spec(taskDefinition="kit-1", subnetIdLiteral="subnet-2"), deployed=DEPLOYED)
        assert checked.subnet_ids == ("subnet-2",)

    @pytest.mark.parametrize("given", [100001, "100001", 100001.0, "0100001"])
    def test_a_run_id_may_be_a_number_or_its_digits(self, given: object) -> None:
        assert spec_check.check(spec(workflowRunId=given), deployed=DEPLOYED).run_id == 100001


class TestRefusals:
    @pytest.mark.parametrize("document", [None, [], "spec", 3])
    def test_what_is_no_object(self, document: object) -> None:
        assert refusal(document)[0].startswith("$: must be an object, not ")

    @pytest.mark.parametrize("name", SPEC_ATTRIBUTES)
    def test_a_missing_attribute(self, name: str) -> None:
        assert refusal(spec(**{name: None})) == [f"$: misses attribute {name}"]

    def test_several_missing_attributes_at_once(self) -> None:
        assert refusal(spec(region=None, clusterName=None)) == ["$: misses attributes region, clusterName"]

    def test_an_unknown_attribute(self) -> None:
        assert refusal(spec(colour="red"))[0].startswith("$: has unknown attribute colour; known are region, ")

    def test_an_unknown_attribute_of_a_task(self) -> None:
        (problem,) = refusal(spec(taskList=[{"taskName": "a", "objectKey": "k", "memory": 1}]))
        assert problem == "$.taskList[0]: has unknown attribute memory; known are taskName, s3BucketName, objectKey"

    def test_an_empty_task_list(self) -> None:
        assert refusal(spec(tasks=0)) == ["$.taskList: is empty; name at least one task"]

    def test_duplicate_names_with_both_places(self) -> None:
        tasks = [{"taskName": name, "objectKey": "k"} for name in ("a", "b", "a", "a")]
        reason = "'a' is already the name of $.taskList[0]; every task needs a name of its own"
        assert refusal(spec(taskList=tasks)) == [
            f"$.taskList[2].taskName: {reason}",
            f"$.taskList[3].taskName: {reason}",
        ]

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a b", "x" * 129, "ä"])
    def test_a_task_name_that_could_not_be_part_of_a_key(self, name: str) -> None:
        (problem,) = refusal(spec(taskList=[{"taskName": name, "objectKey": "k"}]))
        assert problem.startswith("$.taskList[0].taskName: must be 1 to 128 letters, digits")

    @pytest.mark.parametrize("name", ["a", "...", "_", "A-1.b_c", "x" * 128])
    def test_other_task_names_are_accepted(self, name: str) -> None:
        assert spec_check.check(spec(taskList=[{"taskName": name, "objectKey": "k"}]), deployed=DEPLOYED)

    @pytest.mark.parametrize("key", ["", "folder/", "k" * 1025])
    def test_a_key_that_names_no_object(self, key: str) -> None:
        (problem,) = refusal(spec(taskList=[{"taskName": "a", "objectKey": key}]))
        assert problem.startswith("$.taskList[0].objectKey: must be an object's key of 1 to 1024 characters")

    @pytest.mark.parametrize("given", [True, 1.5, "12a", "", -1, 0, "0", 2**53, [1], "99999999999999999"])
    def test_a_run_id_that_is_none(self, given: object) -> None:
        (problem,) = refusal(spec(workflowRunId=given))
        assert problem.startswith("$.workflowRunId: must be ")

    def test_wrong_types_all_at_once(self) -> None:
        assert refusal(spec(region=1, taskList={}, separator="")) == [
            "$.region: must be a string, not 1",
            '$.separator: must be a text of 1 to 8 characters, not ""',
            "$.taskList: must be an array, not {}",
        ]

    @pytest.mark.parametrize(
        "name", [name for name in INFRASTRUCTURE_ATTRIBUTES if not name.endswith(("Literal", "GroupId"))]
    )
    def test_infrastructure_of_another_stack_with_the_value_expected(self, name: str) -> None:
        expected = infrastructure()[name]
        assert refusal(spec(**{name: "other"})) == [
            f"$.{name}: is 'other', which this stack did not deploy; expected {expected!r}"
        ]

    @pytest.mark.parametrize("name", ["subnetIdLiteral", "securityGroupId"])
    def test_an_id_of_another_stack(self, name: str) -> None:
        expected = infrastructure()[name]
        given = f"{expected}$other"
        assert refusal(spec(**{name: given})) == [
            f"$.{name}: names other, which this stack did not deploy; expected {expected}"
        ]

    def test_a_literal_without_any_id(self) -> None:
        assert refusal(spec(subnetIdLiteral="$"))[0].startswith("$.subnetIdLiteral: names nothing, ")

    def test_the_literal_of_another_separator(self) -> None:
        (problem,) = refusal(spec(separator=","))
        assert problem == (
            "$.subnetIdLiteral: names subnet-1$subnet-2, which this stack did not deploy; expected subnet-1,subnet-2"
        )

    def test_an_old_revision(self) -> None:
        assert refusal(spec(taskDefinition="kit-1:6"))[0].endswith("expected 'kit-1:7'")

    def test_a_bucket_that_is_no_source(self) -> None:
        (problem,) = refusal(spec(taskList=[{"taskName": "a", "objectKey": "k", "s3BucketName": "b"}]))
        assert problem.startswith(
            "$.taskList[0].s3BucketName: tasks of this stack may not read from 'b', only from kit-1"
        )

    def test_long_values_are_cut_in_messages(self) -> None:
        (problem,) = refusal(spec(taskList=[{"taskName": "/" * 500, "objectKey": "k"}]))
        assert problem.endswith("…")

    def test_the_message_says_that_nothing_was_launched(self) -> None:
        with pytest.raises(SpecRefused, match=r"nothing was launched: \$: misses attribute region"):
            spec_check.check(spec(region=None), deployed=None)


class TestParsing:
    def test_reads_json(self) -> None:
        assert spec_check.parse('{"a": 1}') == {"a": 1}

    def test_says_where_a_text_is_no_json(self) -> None:
        with pytest.raises(SpecRefused, match=r"\$: is not JSON: .* at line 2, column 1"):
            spec_check.parse('{"a": 1,\n}')


class TestRendering:
    def test_fills_placeholders_wherever_they_stand(self) -> None:
        document = {"a": "<x>", "b": ["<y>", "<x> and more", 3], "c": {"d": "<x>"}}
        assert spec_check.render(document, {"x": "1", "y": "2"}) == {
            "a": "1",
            "b": ["2", "<x> and more", 3],
            "c": {"d": "1"},
        }

    def test_names_every_placeholder_without_a_value(self) -> None:
        with pytest.raises(SpecRefused) as refused:
            spec_check.render({"a": "<x>", "b": [{"c": "<y>"}]}, {"z": "1"})
        assert [problem.path for problem in refused.value.problems] == ["$.a", "$.b[0].c"]

    def test_tells_placeholders_from_other_values(self) -> None:
        assert spec_check.is_placeholder("<region>")
        assert not any(map(spec_check.is_placeholder, ["region", "<a b>", "<>", 3, None]))
