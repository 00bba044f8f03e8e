"""Tables and bucket."""

from __future__ import annotations

import pytest

from ecs_kit.runtime.common.tables import OPEN_RUNS_INDEX
from tests.unit.components.recorder import deployment


@pytest.mark.parametrize("pattern", [1, 2])
def test_the_tables_have_the_keys_that_users_rely_on(pattern):
    deployed = deployment(patterns=str(pattern))
    summary = deployed.the("Table", f"workflow_summary_pattern_{pattern}").inputs
    details = deployed.the("Table", f"workflow_details_pattern_{pattern}").inputs
    assert (summary["hashKey"], summary["rangeKey"]) == ("workflow_name", "workflow_run_id")
    assert (details["hashKey"], details["rangeKey"]) == ("workflow_run_id", "ecs_task_id")
    assert summary["attributes"] == [
        {"name": "workflow_name", "type": "S"},
        {"name": "workflow_run_id", "type": "N"},
        {"name": "open_since", "type": "S"},
    ]
    assert details["attributes"] == [
        {"name": "workflow_run_id", "type": "N"},
        {"name": "ecs_task_id", "type": "S"},
    ]


def test_the_index_of_open_runs_holds_their_keys_alone():
    (index,) = deployment(patterns="1").the("Table", "workflow_summary_pattern_1").inputs["globalSecondaryIndexes"]
    assert index == {
        "name": OPEN_RUNS_INDEX,
        "keySchemas": [{"attributeName": "open_since", "keyType": "HASH"}],
        "projectionType": "KEYS_ONLY",
        "readCapacity": 1,
        "writeCapacity": 1,
    }
    assert "globalSecondaryIndexes" not in deployment(patterns="1").the("Table", "workflow_details_pattern_1").inputs


def test_items_that_name_a_time_expire_then():
    for table in deployment(patterns="1").of("Table"):
        assert table.inputs["ttl"] == {"attributeName": "expires_at", "enabled": True}


def test_tables_are_provisioned_with_five_units_each_way():
    for table in deployment(patterns="1").of("Table"):
        assert table.inputs["billingMode"] == "PROVISIONED"
        assert (table.inputs["readCapacity"], table.inputs["writeCapacity"]) == (5, 5)


def test_tables_paid_by_request_have_no_capacity():
    for table in deployment(patterns="1", tableBilling="PAY_PER_REQUEST").of("Table"):
        assert table.inputs["billingMode"] == "PAY_PER_REQUEST"
        assert not {"readCapacity", "writeCapacity"} & set(table.inputs)
        for index in table.inputs.get("globalSecondaryIndexes", []):
            assert not {"readCapacity", "writeCapacity"} & set(index)


def test_the_bucket_empties_itself_on_destroy():
    assert deployment(patterns="1").the("Bucket").inputs["forceDestroy"] is True


def test_the_bucket_is_closed_to_the_public():
    inputs = deployment(patterns="1").the("BucketPublicAccessBlock").inputs
    closed = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert all(inputs[key] is True for key in closed)


def test_the_bucket_is_encrypted():
    (rule,) = deployment(patterns="1").the("BucketServerSideEncryptionConfiguration").inputs["rules"]
    assert rule == {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}


def test_the_bucket_answers_by_tls_only_and_its_policy_waits_for_the_access_block():
    policy = deployment(patterns="1").the("BucketPolicy")
    (statement,) = policy.document("policy")["Statement"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert any("BucketPublicAccessBlock" in urn for urn in policy.dependencies)


def test_half_uploaded_objects_do_not_stay():
    (rule,) = deployment(patterns="1").the("BucketLifecycleConfiguration").inputs["rules"]
    assert rule["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 1}
    assert rule["filter"] == {"prefix": ""}
