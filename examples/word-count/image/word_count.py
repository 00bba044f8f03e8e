"""A job of your own: count the words of a text and write the counts as JSON."""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ecs_kit.runtime.task.job import Job

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

CHUNK_BYTES = 1024 * 1024
WORD = re.compile(r"\w+(?:['\u2019]\w+)*")
SPACE = re.compile(r"\s")


def run(job: Job, s3: S3Client) -> None:
    """Count the words of the source object and put the result at the target.

    Parameters: `TOP`, how many of the most frequent words are listed (10); `MINIMUM_LENGTH`, the least letters of a
    listed word (1).

    Raises:
        ValueError: a parameter is no number, or the object is no text in UTF-8.
    """
    top, minimum_length = int(job.parameters.get("TOP", "10")), int(job.parameters.get("MINIMUM_LENGTH", "1"))
    body = s3.get_object(Bucket=job.source.bucket, Key=job.source.key)["Body"]
    result = summary(words(body.iter_chunks(CHUNK_BYTES)), top=top, minimum_length=minimum_length)
    s3.put_object(
        Bucket=job.target.bucket,
        Key=job.target.key,
        Body=json.dumps(result, ensure_ascii=False, indent=2).encode(),
        ContentType="application/json",
    )


def words(chunks: Iterable[bytes]) -> Iterator[str]:
    """The words of a text in UTF-8, in lower case. A word across two chunks is one word."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    rest = ""
    for chunk in chunks:
        text = rest + decoder.decode(chunk)
        last_space = max((found.start() for found in SPACE.finditer(text)), default=-1)
        whole, rest = text[: last_space + 1], text[last_space + 1 :]
        yield from (word.lower() for word in WORD.findall(whole))
    yield from (word.lower() for word in WORD.findall(rest + decoder.decode(b"", final=True)))


def summary(found: Iterable[str], *, top: int, minimum_length: int) -> dict[str, Any]:
    """The result: the numbers of words and different words, and the most frequent ones, ties in alphabetical order."""
    counts = Counter(found)
    listed = [(word, count) for word, count in counts.items() if len(word) >= minimum_length]
    listed.sort(key=lambda item: (-item[1], item[0]))
    return {"words": counts.total(), "differentWords": len(counts), "mostFrequent": dict(listed[:top])}
