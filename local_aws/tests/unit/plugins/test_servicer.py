"""The provider protocol, over a resource type made for the purpose."""

import threading
from typing import Any, ClassVar

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from local_aws.plugins.framework.errors import CheckFailure, ProviderError
from local_aws.plugins.framework.provider import Function, Provider
from local_aws.plugins.framework.resource import Operation, Resource
from local_aws.plugins.framework.schema import BOOLEAN, INTEGER, STRING, Property, Table
from local_aws.plugins.framework.servicer import ProviderServicer
from local_aws.plugins.framework.values import UNKNOWN, Properties, Secret, from_struct, to_struct
from local_aws.tests.unit.plugins.playing import Aborted, Engine, call, urn

TOKEN = "toys:index/box:Box"
BOX = urn(TOKEN)


class ShopError(Exception):
    """What the toy shop's client raises."""


class ToyProvider(Provider):
    call_errors = (ShopError,)
    replaced_by = ("colour",)

    def __init__(self) -> None:
        super().__init__(
            "toys",
            [Box()],
            {
                "toys:index/twice:twice": Function(
                    lambda _provider, arguments: {"value": Secret(arguments["number"] * 2)},
                    {"number": Property(INTEGER, required=True)},
                )
            },
        )
        self.closed = False
        self.shop: dict[str, Properties] = {}
        self.settings: Properties = {}
        self.invisible_reads = 0

    def check_configuration(self, settings: Properties) -> list[CheckFailure]:
        return [CheckFailure("colour", "it must not be red")] if settings.get("colour") == "red" else []

    def configure(self, settings: Properties) -> None:
        self.settings = settings

    def explain(self, error: BaseException) -> str:
        return f"the shop said {error}" if isinstance(error, ShopError) else str(error)


class Box(Resource[ToyProvider]):
    token = TOKEN
    properties: ClassVar[Table] = {
        "name": Property(STRING, required=True, replaces=True),
        "size": Property(INTEGER, required=True),
        "lid": Property(BOOLEAN, computed=True),
        "password": Property(STRING, unreadable=True),
    }
    outputs = ("arn", "version")
    volatile = ("version",)
    deletes_before_replace = True

    def create(self, operation: Operation[ToyProvider], inputs: Properties) -> str:
        if inputs["size"] == 13:
            raise ShopError("no")
        if inputs["size"] == 14:
            operation.created = "half-made"
            raise ShopError("it broke")
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


@pytest.fixture
def engine(servicer: ProviderServicer[ToyProvider]) -> Engine:
    return Engine(servicer)


def test_the_handshake_accepts_secrets(servicer: ProviderServicer[Any]) -> None:
    answer = call(servicer.Handshake, provider_pb2.ProviderHandshakeRequest(engine_address="127.0.0.1:1"))
    assert (answer.accept_secrets, answer.accept_resources, answer.accept_outputs) == (True, False, False)
    assert call(servicer.GetPluginInfo, empty_pb2.Empty()).version == "1.2.3"


def test_configuration_is_checked_compared_and_taken(servicer: ProviderServicer[Any], toys: ToyProvider) -> None:
    refused = call(servicer.CheckConfig, provider_pb2.CheckRequest(news=to_struct({"colour": "red"})))
    assert [item.reason for item in refused.failures] == ["provider: property colour: it must not be red"]
    for old, new, replaces in (("a", "b", ["colour"]), ("a", "a", []), ("", "b", [])):
        request = provider_pb2.DiffRequest(old_inputs=to_struct({"colour": old}), news=to_struct({"colour": new}))
        assert list(call(servicer.DiffConfig, request).replaces) == replaces
    answer = call(
        servicer.Configure,
        provider_pb2.ConfigureRequest(
            variables={"toys:config:colour": "old", "toys:config:shape": "cube"},
            args=to_struct({"colour": Secret("blue"), "later": UNKNOWN}),
        ),
    )
    assert toys.settings == {"colour": "blue", "shape": "cube"}
    assert answer.supportsPreview


def test_a_type_with_unique_names_is_deleted_before_it_is_replaced(engine: Engine) -> None:
    one, two = ({"size": 1, "name": name} for name in ("one", "two"))
    response = engine.diff(TOKEN, one, two)
    assert (list(response.replaces), response.deleteBeforeReplace) == (["name"], True)
    assert not engine.diff(TOKEN, one, {**one, "size": 2}).deleteBeforeReplace


def test_a_preview_knows_what_was_given_and_nothing_else(engine: Engine, toys: ToyProvider) -> None:
    given = {"name": "one", "size": UNKNOWN, "password": Secret("x")}
    unknown = dict.fromkeys(("lid", "arn", "version"), UNKNOWN)
    assert engine.create(TOKEN, given, preview=True) == ("", {**given, **unknown})
    assert toys.shop == {}


def test_a_new_resource_is_read_back_and_secrets_stay_secret(engine: Engine) -> None:
    given = {"name": "one", "size": 1, "password": Secret("x")}
    assert engine.create(TOKEN, given) == ("one", {**given, "lid": True, "arn": "arn:one", "version": 1})


def test_a_new_resource_may_be_invisible_at_first(engine: Engine, toys: ToyProvider) -> None:
    toys.invisible_reads = 2
    assert engine.create(TOKEN, {"name": "one", "size": 1})[1]["version"] == 1


def test_an_error_names_call_and_resource(engine: Engine) -> None:
    with pytest.raises(Aborted) as failure:
        engine.create(TOKEN, {"name": "one", "size": 13})
    assert failure.value.details == f"creating {TOKEN} it: the shop said no"
    assert failure.value.code is grpc.StatusCode.UNKNOWN


