"""Exchanges captured from a real Inngest server, replayed against request builder and response reader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import pytest

from engine import functions, ids, signing, wire

GOLDEN = Path(__file__).parent / "golden"
CALLS = (
    "three_steps", "parallel", "step_retried", "step_failed", "sleep", "wait", "invoke", "callee",
    "send_event", "failure", "on_failure", "non_retriable", "retry_after", "batch", "signed",
)  # fmt: skip


def exchanges(name: str) -> list[dict[str, Any]]:
    """The captured exchanges of one file, in their order."""
    found: list[dict[str, Any]] = json.loads((GOLDEN / f"{name}.json").read_text())
    return found


def every_call() -> list[Any]:
    return [
        pytest.param(exchange, id=f"{name}-{exchange['title']}")
        for name in CALLS
        for exchange in exchanges(name)
    ]


def response_of(exchange: dict[str, Any]) -> wire.Response:
    """The captured answer as it came over the wire."""
    captured = exchange["response"]
    return wire.Response(captured["status"], captured["headers"], orjson.dumps(captured["body"]))


def outcome(name: str, number: int) -> Any:
    return wire.read_response(response_of(exchanges(name)[number]))


def memos(name: str, number: int) -> dict[str, Any]:
    """The memos that the server sent in one captured request."""
    sent: dict[str, Any] = exchanges(name)[number]["request"]["body"]["steps"]
    return sent


@pytest.mark.parametrize("exchange", every_call())
def test_the_request_builder_says_what_the_server_said(exchange: dict[str, Any]) -> None:
    captured = exchange["request"]["body"]
    context = captured["ctx"]
    call = wire.Call(
        run_id=context["run_id"],
        fn_id=context["fn_id"],
        target=exchange["request"]["headers"]["x-inngest-step-id"],
        attempt=context["attempt"],
        max_attempts=context["max_attempts"],
        disable_immediate_execution=context["disable_immediate_execution"],
        job_id=context["job_id"],
        request_id=context["request_id"],
        version=captured["version"],
        use_api=captured["use_api"],
    )
    built = wire.request_body(
        call,
        events=[orjson.dumps(event) for event in captured["events"]],
        memos=wire.memos_json({step: orjson.dumps(memo) for step, memo in captured["steps"].items()}),
        stack=wire.stack_json(context["stack"]["stack"]),
        depth=context["stack"]["current"],
    )
    ours = json.loads(built)
    ours["ctx"]["qi_id"] = context["qi_id"]
    assert ours == captured


@pytest.mark.parametrize("exchange", every_call())
def test_the_requests_headers_are_the_servers(exchange: dict[str, Any]) -> None:
    context = exchange["request"]["body"]["ctx"]
    captured = exchange["request"]["headers"]
    headers = wire.request_headers(
        wire.Call(
            run_id=context["run_id"],
            fn_id=context["fn_id"],
            target=captured["x-inngest-step-id"],
            attempt=context["attempt"],
            max_attempts=context["max_attempts"],
            disable_immediate_execution=context["disable_immediate_execution"],
            job_id=context["job_id"],
            request_id=context["request_id"],
            version=int(captured["x-inngest-req-version"]),
        )
    )
    for name in ("x-inngest-generation-id", "x-inngest-req-version", "x-inngest-step-id"):
        assert headers[name] == captured[name]
    assert headers["x-run-id"] == context["run_id"]
    assert headers["x-request-id"] == context["request_id"]
    assert headers["x-inngest-job-id"] == context["job_id"]


def test_a_request_is_built_in_canonical_form_so_that_its_signature_holds() -> None:
    exchange = exchanges("signed")[0]
    captured = exchange["request"]["body"]
    canonical = signing.canonical(json.dumps(captured).encode())
    assert len(canonical) == int(exchange["request"]["headers"]["content-length"])
    context = captured["ctx"]
    call = wire.Call(
        run_id=context["run_id"],
        fn_id=context["fn_id"],
        target="step",
        attempt=0,
        max_attempts=5,
        disable_immediate_execution=False,
        job_id=context["job_id"],
        request_id=context["request_id"],
        version=-1,
    )
    built = wire.request_body(
        call,
        events=[signing.canonical(json.dumps(event).encode()) for event in captured["events"]],
        memos=b"{}",
        stack=b"[]",
        depth=0,
    )
    assert signing.canonical(built) == built


@pytest.mark.parametrize(
    ("name", "number"),
    [("three_steps", 0), ("three_steps", 1), ("three_steps", 2), ("step_retried", 1), ("send_event", 0)],
)
def test_what_a_step_returned_becomes_the_memo_of_the_next_request(name: str, number: int) -> None:
    steps = outcome(name, number)
    assert isinstance(steps, wire.Steps)
    (op,) = steps.ops
    assert op.kind == wire.RUN
    assert json.loads(op.memo) == memos(name, number + 1)[op.id]


def test_a_plan_names_the_steps_to_be_called() -> None:
    plan = outcome("parallel", 0)
    assert isinstance(plan, wire.Steps)
    assert [(op.kind, op.name) for op in plan.ops] == [(wire.PLANNED, "p0"), (wire.PLANNED, "p1")]
    assert not any(op.race for op in plan.ops)
    assert plan.version == 2


def test_a_targeted_call_reports_the_step_that_it_was_for() -> None:
    exchange = exchanges("parallel")[1]
    steps = outcome("parallel", 1)
    assert isinstance(steps, wire.Steps)
    assert steps.ops[0].id == exchange["request"]["headers"]["x-inngest-step-id"]
    assert json.loads(steps.ops[0].memo) == {"data": 1444}


def test_a_step_error_is_to_be_retried_and_a_failed_step_is_not() -> None:
    error, failed = outcome("step_failed", 0), outcome("step_failed", 1)
    assert isinstance(error, wire.Steps)
    assert isinstance(failed, wire.Steps)
    assert (error.ops[0].kind, failed.ops[0].kind) == (wire.ERROR, wire.FAILED)
    assert failed.ops[0].error is not None
    assert json.loads(wire.error_memo(failed.ops[0].error)) == memos("step_failed", 2)[failed.ops[0].id]


def test_a_sleep_says_until_when() -> None:
    steps = outcome("sleep", 0)
    assert isinstance(steps, wire.Steps)
    assert (steps.ops[0].kind, steps.ops[0].subject) == (wire.SLEEP, "2026-11-23T13:06:28.223Z")
    assert steps.ops[0].name == "nap"
    assert memos("sleep", 1)[steps.ops[0].id] is None


def test_a_wait_says_for_what_and_how_long() -> None:
    first, second = outcome("wait", 0), outcome("wait", 1)
    assert isinstance(first, wire.Steps)
    assert isinstance(second, wire.Steps)
    assert (first.ops[0].kind, first.ops[0].name, first.ops[0].subject) == (wire.WAIT, "w1", "t/signal")
    assert first.ops[0].opts == {"if": "event.data.id == async.data.id", "timeout": "30s"}
    assert second.ops[0].opts == {"if": None, "timeout": "1s"}


def test_an_invoke_says_whom_and_with_what() -> None:
    steps = outcome("invoke", 0)
    assert isinstance(steps, wire.Steps)
    assert steps.ops[0].kind == wire.INVOKE
    assert steps.ops[0].opts["function_id"] == "proto-callee"
    assert steps.ops[0].opts["payload"]["data"] == {"k": "v"}
    assert steps.ops[0].opts["timeout"] == "1m"


def test_a_callees_result_is_the_callers_memo() -> None:
    result = outcome("callee", 0)
    assert isinstance(result, wire.Result)
    expected = memos("invoke", 1)["bc8d8647b02deea0ab3e715c220d041ee78cc19d"]
    assert json.loads(wire.data_memo(result.output)) == expected


def test_a_callees_failure_is_the_callers_memo() -> None:
    failure = outcome("callee", 1)
    assert isinstance(failure, wire.Failure)
    expected = memos("invoke", 2)["3f8d8d9609c589c26cd8eafadd79ca740d32ff9d"]
    assert json.loads(wire.error_memo(failure.error)) == expected


def test_a_failed_functions_answer_is_what_the_failed_event_carries() -> None:
    failure = outcome("failure", 0)
    assert isinstance(failure, wire.Failure)
    told = exchanges("on_failure")[0]["request"]["body"]["event"]["data"]
    assert failure.error == told["error"]
    assert json.loads(failure.output) == told["result"]
    assert (failure.no_retry, failure.retry_after) == (False, None)


def test_a_non_retriable_error_says_so() -> None:
    failure = outcome("non_retriable", 0)
    assert isinstance(failure, wire.Failure)
    assert failure.no_retry is True


def test_a_retry_after_error_says_when() -> None:
    failure = outcome("retry_after", 0)
    assert isinstance(failure, wire.Failure)
    assert (failure.no_retry, failure.retry_after) == (False, "2026-11-23T13:06:28.226Z")


@pytest.mark.parametrize(
    ("name", "number"),
    [("three_steps", 3), ("parallel", 2), ("sleep", 1), ("wait", 2), ("batch", 0), ("on_failure", 0)],
)
def test_a_result_is_the_captured_json(name: str, number: int) -> None:
    result = outcome(name, number)
    assert isinstance(result, wire.Result)
    assert json.loads(result.output) == exchanges(name)[number]["response"]["body"]


def test_the_captured_registration_is_read_whole() -> None:
    body = exchanges("registration")[1]["request"]["body"]
    read = {each["name"]: functions.parse(body["appname"], each) for each in body["functions"]}
    assert len(read) == 6
    three, failer, everything = read["three"], read["failer"], read["All config"]
    assert (three.slug, three.retries, three.plain, three.gated) == ("proto-three", 4, True, False)
    assert failer.retries == 0
    assert read["failer (failure)"].triggers[0].event == "inngest/function.failed"
    assert read["batcher"].batch is not None
    assert (everything.retries, everything.priority, everything.idempotency) == (
        3,
        "event.data.p",
        "event.data.id",
    )
    assert everything.triggers[1].schedule is not None
    assert everything.throttle is not None
    assert (everything.throttle.limit, everything.throttle.burst) == (10, 2)
    assert everything.singleton is not None
    assert everything.cancel[0].condition == "event.data.id == async.data.id"


def test_the_sdks_bearer_token_is_known_by_the_signing_key() -> None:
    headers = exchanges("registration")[3]["request"]["headers"]
    scheme, _, token = headers["authorization"].partition(" ")
    assert scheme == "Bearer"
    assert len(token) == 64
    key = "signkey-test-" + "ab" * 32
    assert signing.bearer_is_known(f"Bearer {signing.hashed(key)}", [key])
    assert not signing.bearer_is_known(headers["authorization"], [key])


def test_a_seed_gives_the_captured_event_ids() -> None:
    exchange = exchanges("event_post")[0]
    seed = exchange["request"]["headers"]["x-inngest-event-id-seed"]
    assert ids.seeded(seed, 2) == exchange["response"]["body"]["ids"]
