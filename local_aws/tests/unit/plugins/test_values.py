"""Property bags: what the engine sends, and what goes back."""

import pytest
from google.protobuf import json_format, struct_pb2

from local_aws.plugins.framework.values import (
    ARCHIVE_SIGNATURE,
    OUTPUT_SIGNATURE,
    RESOURCE_SIGNATURE,
    SECRET_SIGNATURE,
    SIGNATURE,
    UNKNOWN,
    UNKNOWN_SENTINELS,
    UNKNOWN_STRING,
    Archive,
    ResourceReference,
    Secret,
    conceal,
    contains_secret,
    contains_unknown,
    from_struct,
    reveal,
    secret_keys,
    to_struct,
    to_value,
)


def struct(**members: object) -> struct_pb2.Struct:
    result = struct_pb2.Struct()
    result.update(members)
    return result


@pytest.mark.parametrize(
    "value",
    [
        "text",
        "",
        True,
        False,
        0,
        256,
        1.5,
        [1, "two", [True]],
        {"a": {"b": []}},
        Secret({"a": 1}),
        Archive(path="x.zip", hash="ab"),
        Archive(hash="ab"),
        ResourceReference("urn:pulumi:s::p::t::n", "id-1", "7.0.0"),
        UNKNOWN,
        {"deep": [UNKNOWN, Secret(UNKNOWN)]},
    ],
    ids=repr,
)
def test_a_value_survives_the_journey(value: object) -> None:
    assert from_struct(to_struct({"key": value})) == {"key": value}


def test_nothing_is_an_absent_property() -> None:
    sent = struct(there="x", absent=None)
    assert from_struct(sent) == {"there": "x"}
    assert to_struct({"there": "x", "absent": None}) == struct(there="x")


def test_whole_numbers_are_integers_again() -> None:
    assert isinstance(from_struct(struct(port=443))["port"], int)


def test_large_numbers_keep_their_digits() -> None:
    assert from_struct(struct(id=1795486942613370123))["id"] == int(float(1795486942613370123))
    assert from_struct(struct(id=2**53 - 1))["id"] == 2**53 - 1


@pytest.mark.parametrize("sentinel", sorted(UNKNOWN_SENTINELS))
def test_every_kind_of_unknown_is_the_unknown(sentinel: str) -> None:
    assert from_struct(struct(key=sentinel)) == {"key": UNKNOWN}


def test_the_unknown_is_sent_as_an_unknown_string() -> None:
    assert to_value(UNKNOWN).string_value == UNKNOWN_STRING


def test_an_output_is_its_value() -> None:
    known = {SIGNATURE: OUTPUT_SIGNATURE, "value": "x", "dependencies": ["urn"]}
    hidden = {SIGNATURE: OUTPUT_SIGNATURE, "value": "x", "secret": True}
    unknown = {SIGNATURE: OUTPUT_SIGNATURE, "dependencies": []}
    assert from_struct(struct(known=known, hidden=hidden, unknown=unknown)) == {
        "known": "x",
        "hidden": Secret("x"),
        "unknown": UNKNOWN,
    }


def test_signatures_are_the_engine_s() -> None:
    sent = json_format.MessageToDict(to_struct({"s": Secret(1), "a": Archive(path="p"), "r": ResourceReference("u")}))
    assert sent["s"] == {SIGNATURE: SECRET_SIGNATURE, "value": 1}
    assert sent["a"] == {SIGNATURE: ARCHIVE_SIGNATURE, "path": "p"}
    assert sent["r"] == {SIGNATURE: RESOURCE_SIGNATURE, "urn": "u"}


def test_what_has_no_counterpart_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot hold a set"):
        to_value({1, 2})


def test_secrets_are_found_revealed_and_hidden_again() -> None:
    properties = {"open": 1, "deep": {"list": [Secret("hush")]}, "top": Secret("hush")}
    assert secret_keys(properties) == {"deep", "top"}
    plain = reveal(properties)
    assert plain == {"open": 1, "deep": {"list": ["hush"]}, "top": "hush"}
    assert not contains_secret(plain)
    assert conceal(plain, {"deep", "top"}) == {
        "open": 1,
        "deep": Secret({"list": ["hush"]}),
        "top": Secret("hush"),
    }
    assert conceal({"top": Secret(1)}, {"top"}) == {"top": Secret(1)}


def test_an_unknown_is_found_at_any_depth() -> None:
    assert contains_unknown({"a": [{"b": Secret(UNKNOWN)}]})
    assert not contains_unknown({"a": [{"b": Secret(1)}]})
