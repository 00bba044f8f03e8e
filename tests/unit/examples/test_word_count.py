"""The example's job by itself."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import boto3
import pytest
from moto import mock_aws

from ecs_kit.runtime.task.job import Job, S3Object

FILE = Path(__file__).resolve().parents[3] / "examples" / "word-count" / "image" / "word_count.py"
EXAMPLE = SimpleNamespace(**runpy.run_path(str(FILE)))


@mock_aws
def test_counts_are_written_as_json() -> None:
    s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    s3.create_bucket(Bucket="kit")
    s3.put_object(Bucket="kit", Key="in.txt", Body=b"One fish, two fish: RED fish.")
    parameters = {"TOP": "2", "MINIMUM_LENGTH": "4"}
    EXAMPLE.run(Job(S3Object("kit", "in.txt"), S3Object("kit", "out/in.txt"), parameters), s3)
    written = s3.get_object(Bucket="kit", Key="out/in.txt")
    assert written["ContentType"] == "application/json"
    assert json.loads(written["Body"].read()) == {"words": 6, "differentWords": 4, "mostFrequent": {"fish": 3}}


def test_text_in_pieces_is_the_same_text() -> None:
    text = "Ein Bär trägt Beeren \N{EN DASH} don\u2019t count the bear's berries."
    data = text.encode()
    whole = list(EXAMPLE.words([data]))
    assert whole == ["ein", "bär", "trägt", "beeren", "don\u2019t", "count", "the", "bear's", "berries"]
    for size in range(1, len(data)):
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        assert list(EXAMPLE.words(pieces)) == whole


def test_a_summary_counts_and_the_alphabet_decides_between_equals() -> None:
    nothing = {"words": 0, "differentWords": 0, "mostFrequent": {}}
    assert EXAMPLE.summary(EXAMPLE.words([]), top=10, minimum_length=1) == nothing
    assert list(EXAMPLE.summary(["b", "a", "c"], top=2, minimum_length=1)["mostFrequent"]) == ["a", "b"]


def test_bytes_that_are_not_utf_8_are_an_error() -> None:
    with pytest.raises(UnicodeDecodeError):
        list(EXAMPLE.words([b"\xff\xfe"]))
