"""Functions that the emulator's tests ask for by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from local_aws.testing.aws import allow, ask_until, zip_of


@pytest.fixture
def until() -> Callable[..., Any]:
    """Asks until there is an answer."""
    return ask_until


@pytest.fixture
def statement() -> Callable[..., dict[str, Any]]:
    """Makes a statement that allows."""
    return allow


@pytest.fixture
def package() -> Callable[[dict[str, str]], bytes]:
    """Makes a Lambda package."""
    return zip_of
