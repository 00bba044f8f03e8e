"""The provider protocol, over a resource type made for the purpose."""

from typing import ClassVar

import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import provider_pb2

from local_aws.plugins.framework.errors import CheckFailure, ProviderError
from local_aws.plugins.framework.provider import Function, Provider
from local_aws.plugins.framework.resource import Operation, Resource
from local_aws.plugins.framework.schema import BOOLEAN, INTEGER, STRING, Property, Table
from local_aws.plugins.framework.servicer import ProviderServicer
from local_aws.plugins.framework.values import UNKNOWN, Properties, Secret, from_struct, to_struct
from local_aws.tests.unit.plugins.playing import Aborted, Engine, call

TOKEN = "toys:index/box:Box"
TWICE = "toys:index/twice:twice"


class ShopError(Exception):
    """What the toy shop's client raises."""


class ToyProvider(Provider):
    call_errors = (ShopError,)
    replaced_by = ("colour",)

    def __init__(self) -> None:
        number: Table = {"number": Property(INTEGER, required=True)}
        twice = Function(lambda _provider, arguments: {"value": Secret(arguments["number"] * 2)}, number)
        super().__init__("toys", [Box()], {TWICE: twice})
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
        "name": Property(STRING, required=True),
        "size": Property(INTEGER, required=True),
        "lid": Property(BOOLEAN, computed=True),
        "password": Property(STRING, unreadable=True),
    }
    outputs = ("arn", "version")
    volatile = ("version",)

    def create(self, operation: Operation[ToyProvider], inputs: Properties) -> str:
        operation.provider.shop[inputs["name"]] = {"size": inputs["size"], "version": 1}
        if inputs["size"] == 13:
            operation.created = "half-made"
            raise ShopError("broken")
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
        self, operation: Operation[ToyProvider], resource_id: str, old: Properties, new: Properties, changed: set[str]
    ) -> None:
        assert changed == {"size"}
        operation.provider.shop[resource_id] = {"size": new["size"], "version": 2}

    def delete(self, operation: Operation[ToyProvider], resource_id: str, state: Properties) -> None:
        del operation.provider.shop[resource_id]


ONE: Properties = {"name": "one", "size": 1, "password": Secret("x")}
TWO = {**ONE, "size": 2}


@pytest.fixture
def toys() -> ToyProvider:
    return ToyProvider()


@pytest.fixture
def engine(toys: ToyProvider) -> Engine:
    return Engine(ProviderServicer(toys, "1.2.3"))


def test_the_handshake_accepts_secrets(engine: Engine) -> None:
    answer = call(engine.servicer.Handshake, provider_pb2.ProviderHandshakeRequest(engine_address="127.0.0.1:1"))
    assert (answer.accept_secrets, answer.accept_resources, answer.accept_outputs) == (True, False, False)
    assert call(engine.servicer.GetPluginInfo, empty_pb2.Empty()).version == "1.2.3"


def test_configuration_is_checked_compared_and_taken(engine: Engine, toys: ToyProvider) -> None:
    refused = call(engine.servicer.CheckConfig, provider_pb2.CheckRequest(news=to_struct({"colour": "red"})))
    assert [item.reason for item in refused.failures] == ["provider: property colour: it must not be red"]
    for old, new, replaces in (("a", "b", ["colour"]), ("a", "a", []), ("", "b", [])):
        compared = provider_pb2.DiffRequest(old_inputs=to_struct({"colour": old}), news=to_struct({"colour": new}))
        assert list(call(engine.servicer.DiffConfig, compared).replaces) == replaces
    request = provider_pb2.ConfigureRequest(
        variables={"toys:config:colour": "old", "toys:config:shape": "cube"},
        args=to_struct({"colour": Secret("blue"), "later": UNKNOWN}),
    )
    assert call(engine.servicer.Configure, request).supportsPreview
    assert toys.settings == {"colour": "blue", "shape": "cube"}


def test_a_secret_stays_one_and_an_output_is_unknown_until_the_resource_is_read(
    engine: Engine, toys: ToyProvider
) -> None:
    given, unknown = {**ONE, "size": UNKNOWN}, dict.fromkeys(("lid", "arn", "version"), UNKNOWN)
    assert engine.create(TOKEN, given, preview=True) == ("", {**given, **unknown})
    assert toys.shop == {}
    toys.invisible_reads = 2
    resource_id, state = engine.create(TOKEN, ONE)
    assert (resource_id, state) == ("one", {**ONE, "lid": True, "arn": "arn:one", "version": 1})
    assert engine.update(TOKEN, "one", state, ONE, TWO, preview=True) == {**state, "size": 2, "version": UNKNOWN}
    assert engine.update(TOKEN, "one", state, ONE, TWO) == {**state, "size": 2, "version": 2}
    toys.shop["one"]["size"] = 9
    assert engine.read(TOKEN, "one", state, ONE)[2] == {**ONE, "size": 9}


@pytest.mark.parametrize(
    ("inputs", "closed", "resource_id", "failure"),
    [({**ONE, "size": 13}, False, "half-made", "broken"), (ONE, True, "one", "closed")],
    ids=["created in part", "created and not read"],
)
def test_a_new_resource_that_exists_but_failed_is_kept_in_the_state(
    engine: Engine, toys: ToyProvider, inputs: Properties, closed: bool, resource_id: str, failure: str
) -> None:
    toys.closed = closed
    with pytest.raises(Aborted) as error:
        engine.create(TOKEN, inputs)
    kept = error.value.kept()
    assert (kept.id, list(kept.reasons)) == (resource_id, [f"creating {TOKEN} it: the shop said {failure}"])
    assert from_struct(kept.properties) == from_struct(kept.inputs) == inputs


def test_an_updated_resource_that_cannot_be_read_is_kept_with_its_new_inputs(engine: Engine, toys: ToyProvider) -> None:
    _, state = engine.create(TOKEN, ONE)
    toys.closed = True
    with pytest.raises(Aborted) as error:
        engine.update(TOKEN, "one", state, ONE, TWO)
    kept = error.value.kept()
    assert (kept.id, list(kept.reasons)) == ("one", [f"updating {TOKEN} it: the shop said closed"])
    assert (from_struct(kept.inputs), from_struct(kept.properties)) == (TWO, {**state, **TWO})


def test_an_update_of_a_deleted_resource_fails(engine: Engine) -> None:
    with pytest.raises(Aborted, match="disappeared during its update"):
        engine.update(TOKEN, "one", ONE, ONE, ONE)


def test_the_program_is_compared_with_the_state_not_with_its_last_inputs(engine: Engine) -> None:
    response = engine.diff(TOKEN, ONE, ONE, {**ONE, "size": 9, "lid": True, "version": 1})
    assert list(response.diffs) == ["size"]


def test_a_function_checks_its_arguments_and_may_answer_with_secrets(engine: Engine) -> None:
    assert engine.invoke(TWICE, {"number": 2}) == ({"value": Secret(4)}, [])
    assert engine.invoke(TWICE, {}) == ({}, ["number"])
    with pytest.raises(Aborted, match="does not know the function toys:index/thrice:thrice; it knows toys:index/twice"):
        engine.invoke("toys:index/thrice:thrice", {})


def test_cancelling_ends_all_waiting(engine: Engine, toys: ToyProvider) -> None:
    call(engine.servicer.Cancel, empty_pb2.Empty())
    operation = Operation(toys, cancelled=toys.cancelled)
    with pytest.raises(ProviderError, match="cancelled while waiting for the box"):
        operation.wait("the box", lambda: None, default_seconds=1000, interval_seconds=60)
