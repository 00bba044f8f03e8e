"""The provider protocol, over a resource type made for the purpose."""

import threading
from collections.abc import Mapping
from typing import Any, ClassVar

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2, status_pb2

from automation.local.plugins.framework.diff import Change, Kind
from automation.local.plugins.framework.errors import Cancelled, CheckFailure, InitFailed, ProviderError, TimedOut
from automation.local.plugins.framework.provider import Function, Provider
from automation.local.plugins.framework.resource import Operation, Resource
from automation.local.plugins.framework.schema import BOOLEAN, INTEGER, STRING, Property, Table
from automation.local.plugins.framework.servicer import ProviderServicer
from automation.local.plugins.framework.values import UNKNOWN, Properties, Secret, from_struct, to_struct
from tests.unit.plugins.playing import URN, Aborted, call, check, diff

TOKEN = "toys:index/box:Box"
BOX = URN.format(token=TOKEN, name="it")


class ShopError(Exception):
    """What the toy shop's client raises."""


class ToyProvider(Provider):
    package = "toys"
    call_errors = (ShopError,)

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.shop: dict[str, Properties] = {}
        self.settings: Properties = {}
        self.invisible_reads = 0

    def resources(self) -> tuple[Resource[Any], ...]:
        return (Box(),)

    def functions(self) -> Mapping[str, Function]:
        return {
            "toys:index/twice:twice": Function(
                lambda arguments: {"value": Secret(arguments["number"] * 2)},
                {"number": Property(INTEGER, required=True)},
            )
        }

    def check_configuration(self, settings: Properties) -> list[CheckFailure]:
        return [CheckFailure("colour", "it must not be red")] if settings.get("colour") == "red" else []

    def compare_configuration(self, old: Properties, new: Properties) -> dict[str, Change]:
        return {} if old == new else {"colour": Change(Kind.UPDATE, replaces=True)}

    def configure(self, settings: Properties) -> None:
        self.settings = settings

    def explain(self, error: BaseException) -> str:
        return f"the shop said {error}"


class Box(Resource[ToyProvider]):
    token = TOKEN
    properties: ClassVar[Table] = {
        "name": Property(STRING, replaces=True, computed=True),
        "size": Property(INTEGER, required=True),
        "lid": Property(BOOLEAN, computed=True),
        "password": Property(STRING, unreadable=True),
    }
    outputs = ("arn", "version")
    volatile = ("version",)
    name_property = "name"
    name_limit = 20

    def create(self, operation: Operation[ToyProvider], inputs: Properties) -> str:
        if inputs["size"] == 13:
            raise ShopError("no")
        if inputs["size"] == 14:
            raise InitFailed("half-made", inputs, ShopError("it broke"))
        operation.provider.shop[inputs["name"]] = {"size": inputs["size"], "version": 1}
        return str(inputs["name"])

    def read(self, operation: Operation[ToyProvider], resource_id: str, state: Properties) -> Properties | None:
        if operation.provider.closed:
            raise ShopError("closed")
        if operation.provider.invisible_reads:
            operation.provider.invisible_reads -= 1
            return None
        box = operation.provider.shop.get(resource_id)
        return box and {"name": resource_id, "lid": True, "arn": f"arn:{resource_id}", **box}

    def update(
        self,
        operation: Operation[ToyProvider],
        resource_id: str,
        old: Properties,
        new: Properties,
        changed: set[str],
    ) -> None:
        assert changed == {"size"}
        operation.provider.shop[resource_id] = {"size": new["size"], "version": 2}

    def delete(self, operation: Operation[ToyProvider], resource_id: str, state: Properties) -> None:
        operation.provider.shop.pop(resource_id, None)


@pytest.fixture
def toys() -> ToyProvider:
    return ToyProvider()


@pytest.fixture
def servicer(toys: ToyProvider) -> ProviderServicer[ToyProvider]:
    return ProviderServicer(toys, "1.2.3")


