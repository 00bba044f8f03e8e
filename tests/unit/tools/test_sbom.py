"""Software bills of materials, of what `cyclonedx-py` makes of the requirements."""

from __future__ import annotations

import re
from typing import Any

import pytest

from ecs_kit.components.config import KitConfig
from tools import sbom


def of_requirements(text: str) -> dict[str, Any]:
    """The part of `cyclonedx-py`: a component for each requirement, and what differs each time."""
    found = re.findall(r"^([\w.-]+)==(\S+)", text, re.MULTILINE)
    return {
        "serialNumber": "urn:uuid:1",
        "metadata": {"timestamp": "now", "tools": []},
        "components": [{"name": name, "version": version, "bom-ref": name} for name, version in found],
    }


def test_the_image_has_its_locked_packages_and_its_base_image_by_digest() -> None:
    document = sbom.bills(of_requirements)["image.cdx.json"]
    components = {each["name"]: each for each in document["components"]}
    assert {"boto3", "botocore", "python"} <= components.keys()
    digest = KitConfig().base_image.partition("@")[2]
    assert components["python"]["version"] == digest
    assert components["python"]["purl"] == f"pkg:oci/python@{digest.replace(':', '%3A')}?tag=3.13-slim"


@pytest.mark.parametrize("function", ["launcher", "monitor", "reporter"])
def test_a_function_s_package_has_its_digest_and_one_package(function: str) -> None:
    document = sbom.bills(of_requirements)[f"{function}.cdx.json"]
    assert [each["name"] for each in document["components"]] == ["fastjsonschema"]
    (digest,) = document["metadata"]["component"]["hashes"]
    assert re.fullmatch("[0-9a-f]{64}", digest["content"])


def test_nothing_in_a_bill_changes_from_one_time_to_the_next() -> None:
    for document in sbom.bills(of_requirements).values():
        assert "serialNumber" not in document and "timestamp" not in document["metadata"]


def test_a_locked_package_has_its_hashes_alone() -> None:
    lock = "a==1 \\\n    --hash=sha256:0\n    # via b\nb==2 \\\n    --hash=sha256:1\n"
    assert sbom.locked("a", lock) == "a==1 \\\n    --hash=sha256:0\n"
    assert sbom.locked("b", lock) == "b==2 \\\n    --hash=sha256:1\n"
    with pytest.raises(ValueError, match="make lock"):
        sbom.locked("c", lock)
