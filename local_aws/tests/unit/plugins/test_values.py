"""Property bags: what the engine sends, and what goes back."""

import pytest
from google.protobuf import json_format, struct_pb2

from local_aws.plugins.framework.values import (
    ARCHIVE_SIGNATURE,
    SECRET_SIGNATURE,
    SIGNATURE,
    UNKNOWN,
    UNKNOWN_SENTINELS,
    UNKNOWN_STRING,
    Archive,
    Secret,
    conceal,
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


def test_values_survive_the_round_trip() -> None:
    plain = ["text", "", True, False, 0, 256, 1.5, float("inf"), 2**53 - 1, [1, "two", [True]], {"a": {"b": []}}]
    own = [Secret({"a": 1}), Archive(path="x.zip", hash="ab"), Archive(hash="ab"), UNKNOWN, {"deep": [Secret(UNKNOWN)]}]
    for value in (*plain, *own):
        found = from_struct(to_struct({"key": value}))
        assert found == {"key": value}
        assert type(found["key"]) is type(value)


def test_null_is_an_absent_property_and_every_kind_of_unknown_the_unknown() -> None:
    kinds = {str(number): kind for number, kind in enumerate(UNKNOWN_SENTINELS)}
    assert from_struct(struct(**kinds)) == dict.fromkeys(kinds, UNKNOWN)
    assert from_struct(struct(there="x", absent=None)) == {"there": "x"}
    assert to_struct({"there": "x", "absent": None}) == struct(there="x")


def test_signatures_are_the_engine_s() -> None:
    sent = json_format.MessageToDict(to_struct({"s": Secret(1), "a": Archive(path="p"), "u": UNKNOWN}))
    assert sent == {
        "s": {SIGNATURE: SECRET_SIGNATURE, "value": 1},
        "a": {SIGNATURE: ARCHIVE_SIGNATURE, "path": "p"},
        "u": UNKNOWN_STRING,
    }


def test_a_value_without_a_counterpart_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot hold a set"):
        to_value({1, 2})


def test_secrets_are_found_revealed_and_hidden_again() -> None:
    properties = {"open": 1, "deep": {"list": [Secret("hush")]}, "top": Secret("hush")}
    assert secret_keys(properties) == {"deep", "top"}
    plain = reveal(properties)
    assert plain == {"open": 1, "deep": {"list": ["hush"]}, "top": "hush"}
    assert conceal(plain, {"deep", "top"}) == {**properties, "deep": Secret({"list": ["hush"]})}
    assert conceal({"top": Secret(1)}, {"top"}) == {"top": Secret(1)}
    assert contains_unknown({"a": [{"b": Secret(UNKNOWN)}]}) and not contains_unknown(properties)
