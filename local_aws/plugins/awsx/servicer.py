"""The engine's provider protocol for components."""

from typing import Final

import grpc
from pulumi.runtime.proto import provider_pb2

from local_aws.plugins.awsx import vpc
from local_aws.plugins.awsx.monitor import Monitor
from local_aws.plugins.framework.errors import ProviderError
from local_aws.plugins.framework.provider import Provider
from local_aws.plugins.framework.schema import check
from local_aws.plugins.framework.servicer import ProviderServicer
from local_aws.plugins.framework.values import from_struct, reveal, to_struct

VERSION: Final = "3.11.0"


class AwsxProvider(Provider):
    """The `awsx` package: components alone."""

    package = "awsx"

    def resources(self) -> tuple[()]:
        """None of its own."""
        return ()


class ComponentServicer(ProviderServicer[AwsxProvider]):
    """Serves `Construct`."""

    def __init__(self) -> None:
        super().__init__(AwsxProvider(), VERSION)

    def Construct(
        self, request: provider_pb2.ConstructRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConstructResponse:
        """Make a component and everything in it."""
        try:
            return construct(request)
        except ProviderError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"{request.type} {request.name}: {error}")
        except grpc.RpcError as error:
            # The engine has said already why a child failed, or is about to end.
            details = error.details() if isinstance(error, grpc.Call) else str(error)
            context.abort(grpc.StatusCode.UNAVAILABLE, f"{request.type} {request.name}: {details}")


def construct(request: provider_pb2.ConstructRequest) -> provider_pb2.ConstructResponse:
    """Answer a `Construct` call.

    Raises:
        ProviderError: an unknown component, or inputs that are not as they must be.
        grpc.RpcError: the engine could not make a child.
    """
    if request.type != vpc.TOKEN:
        raise ProviderError(f"this awsx plugin does not know {request.type}; it knows {vpc.TOKEN}")
    given = from_struct(request.inputs)
    # Tags alone may be secret or unknown: they are only passed on.
    plain = {name: reveal(value) for name, value in given.items()}
    found = vpc.failures(plain)
    if found:
        raise ProviderError("; ".join(f"property {failure.path}: {failure.reason}" for failure in found))
    checked, _ = check(vpc.PROPERTIES, plain)
    if "tags" in given:
        checked["tags"] = given["tags"]
    urns = frozenset(urn for dependencies in request.inputDependencies.values() for urn in dependencies.urns)
    monitor = Monitor(request)
    try:
        urn, outputs = vpc.construct(monitor, request.name, checked, urns)
        state = to_struct({name: output.value for name, output in outputs.items()})
        response = provider_pb2.ConstructResponse(urn=urn, state=state)
        for name, output in outputs.items():
            response.stateDependencies[name].urns.extend(sorted(output.urns))
        monitor.register_outputs(urn, state)
        return response
    finally:
        monitor.close()
