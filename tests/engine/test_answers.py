"""What an SDK's answer means, by tables and by properties."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import surrogates, wire
from tests.engine.test_decisions import json_values

SDK = {"x-inngest-sdk": "py:v0.5.19", "x-inngest-req-version": "2"}


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (wire.Response(200, {}, b"1"), "not from an Inngest SDK"),
        (wire.Response(206, {}, b"[]"), "not from an Inngest SDK"),
        (wire.Response(206, SDK, b"[]"), "at least one step"),
        (wire.Response(206, SDK, b"{}"), "list"),
        (wire.Response(206, SDK, b"not json"), "not valid JSON"),
        (wire.Response(200, SDK, b"NaN"), "not valid JSON"),
        (wire.Response(206, SDK, b"[1]"), "not an object"),
        (wire.Response(206, SDK, b'[{"op":"AIGateway","id":"ab"}]'), "AIGateway"),
        (wire.Response(206, SDK, b'[{"op":"StepRun"}]'), "id"),
        (wire.Response(206, SDK, b'[{"op":"StepRun","id":"a b/../c"}]'), "id"),
        (wire.Response(404, SDK, b""), "404"),
        (wire.Response(502, {}, b"<html>Bad gateway</html>"), "Bad gateway"),
        (wire.Response(201, SDK, b"   no json"), "streamed"),
        (wire.Response(200, SDK, b'"' + b"a" * (4 * 1024 * 1024) + b'"'), "4 MiB"),
        (wire.Response(500, SDK, b'{"message":"' + b"a" * (4 * 1024 * 1024) + b'"}'), "4 MiB"),
    ],
)
def test_rubbish_is_a_failure_that_says_what_was_wrong(response: wire.Response, words: str) -> None:
    failure = wire.read_response(response)
    assert isinstance(failure, wire.Failure)
    assert words in failure.error["message"]


def test_a_streamed_answer_is_unwrapped() -> None:
    inner = orjson.dumps([{"op": "StepRun", "id": "ab", "displayName": "a", "data": 1}]).decode()
    body = b"   " + orjson.dumps({"status": 206, "headers": {"Retry-After": "5"}, "body": inner})
    steps = wire.read_response(wire.Response(201, SDK, body))
    assert isinstance(steps, wire.Steps)
    assert json.loads(steps.ops[0].memo) == {"data": 1}
    assert steps.retry_after == "5"


def test_the_first_versions_of_the_protocol_wrap_a_steps_output_themselves() -> None:
    ops = [{"op": "Step", "id": "ab", "data": {"data": 1}}, {"op": "Step", "id": "cd", "data": None}]
    steps = wire.read_response(wire.Response(206, SDK, orjson.dumps(ops)))
    assert isinstance(steps, wire.Steps)
    assert [(op.kind, json.loads(op.memo)) for op in steps.ops] == [(wire.RUN, {"data": 1}), (wire.RUN, None)]


def test_an_error_that_was_encoded_twice_is_read() -> None:
    error = {"name": "TypeError", "message": "odd", "stack": "at x"}
    answer = wire.Response(500, SDK, orjson.dumps(orjson.dumps(error).decode()))
    failure = wire.read_response(answer)
    assert isinstance(failure, wire.Failure)
    assert failure.error == {"error": "invalid status code: 500", **error}
    assert orjson.loads(failure.output) == error


def test_a_result_after_the_last_steps_has_the_limits_of_a_result() -> None:
    ops = [
        {"op": "StepRun", "id": "ab", "data": 1},
        {"op": "RunComplete", "id": "cd", "data": "x" * 4_200_000},
    ]
    failure = wire.read_response(wire.Response(206, SDK, orjson.dumps(ops)))
    assert isinstance(failure, wire.Failure)
    assert "the function's output" in failure.error["message"]
    assert failure.no_retry


@given(
    st.integers(100, 599),
    st.dictionaries(
        st.sampled_from(["x-inngest-sdk", "x-inngest-no-retry", "retry-after", "x-inngest-req-version"]),
        st.text(max_size=9),
    ),
    st.one_of(st.binary(max_size=60), json_values.map(orjson.dumps)),
)
def test_any_answer_has_a_meaning(status: int, headers: dict[str, str], body: bytes) -> None:
    outcome = wire.read_response(wire.Response(status, headers, body))
    assert isinstance(outcome, wire.Steps | wire.Result | wire.Failure)
    if isinstance(outcome, wire.Failure):
        assert outcome.error["message"]
        orjson.loads(outcome.output)


opcodes = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(
            [
                "StepRun",
                "Step",
                "StepPlanned",
                "Sleep",
                "WaitForEvent",
                "InvokeFunction",
                "StepError",
                "RunComplete",
                "X",
            ],
        ),
        "id": st.sampled_from(["ab12", "cd34"]) | st.text(max_size=4),
        "name": json_values,
        "displayName": json_values,
        "opts": json_values,
        "data": json_values,
        "error": json_values,
        "userland": json_values,
    },
)


@given(st.lists(opcodes | json_values, max_size=4))
def test_any_list_of_opcodes_is_read_or_refused(ops: list[Any]) -> None:
    outcome = wire.read_response(wire.Response(206, SDK, orjson.dumps(ops)))
    assert isinstance(outcome, wire.Steps | wire.Failure)
    if isinstance(outcome, wire.Steps):
        for op in outcome.ops:
            orjson.loads(op.memo)


@given(st.text(st.characters() | st.sampled_from("\ud83d\ude00\\u"), max_size=30))
def test_halves_of_characters_are_replaced_and_nothing_else(text: str) -> None:
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    assert orjson.loads(surrogates.mend(json.dumps(text).encode())) == whole
