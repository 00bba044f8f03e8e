"""The engine's provider protocol over resource types."""

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from typing import Any, Final, Generic, NoReturn, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, plugin_pb2, provider_pb2, provider_pb2_grpc, status_pb2

from local_aws.plugins.framework.errors import CheckFailure, ProviderError
from local_aws.plugins.framework.provider import Provider
from local_aws.plugins.framework.resource import Operation, Resource, foreseen, foreseen_update, merged, named
from local_aws.plugins.framework.schema import Change, check, compare, reconcile, spell
from local_aws.plugins.framework.values import (
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

NEW_RESOURCE_VISIBLE_SECONDS: Final = 120.0
"""How long a new resource may be invisible to reads (EC2's and IAM's eventual consistency)."""


class InitFailed(ProviderError):
    """A resource exists, but something failed afterwards; the engine keeps its state and these inputs."""

    def __init__(self, resource_id: str, state: Properties, inputs: Properties, cause: Exception) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.details = provider_pb2.ErrorResourceInitFailed(
            id=resource_id, properties=to_struct(state), inputs=to_struct(inputs)
        )


def _answering(doing: str, about: str = "urn") -> Callable[[Callable[[Any, Any], R]], Callable[[Any, Any, Any], R]]:
    """A call of the protocol: what it does, for errors, and the request's member that names the subject."""

    def decorate(method: Callable[[Any, Any], R]) -> Callable[[Any, Any, Any], R]:
        @wraps(method)
        def call(self: Any, request: Any, context: Any) -> R:
            of = getattr(request, about) if about else ""
            subject = of.split("::", 2)[-1].rsplit("$", 1)[-1].replace("::", " ") or "the provider"
            try:
                return method(self, request)
            except self.failures as error:
                servicer: ProviderServicer[Any] = self
                servicer.abort(context, error, f"{doing} {subject}: ")

        return call

    return decorate


class ProviderServicer(provider_pb2_grpc.ResourceProviderServicer, Generic[P]):
    """Serves one provider package, under a version of the plugin."""

    def __init__(self, provider: P, version: str) -> None:
        self._provider = provider
        self._version = version
        self.failures: tuple[type[Exception], ...] = (ProviderError, *provider.call_errors)
        self._engine: engine_pb2_grpc.EngineStub | None = None

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Agree on the protocol's features."""
        if request.engine_address:
            self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(request.engine_address))
        return provider_pb2.ProviderHandshakeResponse(accept_secrets=True)

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Return the plugin's version."""
        return plugin_pb2.PluginInfo(version=self._version)

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        """End what is in progress as soon as possible."""
        self._provider.cancelled.set()
        return empty_pb2.Empty()

    @_answering("checking")
    def CheckConfig(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        """Check the provider's configuration."""
        news = from_struct(request.news)
        failures = self._provider.check_configuration(reveal(news))
        return provider_pb2.CheckResponse(inputs=to_struct(news), failures=_failures(failures, "provider"))

    @_answering("checking")
    def DiffConfig(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        """Return which changed settings replace the provider."""
        old, new = reveal(from_struct(request.old_inputs)), reveal(from_struct(request.news))
        names = [
            each for each in self._provider.replaced_by if old.get(each) and new.get(each) not in (None, old[each])
        ]
        changes = {name: Change("UPDATE", replaces=True) for name in names}
        return _diff_response(changes, deletes_before_replace=False)

    @_answering("configuring", "")
    def Configure(self, request: provider_pb2.ConfigureRequest) -> provider_pb2.ConfigureResponse:
        """Take the provider's configuration."""
        settings: Properties = {key.rsplit(":", 1)[-1]: value for key, value in request.variables.items()}
        settings.update(reveal(from_struct(request.args)))
        self._provider.configure({key: value for key, value in settings.items() if value is not UNKNOWN})
        return provider_pb2.ConfigureResponse(acceptSecrets=True, supportsPreview=True)

    @_answering("checking")
    def Check(self, request: provider_pb2.CheckRequest) -> provider_pb2.CheckResponse:
        """Check a resource's inputs and complete them."""
        resource = self._type(request.urn)
        name = request.urn.rsplit("::", 1)[-1]
        news = from_struct(request.news)
        secrets = secret_keys(news)
        given = named(resource, name, request.randomSeed, reveal(from_struct(request.olds)), reveal(news))
        inputs, failures = check(resource.table, given)
        if not failures:
            inputs = resource.complete(self._provider, inputs)
            failures = [*resource.check(self._provider, inputs)]
        if not failures and not contains_unknown(inputs):
            failures = [*self._provider.check_request(resource, inputs)]
        return provider_pb2.CheckResponse(
            inputs=to_struct(conceal(inputs, secrets)), failures=_failures(failures, f"{resource.token} {name!r}")
        )

    @_answering("checking")
    def Diff(self, request: provider_pb2.DiffRequest) -> provider_pb2.DiffResponse:
        """Return what differs between a resource's state and its new inputs."""
        resource = self._type(request.urn)
        old, new = _described(resource, request), reveal(from_struct(request.news))
        changes = compare(resource.table, old, new, request.ignoreChanges)
        forced = frozenset(resource.replaced_by(old, new))
        changes = {name: Change(change.kind, change.replaces or name in forced) for name, change in changes.items()}
        if not any(change.replaces for change in changes.values()):
            resource.check_change(old, new, set(changes))
        return _diff_response(changes, deletes_before_replace=resource.deletes_before_replace)

    @_answering("creating")
    def Create(self, request: provider_pb2.CreateRequest) -> provider_pb2.CreateResponse:
        """Create a resource, or return what a preview knows of it."""
        resource = self._type(request.urn)
        properties = from_struct(request.properties)
        secrets, inputs = secret_keys(properties), reveal(properties)
        if request.preview:
            state = foreseen(resource, self._provider, inputs)
            return provider_pb2.CreateResponse(id="", properties=to_struct(conceal(state, secrets)))
        operation = self._operation(request.urn, request.timeout)
        try:
            resource_id = operation.created = resource.create(operation, inputs)
            state = operation.wait(
                f"the new resource {resource_id} to be visible",
                lambda: resource.read(operation, resource_id, inputs),
                default_seconds=NEW_RESOURCE_VISIBLE_SECONDS,
            )
        except self.failures as error:
            if operation.created is None:
                raise
            raise InitFailed(operation.created, conceal(inputs, secrets), properties, error) from error
        state = _spelled(resource, inputs, state)
        return provider_pb2.CreateResponse(id=resource_id, properties=to_struct(conceal(state, secrets)))

    @_answering("reading")
    def Read(self, request: provider_pb2.ReadRequest) -> provider_pb2.ReadResponse:
        """Return a resource's properties from AWS."""
        resource = self._type(request.urn)
        known, inputs = from_struct(request.properties), from_struct(request.inputs)
        if not inputs:
            raise ProviderError("this plugin cannot import; use the published one for that")
        secrets = secret_keys(known) | secret_keys(inputs)
        known, inputs = reveal(known), reveal(inputs)
        state = resource.read(self._operation(request.urn, request.timeout), request.id, known)
        if state is None:
            return provider_pb2.ReadResponse(id="")
        state = _spelled(resource, known, state)
        found = reconcile(resource.table, inputs, state)
        return provider_pb2.ReadResponse(
            id=request.id,
            properties=to_struct(conceal(state, secrets)),
            inputs=to_struct(conceal(found, secrets)),
        )

    @_answering("updating")
    def Update(self, request: provider_pb2.UpdateRequest) -> provider_pb2.UpdateResponse:
        """Update a resource, or return what a preview knows of it."""
        resource = self._type(request.urn)
        olds, news = from_struct(request.olds), from_struct(request.news)
        secrets, old, new = secret_keys(news), reveal(olds), reveal(news)
        changed = set(compare(resource.table, _described(resource, request), new, request.ignoreChanges))
        if request.preview:
            state = foreseen_update(resource, self._provider, old, new, changed)
            return provider_pb2.UpdateResponse(properties=to_struct(conceal(state, secrets)))
        operation = self._operation(request.urn, request.timeout)
        if changed:
            resource.update(operation, request.id, old, new, changed)
        known = merged(resource, old, new)
        try:
            found = resource.read(operation, request.id, known)
        except self.failures as error:
            raise InitFailed(request.id, conceal(known, secrets), news, error) from error
        if found is None:
            raise ProviderError(f"{request.id} disappeared during its update")
        return provider_pb2.UpdateResponse(properties=to_struct(conceal(_spelled(resource, new, found), secrets)))

    @_answering("deleting")
    def Delete(self, request: provider_pb2.DeleteRequest) -> empty_pb2.Empty:
        """Delete a resource."""
        resource = self._type(request.urn)
        state = {**reveal(from_struct(request.old_inputs)), **reveal(from_struct(request.properties))}
        resource.delete(self._operation(request.urn, request.timeout), request.id, state)
        return empty_pb2.Empty()

    @_answering("calling", "tok")
    def Invoke(self, request: provider_pb2.InvokeRequest) -> provider_pb2.InvokeResponse:
        """Call one of the package's functions."""
        function = self._provider.functions.get(request.tok)
        if function is None:
            raise self._not_known("function", request.tok, self._provider.functions)
        arguments, failures = check(function.properties, reveal(from_struct(request.args)))
        if failures:
            return provider_pb2.InvokeResponse(failures=_failures(failures, request.tok))
        response = provider_pb2.InvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(function.call(self._provider, arguments)))
        return response

    def _type(self, urn: str) -> Resource[P]:
        token = urn.split("::")[2].split("$")[-1]
        if token not in self._provider.resources:
            raise self._not_known("resource type", token, self._provider.resources)
        return self._provider.resources[token]

    def _not_known(self, kind: str, token: str, known: Iterable[str]) -> ProviderError:
        return ProviderError(
            f"this {self._provider.package} plugin does not know the {kind} {token}; it knows "
            f"{', '.join(sorted(known))}. Use the published plugin for anything else."
        )

    def _operation(self, urn: str, timeout_seconds: float) -> Operation[P]:
        return Operation(self._provider, timeout_seconds, self._provider.cancelled, lambda line: self._say(urn, line))

    def _say(self, urn: str, line: str) -> None:
        if self._engine is not None:
            self._engine.Log(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=line, urn=urn, ephemeral=True))

    def abort(self, context: grpc.ServicerContext, error: Exception, doing: str) -> NoReturn:
        """Answer with an error status that says what was being done to which resource."""
        if isinstance(error, InitFailed):
            message = doing + self._provider.explain(error.cause)
            error.details.reasons.append(message)
            status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=message)
            status.details.add().Pack(error.details)
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        else:
            message = doing + self._provider.explain(error)
        context.abort(grpc.StatusCode.UNKNOWN, message)


