"""Settings of these tests."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    # The SDKs warn of their own deprecated resources whenever all of their modules are loaded.
    for package in ("pulumi_aws", "pulumi_awsx"):
        config.addinivalue_line("filterwarnings", f"ignore::DeprecationWarning:{package}.*")
