"""The example's job by itself."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ecs_kit.runtime.task.job import Job, S3Object

FILE = Path(__file__).resolve().parents[3] / "examples" / "word-count" / "image" / "word_count.py"


@pytest.fixture(scope="module")
def word_count() -> ModuleType:
    spec = importlib.util.spec_from_file_location("word_count", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def s3() -> Any:
    with mock_aws():
        client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        client.create_bucket(Bucket="kit")
        yield client


def test_counts_are_written_as_json(word_count: ModuleType, s3: Any) -> None:
    s3.put_object(Bucket="kit", Key="in.txt", Body=b"One fish, two fish: RED fish.")
    parameters = {"TOP": "2", "MINIMUM_LENGTH": "4"}
    word_count.run(Job(S3Object("kit", "in.txt"), S3Object("kit", "out/in.txt"), parameters), s3)
    written = s3.get_object(Bucket="kit", Key="out/in.txt")
    assert written["ContentType"] == "application/json"
    assert json.loads(written["Body"].read()) == {"words": 6, "differentWords": 4, "mostFrequent": {"fish": 3}}


def test_text_in_pieces_is_the_same_text(word_count: ModuleType) -> None:
    text = "Ein Bär trägt Beeren \N{EN DASH} don\u2019t count the bear's berries."
    data = text.encode()
    whole = list(word_count.words([data]))
    assert whole == ["ein", "bär", "trägt", "beeren", "don\u2019t", "count", "the", "bear's", "berries"]
    for size in range(1, len(data)):
        pieces = [data[start : start + size] for start in range(0, len(data), size)]
        assert list(word_count.words(pieces)) == whole


def test_no_text_has_no_words(word_count: ModuleType) -> None:
    assert word_count.summary(word_count.words([]), top=10, minimum_length=1) == {
        "words": 0,
        "differentWords": 0,
        "mostFrequent": {},
    }


def test_what_is_no_text_is_an_error(word_count: ModuleType) -> None:
    with pytest.raises(UnicodeDecodeError):
        list(word_count.words([b"\xff\xfe"]))


def test_the_alphabet_decides_between_equals(word_count: ModuleType) -> None:
    assert list(word_count.summary(["b", "a", "c"], top=2, minimum_length=1)["mostFrequent"]) == ["a", "b"]
