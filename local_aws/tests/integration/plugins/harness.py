"""A world of AWS things that resources refer to, and what else the plugins' tests share."""

import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3

from local_aws.emulator import Emulator
from local_aws.tests.unit.plugins.playing import Engine as Engine


def trust(service: str) -> str:
    """A role's trust in one service."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


ALLOW_ALL = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


@dataclass
class World:
    """AWS things that resources refer to, made with boto3 alone."""

    emulator: Emulator
    folder: Path
    ids: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        make: Any = boto3.client
        return make(
            service,
            endpoint_url=self.emulator.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def zip(self, name: str, source: str) -> Path:
        path = self.folder / f"{name}.zip"
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as bundle:
            bundle.writestr(zipfile.ZipInfo("main.py", (1980, 1, 1, 0, 0, 0)), source)
        path.write_bytes(buffer.getvalue())
        return path
