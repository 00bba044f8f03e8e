"""What the package is by itself."""

from __future__ import annotations

import re
from pathlib import Path

from local_aws.plugins.aws.registry import RESOURCES

PACKAGE = Path(__file__).resolve().parents[2]


def test_neither_the_package_nor_its_tests_import_anything_else_of_this_repository() -> None:
    kit = re.compile(r"^\s*(?:from|import) (?:ecs_kit|automation|components|runtime|tests|tools)\b", re.MULTILINE)
    assert [str(file) for file in PACKAGE.rglob("*.py") if kit.search(file.read_text(encoding="utf-8"))] == []


def test_the_readme_lists_every_resource_type() -> None:
    (row,) = re.findall(r"^\| `aws` \| (.+) \|$", (PACKAGE / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    tokens = (resource.token.removeprefix("aws:") for resource in RESOURCES)
    names = sorted(re.sub(r"/\w+:", ".", token) for token in tokens)
    assert row == ", ".join(f"`{name}`" for name in names)