def _described(resource: Resource[Any], request: provider_pb2.DiffRequest | provider_pb2.UpdateRequest) -> Properties:
    """The inputs that describe the resource in the engine's state.

    The published providers compare the program with the state, which is what AWS answered, not with the inputs of the
    last deployment (pulumi-terraform-bridge, `pkg/tfbridge/provider.go`: `Diff`).
    """
    state, inputs = reveal(from_struct(request.olds)), reveal(from_struct(request.old_inputs))
    return reconcile(resource.table, inputs, state) if state else dict(inputs)


def _spelled(resource: Resource[Any], wanted: Mapping[str, Any], state: Properties) -> Properties:
    """A state as the program spells it, with the inputs that AWS does not return."""
    table = resource.table
    kept = {key: wanted.get(key) for key, row in table.items() if row.unreadable and state.get(key) is None}
    spelled = {key: spell(table[key].shape, wanted.get(key), state[key]) for key in state if key in table}
    return {**state, **spelled, **{key: value for key, value in kept.items() if value is not None}}


def _failures(failures: list[CheckFailure], subject: str) -> list[provider_pb2.CheckFailure]:
    return [
        provider_pb2.CheckFailure(
            property=failure.path.replace("[", ".").split(".", 1)[0],
            reason=f"{subject}: {f'property {failure.path}: ' if failure.path else ''}{failure.reason}",
        )
        for failure in failures
    ]


def _diff_response(changes: Mapping[str, Change], *, deletes_before_replace: bool) -> provider_pb2.DiffResponse:
    replaces = sorted(name for name, change in changes.items() if change.replaces)
    kinds = {name: f"{change.kind}{'_REPLACE' if change.replaces else ''}" for name, change in changes.items()}
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if changes else provider_pb2.DiffResponse.DIFF_NONE,
        diffs=sorted(changes),
        replaces=replaces,
        detailedDiff={
            name: provider_pb2.PropertyDiff(kind=provider_pb2.PropertyDiff.Kind.Value(kind), inputDiff=True)
            for name, kind in kinds.items()
        },
        hasDetailedDiff=True,
        deleteBeforeReplace=bool(replaces) and deletes_before_replace,
    )
