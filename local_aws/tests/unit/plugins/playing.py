"""The engine's part in tests: its calls of a servicer, for one resource at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from pulumi.runtime.proto import provider_pb2, status_pb2

from local_aws.plugins.framework.servicer import ProviderServicer
from local_aws.plugins.framework.values import Properties, from_struct, to_struct


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

    def check_failures(self, token: str, news: Mapping[str, Any], name: str = "it") -> tuple[Properties, list[str]]:
        request = provider_pb2.CheckRequest(urn=urn(token, name), news=to_struct(news))
        response = call(self.servicer.Check, request)
        return from_struct(response.inputs), [failure.reason for failure in response.failures]

    def check(self, token: str, news: Mapping[str, Any]) -> Properties:
        inputs, failures = self.check_failures(token, news)
        assert failures == []
        return inputs

    def diff(
        self, token: str, old: Mapping[str, Any], new: Mapping[str, Any], state: Mapping[str, Any] | None = None
    ) -> provider_pb2.DiffResponse:
        request = provider_pb2.DiffRequest(
            id="id",
            urn=urn(token),
            olds=to_struct(state or {}),
            old_inputs=to_struct(old),
            news=to_struct(new),
        )
        response: provider_pb2.DiffResponse = call(self.servicer.Diff, request)
        return response

    def create(self, token: str, inputs: Mapping[str, Any], *, preview: bool = False) -> tuple[str, Properties]:
        request = provider_pb2.CreateRequest(urn=urn(token), properties=to_struct(inputs), preview=preview)
        response = call(self.servicer.Create, request)
        return response.id, from_struct(response.properties)

    def read(
        self, token: str, resource_id: str, state: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> tuple[str, Properties, Properties]:
        request = provider_pb2.ReadRequest(
            id=resource_id, urn=urn(token), properties=to_struct(state), inputs=to_struct(inputs)
        )
        response = call(self.servicer.Read, request)
        return response.id, from_struct(response.properties), from_struct(response.inputs)

    def update(
        self,
        token: str,
        resource_id: str,
        state: Mapping[str, Any],
        old_inputs: Mapping[str, Any],
        news: Mapping[str, Any],
        *,
        preview: bool = False,
    ) -> Properties:
        request = provider_pb2.UpdateRequest(
            id=resource_id,
            urn=urn(token),
            olds=to_struct(state),
            old_inputs=to_struct(old_inputs),
            news=to_struct(news),
            preview=preview,
        )
        return from_struct(call(self.servicer.Update, request).properties)

    def delete(self, token: str, resource_id: str, state: Mapping[str, Any]) -> None:
        request = provider_pb2.DeleteRequest(id=resource_id, urn=urn(token), properties=to_struct(state))
        call(self.servicer.Delete, request)

    def invoke(self, token: str, arguments: Mapping[str, Any]) -> tuple[Properties, list[str]]:
        response = call(self.servicer.Invoke, provider_pb2.InvokeRequest(tok=token, args=to_struct(arguments)))
        return from_struct(getattr(response, "return")), [failure.property for failure in response.failures]