def create(
    servicer: ProviderServicer[Any], inputs: Mapping[str, Any], *, preview: bool = False
) -> tuple[str, Properties]:
    request = provider_pb2.CreateRequest(urn=BOX, properties=to_struct(inputs), preview=preview)
    response = call(servicer.Create, request)
    return response.id, from_struct(response.properties)


def test_the_handshake_offers_secrets_references_and_outputs(servicer: ProviderServicer[Any]) -> None:
    answer = call(servicer.Handshake, provider_pb2.ProviderHandshakeRequest(engine_address="127.0.0.1:1"))
    assert (answer.accept_secrets, answer.accept_resources, answer.accept_outputs) == (True, True, True)
    call(servicer.Attach, plugin_pb2.PluginAttach(address="127.0.0.1:1"))
    assert call(servicer.GetPluginInfo, empty_pb2.Empty()).version == "1.2.3"


def test_configuration_is_checked_compared_and_taken(servicer: ProviderServicer[Any], toys: ToyProvider) -> None:
    refused = call(servicer.CheckConfig, provider_pb2.CheckRequest(news=to_struct({"colour": "red"})))
    assert [item.reason for item in refused.failures] == ["provider: property colour: it must not be red"]
    request = provider_pb2.DiffRequest(old_inputs=to_struct({"colour": "a"}), news=to_struct({"colour": "b"}))
    assert list(call(servicer.DiffConfig, request).replaces) == ["colour"]
    answer = call(
        servicer.Configure,
        provider_pb2.ConfigureRequest(
            variables={"toys:config:colour": "old", "toys:config:shape": "cube"},
            args=to_struct({"colour": Secret("blue"), "later": UNKNOWN}),
        ),
    )
    assert toys.settings == {"colour": "blue", "shape": "cube"}
    assert answer.supportsPreview


def test_a_made_up_name_is_kept_and_depends_on_the_seed(servicer: ProviderServicer[Any]) -> None:
    first, _ = check(servicer, TOKEN, {"size": 1}, name="a-long-name-for-a-box")
    assert first["name"].startswith("a-long-name-")
    assert len(first["name"]) == 20
    again, _ = check(servicer, TOKEN, {"size": 2}, first, name="a-long-name-for-a-box", seed=b"other")
    assert again["name"] == first["name"]
    fresh, _ = check(servicer, TOKEN, {"size": 1}, name="a-long-name-for-a-box", seed=b"other")
    assert fresh["name"] != first["name"]


def test_a_fixed_name_is_freed_before_it_is_taken_again(servicer: ProviderServicer[Any]) -> None:
    fixed, _ = check(servicer, TOKEN, {"size": 1, "name": "one"})
    other, _ = check(servicer, TOKEN, {"size": 1, "name": "two"})
    assert diff(servicer, TOKEN, fixed, other).deleteBeforeReplace
    made_up, _ = check(servicer, TOKEN, {"size": 1})
    response = diff(servicer, TOKEN, fixed, made_up)
    assert (list(response.replaces), response.deleteBeforeReplace) == (["name"], False)


def test_a_preview_knows_what_was_given_and_nothing_else(servicer: ProviderServicer[Any], toys: ToyProvider) -> None:
    assert create(servicer, {"name": "one", "size": UNKNOWN, "password": Secret("x")}, preview=True) == (
        "",
        {
            "name": "one",
            "size": UNKNOWN,
            "password": Secret("x"),
            "lid": UNKNOWN,
            "arn": UNKNOWN,
            "version": UNKNOWN,
        },
    )
    assert toys.shop == {}


def test_what_is_made_is_read_back_and_secrets_stay_secret(servicer: ProviderServicer[Any]) -> None:
    resource_id, state = create(servicer, {"name": "one", "size": 1, "password": Secret("x")})
    assert resource_id == "one"
    assert state == {
        "name": "one",
        "size": 1,
        "lid": True,
        "arn": "arn:one",
        "version": 1,
        "password": Secret("x"),
    }


