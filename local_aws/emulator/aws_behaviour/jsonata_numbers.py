"""Numbers in JSONata expressions of Step Functions.

Whole numbers up to 2^53 become text in full, as Step Functions' own engine does, where the Python engine rounds to
15 digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

MAXIMUM_EXACT_INTEGER = 2**53


def encoding(original: Callable[[Any, Any], str]) -> Callable[[Any, Any], str]:
    """Wrap the engine's encoder of a value as text."""

    def encode(self: Any, value: Any) -> str:
        if isinstance(value, float) and value.is_integer() and abs(value) <= MAXIMUM_EXACT_INTEGER:
            return str(int(value))
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAXIMUM_EXACT_INTEGER:
            return str(value)
        return str(original(self, value))

    return encode
