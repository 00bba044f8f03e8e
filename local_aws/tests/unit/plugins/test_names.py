"""Names that a program leaves to the provider."""

from local_aws.plugins.aws.logs import LogGroup
from local_aws.plugins.aws.s3 import Bucket
from local_aws.plugins.framework.resource import named

GROUP = LogGroup()


def test_a_name_is_made_of_the_resource_s_and_kept_with_the_next_deployments() -> None:
    made = named(GROUP, "notes", b"one", {}, {"retentionInDays": 3})
    assert made["name"].startswith("notes-") and len(made["name"]) == len("notes-") + 7
    assert named(GROUP, "notes", b"two", made, {"retentionInDays": 7})["name"] == made["name"]
    assert named(GROUP, "notes", b"two", {}, {})["name"] != made["name"]


def test_the_program_s_own_name_is_taken_as_it_is_and_given_up_with_it() -> None:
    assert named(GROUP, "notes", b"one", {}, {"name": "mine"}) == {"name": "mine"}
    assert named(GROUP, "notes", b"one", {"name": "mine"}, {})["name"].startswith("notes-")


def test_a_long_name_is_cut_to_what_a_bucket_may_have() -> None:
    made = named(Bucket(), "n" * 100, b"one", {}, {})["bucket"]
    assert len(made) == 63 and named(Bucket(), "n" * 100, b"two", {"bucket": made}, {})["bucket"] == made