def test_a_new_resource_may_be_invisible_at_first(servicer: ProviderServicer[Any], toys: ToyProvider) -> None:
    toys.invisible_reads = 2
    assert create(servicer, {"name": "one", "size": 1})[1]["version"] == 1


def test_an_answer_of_the_client_names_call_and_resource(servicer: ProviderServicer[Any]) -> None:
    with pytest.raises(Aborted) as failure:
        create(servicer, {"name": "one", "size": 13})
    assert failure.value.details == f"creating {TOKEN} it: the shop said no"
    assert failure.value.code is grpc.StatusCode.UNKNOWN


def kept(failure: pytest.ExceptionInfo[Aborted]) -> provider_pb2.ErrorResourceInitFailed:
    """What the engine keeps in its state after a failure."""
    status = status_pb2.Status.FromString(failure.value.metadata["grpc-status-details-bin"])
    details = provider_pb2.ErrorResourceInitFailed()
    assert status.details[0].Unpack(details)
    return details


def test_what_exists_but_failed_is_not_lost(servicer: ProviderServicer[Any]) -> None:
    with pytest.raises(Aborted) as failure:
        create(servicer, {"name": "one", "size": 14})
    details = kept(failure)
    assert details.id == "half-made"
    assert list(details.reasons) == [f"creating {TOKEN} it: the shop said it broke"]
    assert from_struct(details.inputs) == {"name": "one", "size": 14}


def test_what_was_made_but_cannot_be_read_is_not_lost_and_its_secrets_stay_secret(
    servicer: ProviderServicer[Any], toys: ToyProvider
) -> None:
    toys.closed = True
    inputs = {"name": "one", "size": 1, "password": Secret("x")}
    with pytest.raises(Aborted) as failure:
        create(servicer, inputs)
    details = kept(failure)
    assert details.id == "one"
    assert list(details.reasons) == [f"creating {TOKEN} it: the shop said closed"]
    assert from_struct(details.properties) == from_struct(details.inputs) == inputs


def update(
    servicer: ProviderServicer[Any], state: Properties, old: Properties, new: Properties, *, preview: bool = False
) -> Properties:
    request = provider_pb2.UpdateRequest(
        id="one", urn=BOX, olds=to_struct(state), old_inputs=to_struct(old), news=to_struct(new), preview=preview
    )
    return from_struct(call(servicer.Update, request).properties)


def test_an_update_previews_what_it_may_change(servicer: ProviderServicer[Any]) -> None:
    old, new = {"name": "one", "size": 1}, {"name": "one", "size": 2}
    _, state = create(servicer, old)
    foreseen = update(servicer, state, old, new, preview=True)
    assert foreseen == {**state, "size": 2, "version": UNKNOWN}
    assert update(servicer, state, old, new) == {**state, "size": 2, "version": 2}


def test_what_was_changed_but_cannot_be_read_is_kept_as_it_is_now(
    servicer: ProviderServicer[Any], toys: ToyProvider
) -> None:
    old = {"name": "one", "size": 1, "password": Secret("x")}
    new = {**old, "size": 2}
    _, state = create(servicer, old)
    toys.closed = True
    with pytest.raises(Aborted) as failure:
        update(servicer, state, old, new)
    details = kept(failure)
    assert details.id == "one"
    assert list(details.reasons) == [f"updating {TOKEN} it: the shop said closed"]
    assert from_struct(details.inputs) == new
    assert from_struct(details.properties) == {**state, **new}


def test_an_update_of_what_is_gone_fails(servicer: ProviderServicer[Any]) -> None:
    inputs = {"name": "one", "size": 1}
    with pytest.raises(Aborted, match="vanished while it was being changed"):
        update(servicer, inputs, inputs, inputs)


def read(servicer: ProviderServicer[Any], state: Properties, inputs: Properties) -> tuple[str, Properties, Properties]:
    request = provider_pb2.ReadRequest(id="one", urn=BOX, properties=to_struct(state), inputs=to_struct(inputs))
    response = call(servicer.Read, request)
    return response.id, from_struct(response.properties), from_struct(response.inputs)


