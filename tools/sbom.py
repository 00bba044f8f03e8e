"""Software bills of materials of the task's image and of the functions' packages: `make sbom`.

`cyclonedx-py` makes each one of a requirements file (https://cyclonedx-bom-tool.readthedocs.io); what is not a Python
package, the kit itself and the base image, is added to it. The documents have neither times nor serial numbers, so
that the same sources give the same bytes.
"""

import argparse
import hashlib
import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from ecs_kit.components import lambda_package
from ecs_kit.components.config import KitConfig

ROOT = Path(__file__).resolve().parents[1]
IMAGE_REQUIREMENTS = ROOT / "ecs_kit" / "runtime" / "task" / "requirements.txt"
LOCK = ROOT / "requirements.lock"

Document = dict[str, Any]


def locked(package: str, lock: str) -> str:
    """A package's lines of a lock, with its version and hashes.

    Raises:
        ValueError: the lock lacks it.
    """
    found = re.search(rf"^{re.escape(package)}==.+?(?=^\S|\Z)", lock, re.DOTALL | re.MULTILINE)
    if found is None:
        raise ValueError(f"requirements.lock has no {package}: run `make lock`")
    return "".join(line for line in found[0].splitlines(keepends=True) if not line.lstrip().startswith("#"))


def base_image(reference: str) -> Document:
    """The base image as a component: its package URL has its digest, where the reference has one
    (https://github.com/package-url/purl-spec/blob/main/types-doc/oci-definition.md)."""
    name, _, digest = reference.partition("@")
    repository, _, tag = name.partition(":")
    version = f"@{digest.replace(':', '%3A')}" if digest else ""
    return {
        "type": "container",
        "bom-ref": "base-image",
        "name": repository,
        "version": digest or tag,
        "purl": f"pkg:oci/{repository.rpartition('/')[2]}{version}?tag={tag}",
    }


def described(document: Mapping[str, Any], component: Mapping[str, Any], further: list[Document]) -> Document:
    """A bill of materials whose subject is `component`, with further components, without what changes each time."""
    metadata = {name: value for name, value in document.get("metadata", {}).items() if name != "timestamp"}
    kept = {name: value for name, value in document.items() if name != "serialNumber"}
    components = sorted([*document.get("components", []), *further], key=lambda each: (each["name"], each["bom-ref"]))
    return {**kept, "metadata": {**metadata, "component": dict(component)}, "components": components}


def bills(of_requirements: Callable[[str], Document]) -> dict[str, Document]:
    """Every bill of materials by its file's name."""
    made = {
        "image": described(
            of_requirements(IMAGE_REQUIREMENTS.read_text(encoding="utf-8")),
            {"type": "container", "bom-ref": "image", "name": "ecs-step-functions-kit task"},
            [base_image(KitConfig().base_image)],
        )
    }
    vendored = locked(lambda_package.VENDORED, LOCK.read_text(encoding="utf-8"))
    names = get_args(lambda_package.FunctionName)
    for function in names:
        archive = lambda_package.archive(lambda_package.contents(function, ROOT))
        subject = {
            "type": "application",
            "bom-ref": function,
            "name": f"ecs-step-functions-kit {function}",
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(archive).hexdigest()}],
        }
        made[function] = described(of_requirements(vendored), subject, [])
    return {f"{name}.cdx.json": document for name, document in made.items()}


def main() -> None:
    """Write the files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cyclonedx-py", required=True, type=Path, help="the command of cyclonedx-bom")
    parser.add_argument("--output-dir", required=True, type=Path)
    given = parser.parse_args()

    def of_requirements(text: str) -> Document:
        command = [given.cyclonedx_py, "requirements", "--output-reproducible", "--output-format", "JSON", "-"]
        found: Document = json.loads(subprocess.run(command, input=text, stdout=-1, text=True, check=True).stdout)
        return found

    given.output_dir.mkdir(parents=True, exist_ok=True)
    for name, document in bills(of_requirements).items():
        path = given.output_dir / name
        path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
