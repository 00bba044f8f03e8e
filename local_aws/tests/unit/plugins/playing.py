"""The engine's part in tests: its calls of a servicer, for one resource at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import grpc
from pulumi.runtime.proto import provider_pb2, status_pb2

from local_aws.plugins.docker.image import Image
from local_aws.plugins.framework.provider import Provider
from local_aws.plugins.framework.servicer import ProviderServicer
from local_aws.plugins.framework.values import Properties, Secret, from_struct, to_struct


class Aborted(Exception):
    """A call that ended with an error status."""

    def __init__(self, code: grpc.StatusCode, details: str, metadata: Mapping[str, bytes]) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.metadata = metadata

    def kept(self) -> provider_pb2.ErrorResourceInitFailed:
        """What the engine keeps in its state after the failure."""
        status = status_pb2.Status.FromString(self.metadata["grpc-status-details-bin"])
        details = provider_pb2.ErrorResourceInitFailed()
        assert status.details[0].Unpack(details)
        return details


class FakeContext:
    """As much of gRPC's context as a servicer uses."""

    def __init__(self) -> None:
        self.metadata: dict[str, bytes] = {}

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        raise Aborted(code, details, self.metadata)

    def set_trailing_metadata(self, metadata: tuple[tuple[str, bytes], ...]) -> None:
        self.metadata = dict(metadata)


def call(method: Any, request: Any) -> Any:
    return method(request, FakeContext())


def urn(token: str, name: str = "it") -> str:
    return f"urn:pulumi:stack::project::{token}::{name}"


@dataclass
class Engine:
    """Calls a servicer as the engine does."""

    servicer: ProviderServicer[Any]

    def send(self, method: str, token: str, name: str = "it", **members: Any) -> Any:
        """A call about a resource; the request's property bags are given as mappings."""
        given = {key: to_struct(each) if isinstance(each, Mapping) else each for key, each in members.items()}
        request = getattr(provider_pb2, f"{method}Request")(urn=urn(token, name), **given)
        return call(getattr(self.servicer, method), request)

    def check_failures(self, token: str, news: Properties, name: str = "it") -> tuple[Properties, list[str]]:
        response = self.send("Check", token, name, news=news)
        return from_struct(response.inputs), [failure.reason for failure in response.failures]

    def check(self, token: str, news: Properties) -> Properties:
        inputs, failures = self.check_failures(token, news)
        assert failures == []
        return inputs

    def diff(self, token: str, old: Properties, new: Properties, state: Properties | None = None) -> Any:
        return self.send("Diff", token, id="id", olds=state or {}, old_inputs=old, news=new)

    def create(self, token: str, inputs: Properties, *, preview: bool = False) -> tuple[str, Properties]:
        response = self.send("Create", token, properties=inputs, preview=preview)
        return response.id, from_struct(response.properties)

    def read(
        self, token: str, resource_id: str, state: Properties, inputs: Properties
    ) -> tuple[str, Properties, Properties]:
        response = self.send("Read", token, id=resource_id, properties=state, inputs=inputs)
        return response.id, from_struct(response.properties), from_struct(response.inputs)

    def update(
        self,
        token: str,
        resource_id: str,
        state: Properties,
        old: Properties,
        new: Properties,
        *,
        preview: bool = False,
    ) -> Properties:
        members = {"olds": state, "old_inputs": old, "news": new}
        return from_struct(self.send("Update", token, id=resource_id, preview=preview, **members).properties)

    def delete(self, token: str, resource_id: str, state: Properties) -> None:
        self.send("Delete", token, id=resource_id, properties=state)

    def invoke(self, token: str, arguments: Properties) -> tuple[Properties, list[str]]:
        response = call(self.servicer.Invoke, provider_pb2.InvokeRequest(tok=token, args=to_struct(arguments)))
        return from_struct(getattr(response, "return")), [failure.property for failure in response.failures]


def image_engine() -> Engine:
    """The engine with the `docker` plugin."""
    return Engine(ProviderServicer(Provider("docker", [Image()]), "4.11.2"))


def image_inputs(folder: Path, host: str, repository: str) -> Properties:
    """A program's image, whose context is `app` in a folder, the current one."""
    app = folder / "app"
    app.mkdir()
    (app / "Dockerfile").write_text("FROM python\nCOPY job.py /app/\n")
    (app / "job.py").write_text("print(1)\n")
    return {
        "imageName": f"{host}/{repository}:one",
        "build": {"context": "app", "platform": "linux/amd64"},
        "registry": {"server": f"https://{host}", "username": "AWS", "password": Secret("hush")},
    }
