"""The engine of JSONata expressions: numbers as text, and the time limit of an expression.

Integers up to 2^53 become text in full, as in Step Functions' own engine; the Python engine rounds to 15 digits.
MiniStack ends an expression after one second of the wall clock. On a busy machine, where many iterations of a Map share
a processor, that ends expressions that take milliseconds: here the limit is one of processor time. An expression is
parsed once, however many threads evaluate it: parsing takes as long as evaluating, and a new thread's parser longer.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from typing import Any

from jsonata.functions import Functions
from jsonata.jsonata import Jsonata
from jsonata.parser import Parser
from jsonata.timebox import Timebox

from local_aws.emulator.aws_behaviour.patching import around, instead

MAXIMUM_EXACT_INTEGER = 2**53


@around("jsonata_engine.numbers", Functions.Encoder, "encode")
def encode(original: Callable[[Any, Any], str], encoder: Any, value: Any) -> str:
    """Wrap the engine's encoder of a value as text."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and abs(value) <= MAXIMUM_EXACT_INTEGER and value == int(value):
        return str(int(value))
    return str(original(encoder, value))


@instead("jsonata_engine.time_limit", Timebox, "current_milli_time")
def processor_milliseconds() -> int:
    """The processor time that the calling thread has used; an expression is evaluated in one thread."""
    return time.thread_time_ns() // 1_000_000


class SharedParser(Parser):  # type: ignore[misc]
    """The parser of all threads. A syntax tree is not changed by evaluating it, so it is kept and shared."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._parsed = functools.lru_cache(maxsize=4096)(super().parse)

    def parse(self, expression: str | None, regex_engine: Any = None) -> Parser.Symbol:
        """The syntax tree of an expression; a `JException` where it is none."""
        with self._lock:
            return self._parsed(expression, regex_engine)


_parser = SharedParser()


@instead("jsonata_engine.time_limit", Jsonata, "get_parser")
def shared_parser() -> SharedParser:
    """The parser that a new `Jsonata` uses, in every thread the same one."""
    return _parser
