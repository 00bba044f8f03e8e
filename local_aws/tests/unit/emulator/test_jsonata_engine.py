"""Numbers in JSONata."""

from __future__ import annotations

import json

import pytest
from jsonata.functions import Functions

from local_aws.emulator.aws_behaviour import jsonata_engine


@pytest.mark.parametrize(
    ("value", "text"),
    [(1795486942613374, "1795486942613374"), (1795486942613374.0, "1795486942613374"), (1.5, "1.5"), (True, "true")],
)
def test_whole_numbers_become_text_in_full(value: float, text: str) -> None:
    encode, encoder = Functions.Encoder.encode, Functions.Encoder()
    assert jsonata_engine.encode(encode, encoder, value) == text
    assert json.loads(jsonata_engine.encode(encode, encoder, [value])) == [value]
