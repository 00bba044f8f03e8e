"""The record of what roles ask IAM for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from local_aws.emulator import Emulator
from local_aws.emulator.authorizations import Authorization
from local_aws.testing.aws import allow
from local_aws.tests.integration.emulator.expectations import refused

pytestmark = [pytest.mark.integration]


@pytest.fixture
def recording(emulator: Emulator) -> Iterator[Emulator]:
    emulator.start_recording()
    yield emulator
    emulator.stop_recording()


def test_each_decision_is_recorded_once_with_its_statement(aws: Any, recording: Emulator) -> None:
    listing = {**allow("sqs:ListQueues"), "Sid": "List"}
    role = aws.role("asking", None, listing)
    sqs = aws.client("sqs", role)
    name = role.rpartition("/")[2]
    for _ in range(2):
        sqs.list_queues()
    with refused("AccessDenied", "sqs:CreateQueue"):
        sqs.create_queue(QueueName="denied")

    own = [each for each in recording.read_authorizations() if each.role == name]

    queue = f"arn:aws:sqs:{aws.region}:{aws.account}:denied"
    assert [(each.action, each.allowed, each.statement) for each in own] == [
        ("sqs:CreateQueue", False, ""),
        ("sqs:ListQueues", True, "List"),
    ]
    assert own[0] == Authorization(name, "sqs:CreateQueue", queue, False)


def test_the_account_s_root_and_policies_of_resources_are_not_recorded(aws: Any, recording: Emulator) -> None:
    root = aws.client("s3")
    bucket = aws.name("recorded").lower()
    root.create_bucket(Bucket=bucket)
    root.put_bucket_policy(
        Bucket=bucket,
        Policy='{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", '
        f'"Resource": "arn:aws:s3:::{bucket}", "Condition": {{"Bool": {{"aws:SecureTransport": "false"}}}}}}]}}',
    )
    role = aws.role("listing", None, {**allow("s3:ListBucket"), "Sid": "List"})
    aws.client("s3", role).list_objects_v2(Bucket=bucket)

    own = [each for each in recording.read_authorizations() if each.resource == f"arn:aws:s3:::{bucket}"]
    assert [(each.role, each.allowed) for each in own] == [(role.rpartition("/")[2], True)]


def test_nothing_is_recorded_unless_it_was_started(aws: Any, emulator: Emulator) -> None:
    emulator.stop_recording()
    aws.client("sqs", aws.role("unheard", None, allow("sqs:ListQueues"))).list_queues()
    assert emulator.read_authorizations() == ()
