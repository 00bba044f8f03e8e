"""JSON as RFC 8259 has it, without the numbers that Python reads besides."""

import json

LONGEST_INTEGER = 400
"""Digits: more than any number that JSON readers keep; Python refuses those of more than 4,300."""


def _integer(text: str) -> int:
    if len(text) > LONGEST_INTEGER:
        raise ValueError(f"a number has {len(text)} digits")
    return int(text)


def _constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


DECODER = json.JSONDecoder(parse_int=_integer, parse_constant=_constant)
"""Raises ValueError for what is not JSON, a `json.JSONDecodeError` where it has a place; RecursionError for depth."""
