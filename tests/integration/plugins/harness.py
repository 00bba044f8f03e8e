"""The engine's part, played for one resource at a time, and a world of AWS things that resources refer to."""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import boto3
import grpc
from pulumi import automation as auto
from pulumi.runtime.proto import provider_pb2

from automation.local.emulator import Emulator
from automation.local.plugins.framework.servicer import ProviderServicer
from automation.local.plugins.framework.values import Properties, from_struct, to_struct

SERVICES = (
    "dynamodb",
    "ec2",
    "ecr",
    "ecs",
    "eventbridge",
    "iam",
    "lambda",
    "logs",
    "s3",
    "sfn",
    "sts",
)


class Aborted(Exception):
    """A call that ended with an error status."""

    def __init__(self, code: grpc.StatusCode, details: str, metadata: tuple[tuple[str, bytes], ...]) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.metadata = dict(metadata)


class FakeContext:
    """As much of gRPC's context as a servicer uses."""

    def __init__(self) -> None:
        self._metadata: tuple[tuple[str, bytes], ...] = ()

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        raise Aborted(code, details, self._metadata)

    def set_trailing_metadata(self, metadata: tuple[tuple[str, bytes], ...]) -> None:
        self._metadata = metadata


@dataclass
class Engine:
    """Calls a servicer as the engine does."""

    servicer: ProviderServicer[Any]

    @staticmethod
    def urn(token: str, name: str) -> str:
        return f"urn:pulumi:stack::project::{token}::{name}"

    def check_failures(
        self, token: str, name: str, news: Mapping[str, Any], olds: Mapping[str, Any] | None = None
    ) -> tuple[Properties, list[str]]:
        request = provider_pb2.CheckRequest(
            urn=self.urn(token, name), olds=to_struct(olds or {}), news=to_struct(news), randomSeed=b"seed"
        )
        response = self.servicer.Check(request, FakeContext())  # type: ignore[arg-type]
        return from_struct(response.inputs), [failure.reason for failure in response.failures]

    def check(
        self, token: str, name: str, news: Mapping[str, Any], olds: Mapping[str, Any] | None = None
    ) -> Properties:
        inputs, failures = self.check_failures(token, name, news, olds)
        assert failures == []
        return inputs

    def diff(
        self,
        token: str,
        name: str,
        old: Mapping[str, Any],
        new: Mapping[str, Any],
        state: Mapping[str, Any] | None = None,
    ) -> provider_pb2.DiffResponse:
        request = provider_pb2.DiffRequest(
            id="id",
            urn=self.urn(token, name),
            olds=to_struct(state or {}),
            old_inputs=to_struct(old),
            news=to_struct(new),
        )
        return self.servicer.Diff(request, FakeContext())  # type: ignore[arg-type]

    def create(
        self, token: str, name: str, inputs: Mapping[str, Any], *, preview: bool = False
    ) -> tuple[str, Properties]:
        request = provider_pb2.CreateRequest(urn=self.urn(token, name), properties=to_struct(inputs), preview=preview)
        response = self.servicer.Create(request, FakeContext())  # type: ignore[arg-type]
        return response.id, from_struct(response.properties)

    def read(
        self,
        token: str,
        name: str,
        resource_id: str,
        state: Mapping[str, Any] | None = None,
        inputs: Mapping[str, Any] | None = None,
    ) -> tuple[str, Properties, Properties]:
        request = provider_pb2.ReadRequest(
            id=resource_id, urn=self.urn(token, name), properties=to_struct(state or {}), inputs=to_struct(inputs or {})
        )
        response = self.servicer.Read(request, FakeContext())  # type: ignore[arg-type]
        return response.id, from_struct(response.properties), from_struct(response.inputs)

    def update(
        self,
        token: str,
        name: str,
        resource_id: str,
        state: Mapping[str, Any],
        old_inputs: Mapping[str, Any],
        news: Mapping[str, Any],
        *,
        preview: bool = False,
    ) -> Properties:
        request = provider_pb2.UpdateRequest(
            id=resource_id,
            urn=self.urn(token, name),
            olds=to_struct(state),
            old_inputs=to_struct(old_inputs),
            news=to_struct(news),
            preview=preview,
        )
        response = self.servicer.Update(request, FakeContext())  # type: ignore[arg-type]
        return from_struct(response.properties)

    def delete(self, token: str, name: str, resource_id: str, state: Mapping[str, Any]) -> None:
        request = provider_pb2.DeleteRequest(id=resource_id, urn=self.urn(token, name), properties=to_struct(state))
        self.servicer.Delete(request, FakeContext())  # type: ignore[arg-type]

    def invoke(self, token: str, arguments: Mapping[str, Any]) -> Properties:
        request = provider_pb2.InvokeRequest(tok=token, args=to_struct(arguments))
        response = self.servicer.Invoke(request, FakeContext())  # type: ignore[arg-type]
        assert not response.failures
        return from_struct(getattr(response, "return"))


def configuration(emulator: Emulator) -> dict[str, str]:
    """`aws:*` for the emulator, as the stack's config has it."""
    return {
        "region": "us-east-1",
        "accessKey": "test",
        "secretKey": "test",
        "s3UsePathStyle": "true",
        "skipCredentialsValidation": "true",
        "endpoints": json.dumps([dict.fromkeys(SERVICES, emulator.endpoint_url)]),
    }


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


PROJECT = "plugins"
Program = Callable[[], None]
MakeStack = Callable[[str, Program], auto.Stack]


def changes(result: Any) -> dict[str, int]:
    """How many resources each operation touched, the stack itself not counted."""
    summary = result.change_summary if hasattr(result, "change_summary") else result.summary.resource_changes
    counted = {getattr(kind, "value", str(kind)): count for kind, count in (summary or {}).items()}
    return {kind: count for kind, count in counted.items() if kind != "same"}
