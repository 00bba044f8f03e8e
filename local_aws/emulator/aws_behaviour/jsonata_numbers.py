"""Numbers in JSONata expressions of Step Functions.

Integers up to 2^53 become text in full, as in Step Functions' own engine; the Python engine rounds to 15 digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MAXIMUM_EXACT_INTEGER = 2**53


def encoding(original: Callable[[Any, Any], str]) -> Callable[[Any, Any], str]:
    """Wrap the engine's encoder of a value as text."""

    def encode(self: Any, value: Any) -> str:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if number and abs(value) <= MAXIMUM_EXACT_INTEGER and value == int(value):
            return str(int(value))
        return str(original(self, value))

    return encode