def test_a_resource_that_exists_but_failed_is_kept_in_the_state(engine: Engine) -> None:
    with pytest.raises(Aborted) as failure:
        engine.create(TOKEN, {"name": "one", "size": 14})
    details = failure.value.kept()
    assert details.id == "half-made"
    assert list(details.reasons) == [f"creating {TOKEN} it: the shop said it broke"]
    assert from_struct(details.inputs) == {"name": "one", "size": 14}


def test_a_new_resource_that_cannot_be_read_is_kept_and_its_secrets_stay_secret(
    engine: Engine, toys: ToyProvider
) -> None:
    toys.closed = True
    inputs = {"name": "one", "size": 1, "password": Secret("x")}
    with pytest.raises(Aborted) as failure:
        engine.create(TOKEN, inputs)
    details = failure.value.kept()
    assert details.id == "one"
    assert list(details.reasons) == [f"creating {TOKEN} it: the shop said closed"]
    assert from_struct(details.properties) == from_struct(details.inputs) == inputs


def test_an_update_previews_what_it_may_change(engine: Engine) -> None:
    old, new = {"name": "one", "size": 1}, {"name": "one", "size": 2}
    _, state = engine.create(TOKEN, old)
    foreseen = engine.update(TOKEN, "one", state, old, new, preview=True)
    assert foreseen == {**state, "size": 2, "version": UNKNOWN}
    assert engine.update(TOKEN, "one", state, old, new) == {**state, "size": 2, "version": 2}


def test_an_updated_resource_that_cannot_be_read_is_kept_with_its_new_inputs(engine: Engine, toys: ToyProvider) -> None:
    old = {"name": "one", "size": 1, "password": Secret("x")}
    new = {**old, "size": 2}
    _, state = engine.create(TOKEN, old)
    toys.closed = True
    with pytest.raises(Aborted) as failure:
        engine.update(TOKEN, "one", state, old, new)
    details = failure.value.kept()
    assert details.id == "one"
    assert list(details.reasons) == [f"updating {TOKEN} it: the shop said closed"]
    assert from_struct(details.inputs) == new
    assert from_struct(details.properties) == {**state, **new}


def test_an_update_of_a_deleted_resource_fails(engine: Engine) -> None:
    inputs = {"name": "one", "size": 1}
    with pytest.raises(Aborted, match="disappeared during its update"):
        engine.update(TOKEN, "one", inputs, inputs, inputs)


def test_a_refresh_finds_no_change_drift_and_absence(engine: Engine, toys: ToyProvider) -> None:
    inputs = {"name": "one", "size": 1, "password": Secret("x")}
    _, state = engine.create(TOKEN, inputs)
    assert engine.read(TOKEN, "one", state, inputs) == ("one", state, inputs)
    toys.shop["one"]["size"] = 9
    assert engine.read(TOKEN, "one", state, inputs)[2] == {**inputs, "size": 9}
    engine.delete(TOKEN, "one", state)
    assert engine.read(TOKEN, "one", state, inputs)[0] == ""


def test_the_program_is_compared_with_the_state_not_with_its_last_inputs(engine: Engine) -> None:
    inputs = {"name": "one", "size": 1}
    response = engine.diff(TOKEN, inputs, inputs, {**inputs, "size": 9, "lid": True, "version": 1})
    assert list(response.diffs) == ["size"]


def test_an_import_is_refused(engine: Engine) -> None:
    engine.create(TOKEN, {"name": "one", "size": 1})
    with pytest.raises(Aborted, match=f"reading {TOKEN} it: this plugin cannot import"):
        engine.read(TOKEN, "one", {}, {})


def test_an_unknown_type_function_or_property_is_named(engine: Engine) -> None:
    with pytest.raises(Aborted, match="does not know the resource type toys:index/ball:Ball; it knows toys:index/box"):
        engine.check("toys:index/ball:Ball", {})
    with pytest.raises(Aborted, match="does not know the function toys:index/thrice:thrice"):
        engine.invoke("toys:index/thrice:thrice", {})
    _, failures = engine.check_failures(TOKEN, {"name": "one", "size": 1, "colour": "red"}, name="culprit")
    assert failures == [
        f"{TOKEN} 'culprit': property colour: there is no such property; there are lid, name, password, size"
    ]


def test_a_function_checks_its_arguments_and_may_answer_with_secrets(engine: Engine) -> None:
    assert engine.invoke("toys:index/twice:twice", {"number": 2}) == ({"value": Secret(4)}, [])
    assert engine.invoke("toys:index/twice:twice", {}) == ({}, ["number"])


def test_waiting_ends_with_the_program_s_timeout() -> None:
    operation = Operation(ToyProvider(), BOX, timeout_seconds=0.01)
    with pytest.raises(ProviderError, match=r"the box to open did not happen within 0\.01 s; give customTimeouts"):
        operation.wait("the box to open", lambda: None, default_seconds=1000, interval_seconds=0.001)


def test_cancelling_ends_all_waiting(servicer: ProviderServicer[Any], toys: ToyProvider) -> None:
    call(servicer.Cancel, empty_pb2.Empty())
    operation = Operation(toys, BOX, cancelled=toys.cancelled)
    with pytest.raises(ProviderError, match="cancelled while waiting for the box"):
        operation.wait("the box", lambda: None, default_seconds=1000, interval_seconds=60)


def test_waiting_returns_what_it_found() -> None:
    answers = iter([None, None, "there"])
    operation = Operation(ToyProvider(), BOX, cancelled=threading.Event())
    found = operation.wait("it", lambda: next(answers), default_seconds=10, interval_seconds=0.001)
    assert found == "there"
