"""Registering a component and its children with the engine's resource monitor."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any, Final

import grpc
from google.protobuf import struct_pb2
from pulumi.runtime.proto import provider_pb2, resource_pb2, resource_pb2_grpc

from local_aws.plugins.framework.values import UNKNOWN, Properties, ResourceReference, from_struct, to_value

_MESSAGE_BYTES: Final = 400 * 1024 * 1024


def aws_version() -> str:
    """The version of the `aws` package that the program uses, so that both share one plugin."""
    return metadata.version("pulumi-aws")


@dataclass(frozen=True)
class Output:
    """A value, and the URNs of what it comes from."""

    value: Any
    urns: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Registered:
    """A resource that the engine knows now."""

    urn: str
    id: Any
    outputs: Properties = field(default_factory=dict)

    @property
    def id_output(self) -> Output:
        """Its id, as a value that depends on it."""
        return Output(self.id, frozenset({self.urn}))

    @property
    def reference(self) -> Output:
        """A reference to it, from which a program makes a resource of the right class."""
        return Output(ResourceReference(self.urn, self.id, aws_version()), frozenset({self.urn}))


class Monitor:
    """The engine's resource monitor, for one `Construct` call.

    Args:
        request: the call.
    """

    def __init__(self, request: provider_pb2.ConstructRequest) -> None:
        self._request = request
        self._channel = grpc.insecure_channel(
            request.monitorEndpoint,
            options=[
                ("grpc.max_receive_message_length", _MESSAGE_BYTES),
                ("grpc.max_send_message_length", _MESSAGE_BYTES),
            ],
        )
        self._stub = resource_pb2_grpc.ResourceMonitorStub(self._channel)
        self._aws = request.providers.get("aws", "")

    def close(self) -> None:
        """Let go of the engine."""
        self._channel.close()

    def register_component(self) -> Registered:
        """Register the component itself, with the options that the program gave it."""
        source = self._request
        request = resource_pb2.RegisterResourceRequest(
            type=source.type,
            name=source.name,
            parent=source.parent,
            custom=False,
            protect=source.protect,
            providers=dict(source.providers),
            dependencies=source.dependencies,
            aliases=source.aliases,
            aliasSpecs=True,
            ignoreChanges=source.ignoreChanges,
            replaceOnChanges=source.replaceOnChanges,
            retainOnDelete=source.retainOnDelete,
            deletedWith=source.deletedWith,
            additionalSecretOutputs=source.additionalSecretOutputs,
            acceptSecrets=True,
            acceptResources=True,
            supportsPartialValues=True,
        )
        return self._register(request)

    def register(
        self, token: str, name: str, properties: Mapping[str, Any], parent: Registered, depends_on: Iterable[Registered]
    ) -> Registered:
        """Register a child of the `aws` package and wait until it is made.

        Args:
            token: its type.
            name: its name in the stack.
            properties: its inputs; an `Output` says what it depends on.
            parent: what it hangs below.
            depends_on: what must be made before it.
        """
        request = resource_pb2.RegisterResourceRequest(
            type=token,
            name=name,
            parent=parent.urn,
            custom=True,
            protect=self._request.protect,
            provider=self._aws,
            version=aws_version(),
            acceptSecrets=True,
            acceptResources=True,
            supportsPartialValues=True,
        )
        dependencies = {resource.urn for resource in depends_on}
        for key, given in properties.items():
            output = given if isinstance(given, Output) else Output(given)
            if output.value is not None:
                request.object.fields[key].CopyFrom(to_value(output.value))
                request.propertyDependencies[key].urns.extend(sorted(output.urns))
                dependencies |= output.urns
        request.dependencies.extend(sorted(dependencies))
        return self._register(request)

    def _register(self, request: resource_pb2.RegisterResourceRequest) -> Registered:
        response = self._stub.RegisterResource(request)
        return Registered(response.urn, response.id or UNKNOWN, from_struct(response.object))

    def register_outputs(self, urn: str, outputs: struct_pb2.Struct) -> None:
        """Tell the engine a component's outputs."""
        request = resource_pb2.RegisterResourceOutputsRequest(urn=urn, outputs=outputs)
        self._stub.RegisterResourceOutputs(request)
