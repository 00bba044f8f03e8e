"""An emulator shared by the integration tests of a session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from automation.local.emulator import Emulator


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A running emulator with IAM enforced. Tests share it: they take names of their own."""
    work_dir: Path = tmp_path_factory.mktemp("emulator")
    with Emulator(work_dir) as running:
        yield running
