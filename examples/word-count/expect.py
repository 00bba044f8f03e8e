"""The check of the word count's results, for `automation/e2e.py --expect`."""

from __future__ import annotations

import json
import re


def expected(source: bytes, result: bytes) -> str:
    """Compare a result with its source, counted in another way than by the job.

    Args:
        source: the text.
        result: the object that the task wrote.

    Returns:
        What is wrong; empty if nothing is.
    """
    try:
        document = json.loads(result)
    except ValueError as error:
        return f"it is no JSON: {error}"
    words = re.findall(r"\w+(?:['\u2019]\w+)*", source.decode().lower())
    if document["words"] != len(words) or document["differentWords"] != len(set(words)):
        return f"it counts {document['words']} words, not {len(words)}"
    wrong = [word for word, count in document["mostFrequent"].items() if words.count(word) != count]
    return f"it miscounts {', '.join(wrong)}" if wrong else ""