def test_a_refresh_finds_no_change_drift_and_absence(servicer: ProviderServicer[Any], toys: ToyProvider) -> None:
    inputs = {"name": "one", "size": 1, "password": Secret("x")}
    _, state = create(servicer, inputs)
    assert read(servicer, state, inputs) == ("one", state, inputs)
    toys.shop["one"]["size"] = 9
    assert read(servicer, state, inputs)[2] == {**inputs, "size": 9}
    call(servicer.Delete, provider_pb2.DeleteRequest(id="one", urn=BOX))
    assert read(servicer, state, inputs)[0] == ""


def test_the_program_is_compared_with_what_the_state_has_not_with_what_it_said_before(
    servicer: ProviderServicer[Any],
) -> None:
    inputs = {"name": "one", "size": 1}
    request = provider_pb2.DiffRequest(
        id="one",
        urn=BOX,
        olds=to_struct({**inputs, "size": 9, "lid": True, "version": 1}),
        old_inputs=to_struct(inputs),
        news=to_struct(inputs),
    )
    assert list(call(servicer.Diff, request).diffs) == ["size"]


def test_an_import_needs_the_id_alone(servicer: ProviderServicer[Any]) -> None:
    create(servicer, {"name": "one", "size": 1})
    resource_id, state, inputs = read(servicer, {}, {})
    assert resource_id == "one"
    assert state["arn"] == "arn:one"
    assert inputs == {"name": "one", "size": 1}


def test_an_unknown_type_or_function_is_named(servicer: ProviderServicer[Any]) -> None:
    urn = URN.format(token="toys:index/ball:Ball", name="it")
    with pytest.raises(Aborted, match="does not know the resource type toys:index/ball:Ball; it knows toys:index/box"):
        call(servicer.Check, provider_pb2.CheckRequest(urn=urn))
    with pytest.raises(Aborted, match="does not know the function toys:index/thrice:thrice"):
        call(servicer.Invoke, provider_pb2.InvokeRequest(tok="toys:index/thrice:thrice"))


def test_a_function_checks_its_arguments_and_may_answer_with_secrets(servicer: ProviderServicer[Any]) -> None:
    request = provider_pb2.InvokeRequest(tok="toys:index/twice:twice", args=to_struct({"number": 2}))
    assert from_struct(getattr(call(servicer.Invoke, request), "return")) == {"value": Secret(4)}
    request = provider_pb2.InvokeRequest(tok="toys:index/twice:twice", args=to_struct({}))
    assert [item.property for item in call(servicer.Invoke, request).failures] == ["number"]


def test_what_cannot_change_in_place_says_so() -> None:
    class Fixed(Box):
        update = Resource.update

    with pytest.raises(ProviderError, match=r"Box cannot be changed in place \(lid, size\)"):
        Fixed().update(Operation(ToyProvider(), BOX), "one", {}, {}, {"size", "lid"})


def test_waiting_ends_with_the_program_s_timeout() -> None:
    operation = Operation(ToyProvider(), BOX, timeout_seconds=0.01)
    with pytest.raises(TimedOut, match=r"the box to open did not happen within 0\.01 s; give customTimeouts"):
        operation.wait("the box to open", lambda: None, default_seconds=1000, interval_seconds=0.001)


def test_cancelling_ends_all_waiting(servicer: ProviderServicer[Any], toys: ToyProvider) -> None:
    call(servicer.Cancel, empty_pb2.Empty())
    operation = Operation(toys, BOX, cancelled=toys.cancelled)
    with pytest.raises(Cancelled, match="cancelled while waiting for the box"):
        operation.wait("the box", lambda: None, default_seconds=1000, interval_seconds=60)


def test_waiting_returns_what_it_found() -> None:
    answers = iter([None, None, "there"])
    operation = Operation(ToyProvider(), BOX, cancelled=threading.Event())
    found = operation.wait("it", lambda: next(answers), default_seconds=10, interval_seconds=0.001)
    assert (found, operation.name) == ("there", "it")
