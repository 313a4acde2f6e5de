"""Equal content, equal hash."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocds.body import BadBodyError, decode
from ocds.content import canonical_json, content_hash
from tests.ocds.captures import RELEASES
from tests.ocds.test_stream import JSON
from tests.ocds.test_values import ANYTHING


def shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(value)}
    return [shuffled(member) for member in value] if isinstance(value, list) else value


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release["ocid"])
def test_the_order_of_members_does_not_matter_and_any_change_does(release: dict[str, Any]) -> None:
    assert content_hash(shuffled(release)) == content_hash(release)
    assert len(content_hash(release)) == 32
    changed = copy.deepcopy(release)
    changed["tender"]["description"] += " "
    assert content_hash(changed) != content_hash(release)
    without = copy.deepcopy(release)
    del without["awards"]
    assert content_hash(without) != content_hash(release)


@pytest.mark.parametrize(
    "same",
    [
        ["0", "0.0", "0.00", "-0.0", "0e5"],
        ["100", "100.0", "1e2", "1E+2"],
        ["9007199254740991", "9007199254740991.0"],
        ["0.1", "1e-1", "0.10"],
        ["1e23", "100000000000000000000000"],
        ['{"a": 1, "b": [1.0, {"c": 2e0}]}', '{"b": [1, {"c": 2}], "a": 1.0}'],
    ],
)
def test_the_way_a_number_is_written_does_not_matter(same: list[str]) -> None:
    assert len({content_hash(json.loads(text)) for text in same}) == 1
    assert len({content_hash(json.loads(f'{{"v": {text}}}')) for text in same}) == 1


def test_different_values_differ() -> None:
    different = [
        None,
        True,
        False,
        0,
        1,
        "0",
        "",
        [],
        {},
        [[]],
        [None],
        {"a": None},
        0.5,
        10**30,
        2**53 + 1,
        "\ufffe",
    ]
    assert len({content_hash(value) for value in different}) == len(different)


@given(JSON)
def test_the_canonical_text_is_json_of_the_same_value(value: Any) -> None:
    canonical = canonical_json(value)
    again = json.loads(canonical, parse_int=float)
    assert again == json.loads(json.dumps(value), parse_int=float)
    assert canonical_json(json.loads(canonical)) == canonical


@given(JSON)
def test_values_with_and_without_fractions_take_ways_that_agree(value: Any) -> None:
    plain = canonical_json([value])
    with_float = canonical_json([0.5, value])
    assert with_float == b"[0.5," + plain[1:]


@given(ANYTHING)
def test_nothing_that_json_can_hold_makes_it_raise(value: Any) -> None:
    assert len(content_hash(value)) == 32


def test_depth_and_long_numbers_are_no_obstacle() -> None:
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    assert canonical_json(deep) == b"[" * 5000 + b'"x"' + b"]" * 5000
    assert canonical_json({"b": 10**40, "a": {}}) == b'{"a":{},"b":1' + b"0" * 40 + b"}"
    assert canonical_json(["\ud800", float("nan"), 1e16]) == '["\ufffd",null,10000000000000000]'.encode()


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('{"a": "é"}'.encode("utf-16"), {"a": "é"}),
        (b'{"a": NaN, "b": [-Infinity, 1e999]}', {"a": None, "b": [None, None]}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'{"a": "\\ud800"}', {"a": "\ufffd"}),
        (b'{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        (b'{"a\\u0000": "b\\u0000c"}', {"a\ufffd": "b\ufffdc"}),
        (b'{"a": "tab\tand\nline"}', {"a": "tab\tand\nline"}),
        (b'{"a": "caf\xe9"}', {"a": "caf\ufffd"}),
        (b'{"a": 123456789012345678901234567890}', {"a": 123456789012345678901234567890}),
        (b"[" * 250 + b"NaN" + b"]" * 250, json.loads("[" * 201 + "null" + "]" * 201)),
    ],
)
def test_bodies_that_are_not_quite_json_are_read_in_a_storable_form(body: bytes, value: Any) -> None:
    got = decode(body)
    assert got == value
    json.dumps(got, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "body", [b"", b" ", b"<html>", b"{", b'{"a": 01}', b"[" * 100_000, b"oops", b"{} {}", b"\xff\xfe"]
)
def test_bodies_that_are_no_json_are_refused(body: bytes) -> None:
    with pytest.raises(BadBodyError):
        decode(body)


@given(st.binary(max_size=40))
def test_no_body_makes_it_raise_anything_else(body: bytes) -> None:
    try:
        got = decode(body)
    except BadBodyError:
        return
    assert decode(canonical_json(got)) == got
