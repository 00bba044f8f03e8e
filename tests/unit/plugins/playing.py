"""The engine's part in unit tests: a servicer over a provider that is never asked to call AWS."""

from collections.abc import Mapping
from typing import Any, NoReturn

import grpc
from pulumi.runtime.proto import provider_pb2

from automation.local.plugins.framework.servicer import ProviderServicer
from automation.local.plugins.framework.values import Properties, from_struct, to_struct

URN = "urn:pulumi:stack::project::{token}::{name}"


class Aborted(Exception):
    """A call that ended with an error status."""

    def __init__(self, code: grpc.StatusCode, details: str, metadata: dict[str, bytes]) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.metadata = metadata


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


def check(
    servicer: ProviderServicer[Any],
    token: str,
    news: Mapping[str, Any],
    olds: Mapping[str, Any] | None = None,
    name: str = "it",
    seed: bytes = b"seed",
) -> tuple[Properties, list[str]]:
    request = provider_pb2.CheckRequest(
        urn=URN.format(token=token, name=name), news=to_struct(news), olds=to_struct(olds or {}), randomSeed=seed
    )
    response = call(servicer.Check, request)
    return from_struct(response.inputs), [failure.reason for failure in response.failures]


def diff(
    servicer: ProviderServicer[Any], token: str, old: Mapping[str, Any], new: Mapping[str, Any]
) -> provider_pb2.DiffResponse:
    request = provider_pb2.DiffRequest(
        id="id", urn=URN.format(token=token, name="it"), old_inputs=to_struct(old), news=to_struct(new)
    )
    response: provider_pb2.DiffResponse = call(servicer.Diff, request)
    return response
