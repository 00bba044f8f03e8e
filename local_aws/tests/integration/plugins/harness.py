"""What the plugins' integration tests share."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local_aws.emulator import Emulator
from local_aws.testing.aws import root_client, zip_of
from local_aws.tests.integration.plugins.cases import resolved
from local_aws.tests.unit.plugins.playing import Engine as Engine


@dataclass
class World:
    """AWS resources that other resources refer to."""

    emulator: Emulator
    folder: Path
    ids: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return root_client(self.emulator.endpoint_url, service)

    def resolved(self, inputs: dict[str, Any], **ids: Any) -> Any:
        """Inputs with ids in place of references."""
        return resolved(inputs, {**self.ids, **ids})

    def zip(self, name: str, source: str) -> Path:
        path = self.folder / f"{name}.zip"
        path.write_bytes(zip_of({"main.py": source}))
        return path
