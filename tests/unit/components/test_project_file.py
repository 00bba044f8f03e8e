"""`Pulumi.yaml` and `pyproject.toml` say what the code says."""

from __future__ import annotations

import tomllib

import pytest
import yaml

from ecs_kit.components.config import NAMESPACE, declarations
from ecs_kit.components.program import KIT_VERSION
from tests.unit.components.recorder import PROJECT
from tools import config_pages

FILE = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())


def test_the_project_has_the_namespace_of_its_configuration():
    assert FILE["name"] == NAMESPACE
    assert FILE["runtime"]["name"] == "python"


@pytest.mark.parametrize("name", config_pages.PAGES)
def test_every_key_is_declared_as_in_the_code(name: str):
    text = (PROJECT / name).read_text(encoding="utf-8")
    assert text == config_pages.PAGES[name](text), "run `make config`"


def test_a_key_s_declaration_says_its_type_default_and_description():
    declared = {key.name: key for key in declarations()}["sourceBuckets"]
    assert FILE["config"]["sourceBuckets"] == {
        "type": "array",
        "items": {"type": "string"},
        "default": [],
        "description": declared.description,
    }


def test_the_kits_version_is_the_projects():
    assert tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"] == KIT_VERSION


def test_the_local_aws_takes_the_same_versions_as_the_kit() -> None:
    def pins(file: str) -> set[str]:
        return set(tomllib.loads((PROJECT / file).read_text())["project"]["dependencies"])

    assert pins("local_aws/pyproject.toml") <= pins("pyproject.toml")
