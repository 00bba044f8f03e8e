"""`Pulumi.yaml` and `pyproject.toml` say what the code says."""

from __future__ import annotations

import tomllib

import yaml

from components.config import NAMESPACE, declarations
from components.program import KIT_VERSION
from tests.unit.components.recorder import PROJECT

FILE = yaml.safe_load((PROJECT / "Pulumi.yaml").read_text())


def test_the_project_has_the_namespace_of_its_configuration():
    assert FILE["name"] == NAMESPACE
    assert FILE["runtime"]["name"] == "python"


def test_every_key_is_declared_with_the_type_default_and_description_of_the_code():
    expected = {
        key.name: {
            "type": key.type,
            "default": key.default,
            "description": key.description,
            **({"items": {"type": "string"}} if key.type == "array" else {}),
        }
        for key in declarations()
    }
    assert FILE["config"] == expected


def test_the_kits_version_is_the_projects():
    assert tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["version"] == KIT_VERSION
