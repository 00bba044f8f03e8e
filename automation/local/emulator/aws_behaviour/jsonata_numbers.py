"""Numbers in JSONata expressions of Step Functions.

Whole numbers up to 2^53 become text in full, as Step Functions' own engine does, where the Python engine rounds to
15 digits.
"""

from __future__ import annotations

from typing import Any

from jsonata.functions import Functions

MAXIMUM_EXACT_INTEGER = 2**53


def encode(self: Any, value: Any) -> str:
    """The text of a value; takes the place of the engine's own encoder."""
    if isinstance(value, float) and value.is_integer() and abs(value) <= MAXIMUM_EXACT_INTEGER:
        return str(int(value))
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAXIMUM_EXACT_INTEGER:
        return str(value)
    return str(_original(self, value))


_original = Functions.Encoder.encode


def install() -> None:
    """Put the encoder in its place."""
    Functions.Encoder.encode = encode
