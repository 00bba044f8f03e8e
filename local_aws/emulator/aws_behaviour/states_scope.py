"""What ends together in an execution: the execution, a branch of a Parallel state, an item of a Map state."""

from __future__ import annotations

import contextlib
import contextvars
import threading
from collections.abc import Iterator

_CANCELLED_AT_ONCE = 32
_LEAVING_SECONDS = 0.2
"""How long a child that is slow to end holds up the others."""


class Cancelled(BaseException):
    """The scope in which a state runs is over. Not an `Exception`: no state catches it."""


class Scope:
    """Is active until it is cancelled; its children are cancelled with it."""

    def __init__(self) -> None:
        self._cancelled = threading.Event()
        self._left = threading.Event()
        self._lock = threading.Lock()
        self._children: set[Scope] = set()

    @property
    def cancelled(self) -> bool:
        """Whether it is over."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """End it and everything in it.

        With thousands of children, a few at a time: threads that all wake at once hinder one another.
        """
        with self._lock:
            if self._cancelled.is_set():
                return
            self._cancelled.set()
            children = list(self._children)
        for index, child in enumerate(children):
            child.cancel()
            if index >= _CANCELLED_AT_ONCE:
                children[index - _CANCELLED_AT_ONCE]._left.wait(_LEAVING_SECONDS)

    def wait(self, seconds: float) -> None:
        """Wait until it is over, but no longer."""
        self._cancelled.wait(seconds)

    def sleep(self, seconds: float) -> None:
        """Wait; with 0 seconds, only check. `Cancelled` is raised where the scope is over."""
        if self._cancelled.wait(seconds):
            raise Cancelled

    @contextlib.contextmanager
    def child(self) -> Iterator[Scope]:
        """A scope inside this one, for as long as the block lasts."""
        child = Scope()
        with self._lock:
            self._children.add(child)
            if self._cancelled.is_set():
                child.cancel()
        try:
            yield child
        finally:
            with self._lock:
                self._children.remove(child)
            child._left.set()


_OUTERMOST = Scope()
current: contextvars.ContextVar[Scope] = contextvars.ContextVar("states_scope", default=_OUTERMOST)
"""The scope of the state that this thread runs."""


def sleep_in_scope(seconds: float) -> None:
    """Wait, but no longer than the current scope lasts; raises `Cancelled` then."""
    current.get().sleep(seconds)
