"""Large arrays, element by element: complete, or an error."""

from __future__ import annotations

import contextlib
import json
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocds.body import BadBodyError
from ocds.elements import elements
from ocds.errors import UpstreamError
from ocds.http import JsonSource
from tests.ocds.captures import BUCKET, PAGE, RELEASES
from tests.ocds.host import Host, Visit, answer, answer_gzip, drop, head
from tests.ocds.test_http import Recorder
from tests.waiting import until

TEXT = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


def pieces(text: bytes, size: int) -> list[bytes]:
    return [text[at : at + size] for at in range(0, len(text), size)]


@pytest.mark.parametrize("size", [17, 4096, 1 << 20])
def test_the_captured_bucket_streams_to_the_same_rows(size: int) -> None:
    assert list(elements(pieces(BUCKET, size))) == json.loads(BUCKET)


def test_the_captured_page_streams_from_its_member(host: Host) -> None:
    host.will(answer_gzip(PAGE))
    assert list(JsonSource(host.url).stream_array("/", member="data")) == json.loads(PAGE)["data"]


@given(st.lists(JSON, max_size=6), st.integers(1, 9), st.booleans(), st.sampled_from([None, 1]))
def test_any_array_streams_to_what_it_holds(
    values: list[Any], size: int, ascii_only: bool, indent: int | None
) -> None:
    text = json.dumps(values, ensure_ascii=ascii_only, indent=indent).encode()
    assert list(elements(pieces(text, size))) == values
    wrapped = json.dumps(
        {"a": [1, {"data": [2]}], "data": values, "z": "]"}, ensure_ascii=ascii_only, indent=indent
    )
    assert list(elements(pieces(wrapped.encode(), size), "data")) == values


@given(st.lists(JSON, max_size=6), st.data())
def test_no_shortened_array_looks_complete(values: list[Any], data: st.DataObject) -> None:
    text = json.dumps(values).encode()
    cut = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(BadBodyError):
        list(elements([text[:cut]]))
    wrapped = json.dumps({"data": values}).encode()
    cut = data.draw(st.integers(0, len(wrapped) - 1))
    with pytest.raises(BadBodyError):
        list(elements([wrapped[:cut]], "data"))


@given(st.binary(max_size=60), st.sampled_from([None, "data"]))
def test_garbage_gives_elements_or_one_error(text: bytes, member: str | None) -> None:
    with contextlib.suppress(BadBodyError):
        list(elements(pieces(b"[" + text, 7), member))


@pytest.mark.parametrize(
    ("text", "member", "words"),
    [
        (b"", None, "an empty body"),
        (b"<html></html>", None, "an HTML or XML page"),
        (b'{"a": [1]}', None, "a JSON object, not an array"),
        (b"[1]", "data", "a JSON array, not an object"),
        (b'{"a": [1]}', "data", 'without an array "data"'),
        (b'{"data": {}}', "data", 'without an array "data"'),
        (b"[1, 2", None, "breaks off after 5 bytes"),
        (b"[1, 2] 3", None, "where the end should be"),
        (b"[1 2]", None, "where a comma or the end of the array should be"),
        (b"[1,]", None, "where a value should be"),
        (b"[,1]", None, "where a value should be"),
        (b'{"data": [1]', "data", "breaks off"),
        (b'{"data" [1]}', "data", "where a colon should be"),
        (b"[{1: 2}]", None, "broken or truncated JSON"),
        (b"{1: [2]}", "data", "where a name should be"),
        (b'["abc', None, "breaks off after 5 bytes"),
        (b'[{"a": [1}', None, "breaks off after 10 bytes"),
        (b"oops", None, "text that is not JSON"),
    ],
)
def test_what_is_no_complete_array_is_named(text: bytes, member: str | None, words: str) -> None:
    with pytest.raises(BadBodyError) as caught:
        list(elements([text], member))
    assert words in str(caught.value)


def test_a_null_member_is_an_empty_array() -> None:
    assert list(elements([b'{"data": null}'], "data")) == []


def test_odd_elements_do_not_cost_the_others() -> None:
    text = b'\xef\xbb\xbf[{"a": NaN}, {"a": "\\ud800x"}, {"a": "\\u0000"}, {"a": 1e999}, {"a": 1, "a": 2}, 7]'
    assert list(elements(pieces(text, 5))) == [
        {"a": None},
        {"a": "\ufffdx"},
        {"a": "\ufffd"},
        {"a": None},
        {"a": 2},
        7,
    ]


def test_a_stream_cut_short_raises_after_its_whole_elements(host: Host) -> None:
    def script(visit: Visit) -> None:
        visit.send(head(200, content_length="1000") + b'[{"id": 1}, {"id": 2}, {"i')
        drop(visit)

    gate = Recorder()
    host.will(script)
    got = []
    stream = JsonSource(host.url, gate=gate).stream_array("/")
    got = [next(stream), next(stream)]
    with pytest.raises(UpstreamError, match="broke off"):
        next(stream)
    assert got == [{"id": 1}, {"id": 2}]
    assert gate.left == [(False, 200)]


def test_a_stream_with_a_whole_body_but_no_last_bracket_raises(host: Host) -> None:
    gate = Recorder()
    host.will(answer(b'[{"id": 1}, {"id": 2}'))
    with pytest.raises(UpstreamError, match="breaks off after 21 bytes"):
        list(JsonSource(host.url, gate=gate).stream_array("/"))
    assert gate.left == [(False, 200)]


def test_an_abandoned_stream_leaves_the_gate_and_closes_its_connection(host: Host) -> None:
    gate = Recorder()
    host.will(answer(BUCKET))
    rows = JsonSource(host.url, gate=gate).stream_array("/")
    assert isinstance(rows, Iterator)
    assert next(rows)["id"] == 38290
    assert gate.left == []
    rows.close()  # type: ignore[attr-defined]
    assert gate.left == [(True, 200)]


def test_the_consumers_own_time_is_not_the_hosts(host: Host) -> None:
    host.will(answer(BUCKET))
    rows = JsonSource(host.url, timeout=5, stream_timeout=0.5).stream_array("/")
    next(rows)
    paused = time.monotonic()
    until(lambda: time.monotonic() - paused > 0.7)
    assert sum(1 for _ in rows) == 2067


def test_a_stream_that_drips_for_ever_is_cut(host: Host) -> None:
    def script(visit: Visit) -> None:
        visit.send(head(200, content_length="1000000") + b"[")
        visit.drip(b"1,")

    host.will(script)
    with pytest.raises(UpstreamError, match=r"no complete answer within 0\.3 s"):
        list(JsonSource(host.url, timeout=5, stream_timeout=0.3).stream_array("/"))


def test_memory_does_not_grow_with_the_array() -> None:
    release = json.dumps(RELEASES[0]).encode()

    def body(count: int) -> Iterator[bytes]:
        yield b"[" + release
        for _ in range(count - 1):
            yield b"," + release
        yield b"]"

    def peak(count: int) -> int:
        tracemalloc.start()
        try:
            assert sum(1 for _ in elements(body(count))) == count
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(4000) < peak(200) + 200_000
