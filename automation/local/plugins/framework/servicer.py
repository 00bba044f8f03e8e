"""The engine's provider protocol over resource types."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, Generic, NoReturn, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from automation.local.plugins.framework.diff import Change, Kind, compare
from automation.local.plugins.framework.errors import (
    Cancelled,
    CheckFailure,
    ConfigurationError,
    InitFailed,
    NotSupported,
    ProviderError,
    TimedOut,
    UnknownFunction,
    UnknownResourceType,
)
from automation.local.plugins.framework.provider import Provider
from automation.local.plugins.framework.resource import (
    Operation,
    Resource,
    foreseen,
    foreseen_update,
    merged,
    name_is_fixed,
    with_name,
)
from automation.local.plugins.framework.schema import check, importable, reconcile, spell
from automation.local.plugins.framework.values import (
    UNKNOWN,
    Properties,
    conceal,
    contains_unknown,
    from_struct,
    reveal,
    secret_keys,
    to_struct,
)

P = TypeVar("P", bound=Provider)
R = TypeVar("R")

_DIFF_KINDS: Final = {
    (Kind.ADD, False): provider_pb2.PropertyDiff.ADD,
    (Kind.ADD, True): provider_pb2.PropertyDiff.ADD_REPLACE,
    (Kind.DELETE, False): provider_pb2.PropertyDiff.DELETE,
    (Kind.DELETE, True): provider_pb2.PropertyDiff.DELETE_REPLACE,
    (Kind.UPDATE, False): provider_pb2.PropertyDiff.UPDATE,
    (Kind.UPDATE, True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
}
_STATUS_CODES: Final[tuple[tuple[type[ProviderError], grpc.StatusCode], ...]] = (
    (UnknownResourceType, grpc.StatusCode.INVALID_ARGUMENT),
    (UnknownFunction, grpc.StatusCode.INVALID_ARGUMENT),
    (ConfigurationError, grpc.StatusCode.INVALID_ARGUMENT),
    (NotSupported, grpc.StatusCode.FAILED_PRECONDITION),
    (TimedOut, grpc.StatusCode.DEADLINE_EXCEEDED),
    (Cancelled, grpc.StatusCode.CANCELLED),
)
NEW_RESOURCE_VISIBLE_SECONDS: Final = 120.0
"""How long a resource that was just made may stay invisible to reads (EC2's and IAM's eventual consistency)."""


class ProviderServicer(provider_pb2_grpc.ResourceProviderServicer, Generic[P]):
    """Serves one provider package.

    Args:
        provider: the package: configuration, resource types, functions.
        version: what the plugin calls its version.
    """

    def __init__(self, provider: P, version: str) -> None:
        self._provider = provider
        self._version = version
        self._types: dict[str, Resource[P]] = {resource.token: resource for resource in provider.resources()}
        self._engine: engine_pb2_grpc.EngineStub | None = None

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Agree on the protocol's features."""
        del context
        self.connect_engine(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True, accept_resources=True, accept_outputs=True)

    def Attach(self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Take the engine's address."""
        del context
        self.connect_engine(request.address)
        return empty_pb2.Empty()

    def connect_engine(self, address: str) -> None:
        """Remember the engine that lines for the user go to."""
        if address:
            self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(address))

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Say the plugin's version."""
        del request, context
        return plugin_pb2.PluginInfo(version=self._version)

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """End what is under way as soon as it can end."""
        del request, context
        self._provider.cancelled.set()
        return empty_pb2.Empty()

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Check the provider's configuration."""
        return self._guard(context, request.urn, lambda: self._check_config(request))

    def _check_config(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        news = from_struct(request.news)
        failures = self._provider.check_configuration(reveal(news))
        return provider_pb2.CheckResponse(inputs=to_struct(news), failures=_failures(failures, "provider"))

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """Say whether another configuration needs other resources."""
        del context
        old = reveal(from_struct(request.old_inputs if request.HasField("old_inputs") else request.olds))
        new = reveal(from_struct(request.news))
        return _diff_response(self._provider.compare_configuration(old, new), deletes_before_replace=False)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Take the provider's configuration."""
        return self._guard(context, "", lambda: self._configure(request))

    def _configure(self, request: provider_pb2.ConfigureRequest) -> provider_pb2.ConfigureResponse:
        settings: Properties = {key.rsplit(":", 1)[-1]: value for key, value in request.variables.items()}
        settings.update(reveal(from_struct(request.args)))
        self._provider.configure({key: value for key, value in settings.items() if value is not UNKNOWN})
        return provider_pb2.ConfigureResponse(
            acceptSecrets=True, supportsPreview=True, acceptResources=True, acceptOutputs=True
        )

    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        """Check a resource's inputs and complete them."""
        return self._guard(context, request.urn, lambda: self._check(request))

    def _check(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        resource = self._type(request.urn)
        name = request.urn.rsplit("::", 1)[-1]
        news = from_struct(request.news)
        secrets = secret_keys(news)
        inputs, failures = check(resource.table, reveal(news))
        if not failures:
            olds = reveal(from_struct(request.olds))
            inputs = with_name(resource, name, request.randomSeed, olds, inputs)
            inputs = resource.complete(self._provider, inputs)
            failures = [*resource.check(self._provider, inputs)]
        if not failures and not contains_unknown(inputs):
            failures = [*self._provider.check_request(resource, inputs)]
        return provider_pb2.CheckResponse(
            inputs=to_struct(conceal(inputs, secrets)), failures=_failures(failures, f"{resource.token} {name!r}")
        )

    def Diff(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """Say what differs between a resource's old and new inputs."""
        return self._guard(context, request.urn, lambda: self._diff(request))

    def _diff(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        resource = self._type(request.urn)
        old, new = _described(resource, request), reveal(from_struct(request.news))
        changes = compare(resource.table, old, new, request.ignoreChanges)
        forced = frozenset(resource.replaced_by(old, new))
        changes = {
            path: Change(change.kind, change.replaces or _top_level(path) in forced) for path, change in changes.items()
        }
        before = resource.deletes_before_replace or name_is_fixed(resource, new)
        return _diff_response(changes, deletes_before_replace=before)

    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        """Make a resource, or say what making it would give."""
        return self._guard(context, request.urn, lambda: self._create(request), "creating")

    def _create(self, request: provider_pb2.CreateRequest) -> provider_pb2.CreateResponse:
        resource = self._type(request.urn)
        properties = from_struct(request.properties)
        secrets, inputs = secret_keys(properties), reveal(properties)
        if request.preview:
            state = foreseen(resource, self._provider, inputs)
            return provider_pb2.CreateResponse(id="", properties=to_struct(conceal(state, secrets)))
        operation = self._operation(request.urn, request.timeout)
        with _keeping(properties, secrets):
            resource_id = resource.create(operation, inputs)
            with self._existing(resource_id, inputs):
                state = operation.wait(
                    f"the new resource {resource_id} to show up",
                    lambda: resource.read(operation, resource_id, inputs),
                    default_seconds=NEW_RESOURCE_VISIBLE_SECONDS,
                )
        state = _spelled(resource, inputs, state)
        return provider_pb2.CreateResponse(id=resource_id, properties=to_struct(conceal(state, secrets)))

    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        """Say how a resource really is."""
        return self._guard(context, request.urn, lambda: self._read(request), "reading")

    def _read(self, request: provider_pb2.ReadRequest) -> provider_pb2.ReadResponse:
        resource = self._type(request.urn)
        known, inputs = from_struct(request.properties), from_struct(request.inputs)
        secrets = secret_keys(known) | secret_keys(inputs)
        known, inputs = reveal(known), reveal(inputs)
        state = resource.read(self._operation(request.urn, request.timeout), request.id, known)
        if state is None:
            return provider_pb2.ReadResponse(id="")
        state = _spelled(resource, known, state)
        found = reconcile(resource.table, inputs, state) if inputs else importable(resource.table, state)
        return provider_pb2.ReadResponse(
            id=request.id,
            properties=to_struct(conceal(state, secrets)),
            inputs=to_struct(conceal(found, secrets)),
        )

    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        """Change a resource, or say what changing it would give."""
        return self._guard(context, request.urn, lambda: self._update(request), "updating")

    def _update(self, request: provider_pb2.UpdateRequest) -> provider_pb2.UpdateResponse:
        resource = self._type(request.urn)
        olds, news = from_struct(request.olds), from_struct(request.news)
        secrets, old, new = secret_keys(news), reveal(olds), reveal(news)
        changes = compare(resource.table, _described(resource, request), new, request.ignoreChanges)
        changed = {_top_level(path) for path in changes}
        if request.preview:
            state = foreseen_update(resource, self._provider, old, new, changed)
            return provider_pb2.UpdateResponse(properties=to_struct(conceal(state, secrets)))
        operation = self._operation(request.urn, request.timeout)
        if changed:
            resource.update(operation, request.id, old, new, changed)
        known = merged(resource, old, new)
        with _keeping(news, secrets), self._existing(request.id, known):
            state_now = resource.read(operation, request.id, known)
        if state_now is None:
            raise ProviderError(f"{request.id} vanished while it was being changed")
        return provider_pb2.UpdateResponse(properties=to_struct(conceal(_spelled(resource, new, state_now), secrets)))

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """Remove a resource."""
        return self._guard(context, request.urn, lambda: self._delete(request), "deleting")

    def _delete(self, request: provider_pb2.DeleteRequest) -> empty_pb2.Empty:
        resource = self._type(request.urn)
        state = {**reveal(from_struct(request.old_inputs)), **reveal(from_struct(request.properties))}
        resource.delete(self._operation(request.urn, request.timeout), request.id, state)
        return empty_pb2.Empty()

    def Invoke(self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext) -> provider_pb2.InvokeResponse:
        """Call one of the package's functions."""
        return self._guard(context, request.tok, lambda: self._invoke(request), "calling")

    def _invoke(self, request: provider_pb2.InvokeRequest) -> provider_pb2.InvokeResponse:
        functions = self._provider.functions()
        function = functions.get(request.tok)
        if function is None:
            raise UnknownFunction(self._provider.package, request.tok, list(functions))
        arguments, failures = check(function.properties, reveal(from_struct(request.args)))
        if failures:
            return provider_pb2.InvokeResponse(failures=_failures(failures, request.tok))
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(function.call(arguments)))
        return response

    def _type(self, urn: str) -> Resource[P]:
        token = urn.split("::")[2].split("$")[-1]
        if token not in self._types:
            raise UnknownResourceType(self._provider.package, token, list(self._types))
        return self._types[token]

    def _operation(self, urn: str, timeout_seconds: float) -> Operation[P]:
        return Operation(
            self._provider, urn, timeout_seconds, self._provider.cancelled, lambda line: self._say(urn, line)
        )

    def _say(self, urn: str, line: str) -> None:
        if self._engine is not None:
            self._engine.Log(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=line, urn=urn, ephemeral=True))

    @contextmanager
    def _existing(self, resource_id: str, properties: Properties) -> Iterator[None]:
        """Within it the resource exists as `properties` say: a failure leaves it in the engine's state."""
        failures: tuple[type[Exception], ...] = (ProviderError, *self._provider.call_errors)
        try:
            yield
        except failures as error:
            raise InitFailed(resource_id, properties, error) from error

    def _guard(self, context: grpc.ServicerContext, urn: str, work: Callable[[], R], doing: str = "checking") -> R:
        """Run `work`; a failure becomes a gRPC status that says what was being done to which resource."""
        subject = urn.split("::", 2)[-1].rsplit("$", 1)[-1].replace("::", " ") if urn else "the provider"
        try:
            return work()
        except InitFailed as error:
            self._init_failed(context, error, f"{doing} {subject}: {self._provider.explain(error.cause)}")
        except ProviderError as error:
            code = next((code for kind, code in _STATUS_CODES if isinstance(error, kind)), grpc.StatusCode.UNKNOWN)
            context.abort(code, f"{doing} {subject}: {error}")
        except self._provider.call_errors as error:
            context.abort(grpc.StatusCode.UNKNOWN, f"{doing} {subject}: {self._provider.explain(error)}")

    def _init_failed(self, context: grpc.ServicerContext, error: InitFailed, message: str) -> NoReturn:
        details = provider_pb2.ErrorResourceInitFailed(
            id=error.resource_id,
            properties=to_struct(error.properties),
            inputs=to_struct(error.inputs),
            reasons=[message],
        )
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message)
        status.details.add().Pack(details)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        context.abort(grpc.StatusCode.UNKNOWN, message)


@contextmanager
def _keeping(inputs: Properties, secrets: Iterable[str]) -> Iterator[None]:
    """What stays in the engine's state after a failure has the program's own inputs, and its secrets as secrets."""
    try:
        yield
    except InitFailed as error:
        raise InitFailed(error.resource_id, conceal(error.properties, secrets), error.cause, inputs) from error.cause


def _described(resource: Resource[Any], request: provider_pb2.DiffRequest | provider_pb2.UpdateRequest) -> Properties:
    """The inputs that describe what the engine's state has of a resource.

    The published providers compare the program with the state, which is what AWS answered, rather than with what the
    program said before (pulumi-terraform-bridge, `pkg/tfbridge/provider.go`: `Diff`).
    """
    state, inputs = reveal(from_struct(request.olds)), reveal(from_struct(request.old_inputs))
    if not request.HasField("old_inputs"):
        return dict(state)
    return reconcile(resource.table, inputs, state) if state else dict(inputs)


def _spelled(resource: Resource[Any], wanted: Mapping[str, Any], state: Properties) -> Properties:
    table = resource.table
    spelled = {
        key: spell(table[key].shape, wanted.get(key), value) if key in table else value for key, value in state.items()
    }
    kept = {
        key: wanted[key]
        for key, row in table.items()
        if row.unreadable and spelled.get(key) is None and wanted.get(key) is not None
    }
    return {**spelled, **kept}


def _top_level(path: str) -> str:
    return path.replace("[", ".").split(".", 1)[0]


def _failures(failures: list[CheckFailure], subject: str) -> list[provider_pb2.CheckFailure]:
    return [
        provider_pb2.CheckFailure(
            property=_top_level(failure.path),
            reason=f"{subject}: {f'property {failure.path}: ' if failure.path else ''}{failure.reason}",
        )
        for failure in failures
    ]


def _diff_response(changes: Mapping[str, Change], *, deletes_before_replace: bool) -> provider_pb2.DiffResponse:
    replaces = sorted({_top_level(path) for path, change in changes.items() if change.replaces})
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=sorted({_top_level(path) for path in changes}),
        replaces=replaces,
        detailedDiff={
            path: provider_pb2.PropertyDiff(kind=_DIFF_KINDS[change.kind, change.replaces], inputDiff=True)
            for path, change in changes.items()
        },
        hasDetailedDiff=True,
        deleteBeforeReplace=bool(replaces) and deletes_before_replace,
    )
