"""Random requests and random SDK answers: never a 5xx, never a run that is stuck."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Coroutine, Iterator
from typing import Any

import fastapi
import httpx
import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import Engine, EngineConfig
from tests.conftest import temporary_database

URL = "http://127.0.0.1:1/api/inngest"
Answer = tuple[int, dict[str, str], bytes]
# Inputs of one example are sent at the same time; examples times this many are tried.
AT_ONCE = 10
FUZZ = settings(
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NASTY: list[Any] = [
    None, True, False, 0, -1, 1.5, -0.0, 1e400, float("nan"), 2**53 + 1, 2**64, -(2**70), 1_795_439_185_906,
    "", "a", "true", "\u0000", "a\u0000b", "\ud800", "\u2603\U0001f600", "x" * 600, "%s %(x)s {} $1", "';--",
    "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "0001-01-01T00:00:00", "1h", "1s", "-1s", "9" * 40 + "d",
    "fuzz/run", "inngest/function.failed", "inngest/scheduled.timer", "event.data.a == async.data.a", "1 +",
    [], [[]], [None, 1, "a"], [[[[[[[[]]]]]]]], {}, {"a": None}, {"data": 1}, {"error": {"message": 5}},
    {"": {"\u0000": "\u0000"}}, {"_inngest": {"fn_id": 5}}, {"a": {"b": {"c": {"d": {"e": {}}}}}},
    {"name": 1, "message": ["x"], "stack": {}}, {"id": "x", "name": "y", "data": {}},
]  # fmt: skip
text = st.sampled_from([each for each in NASTY if isinstance(each, str)]) | st.text(max_size=8)
json_values = st.sampled_from(NASTY) | st.dictionaries(
    st.text(max_size=4), st.sampled_from(NASTY), max_size=3
)


def dumps(value: Any) -> bytes:
    """JSON as Python's own module writes it: with NaN, and with numbers of any size."""
    return json.dumps(value).encode()


class Rig:
    """An engine, its routes as an ASGI client, and an SDK that answers what it is told to."""

    def __init__(self, runner: asyncio.Runner, engine: Engine, http: httpx.AsyncClient) -> None:
        self.runner = runner
        self.engine = engine
        self.http = http
        self.answers: dict[str, Answer] = {}
        self._numbers = itertools.count()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    async def sdk(self, scope: Any, receive: Any, send: Any) -> None:
        body = b""
        more = True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        number = orjson.loads(body)["event"]["data"]["number"]
        status, headers, answer = self.answers[number]
        if len(orjson.loads(body)["steps"]):
            status, headers, answer = 200, {"x-inngest-sdk": "fuzz"}, b"null"
        raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": answer})

    async def outcomes(self, answers: list[Answer]) -> list[str]:
        """How a run ends for each of these answers of the SDK."""
        return await asyncio.gather(*(self.outcome(answer) for answer in answers))

    async def outcome(self, answer: Answer) -> str:
        """Let the SDK answer so; returns the run's status once it has ended or waits for something."""
        number = str(next(self._numbers))
        self.answers[number] = answer
        (event,) = await self.engine.send([{"name": "fuzz/run", "data": {"number": number}}])
        for step in range(60):
            await asyncio.sleep(0.004 * 1.1**step)
            (run,) = (await self.http.get(f"/v1/events/{event}/runs")).json()["data"]
            if run["ended_at"]:
                del self.answers[number]
                return str(run["status"])
            jobs = (await self.http.get(f"/v1/runs/{run['run_id']}/jobs")).json()["data"]
            if jobs and all(job["kind"] in {"sleep", "pause"} for job in jobs):
                cancelled = await self.http.delete(f"/v1/runs/{run['run_id']}")
                assert cancelled.status_code in {200, 409}, cancelled.text
                return "waiting"
        message = f"stuck: {answer!r} gave {run}"
        raise AssertionError(message)


@pytest.fixture(scope="module")
def rig(pg_server: str, template_database: str) -> Iterator[Rig]:
    with temporary_database(pg_server, template=template_database) as dsn, asyncio.Runner() as runner:
        made = runner.run(_open(runner, dsn))
        try:
            yield made
        finally:
            runner.run(made.http.aclose())
            runner.run(made.engine.stop(1.0))


async def _open(runner: asyncio.Runner, dsn: str) -> Rig:
    engine = Engine(dsn, config=EngineConfig(dev=True, retry_base=0.0001, call_timeout=5))
    app = fastapi.FastAPI(openapi_url=None)
    app.include_router(engine.router)
    await engine.start()
    made = Rig(
        runner, engine, httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://engine")
    )
    engine.serve_in_process("http://127.0.0.1:1/", made.sdk)
    runtime = {"type": "http", "url": f"{URL}?fnId=fuzz-run&stepId=step"}
    step = {"id": "step", "name": "step", "retries": {"attempts": 1}, "runtime": runtime}
    await engine.register(
        "fuzz",
        URL,
        [{"id": "fuzz-run", "name": "run", "triggers": [{"event": "fuzz/run"}], "steps": {"step": step}}],
    )
    return made


events = st.fixed_dictionaries(
    {},
    optional={
        "name": text | st.sampled_from(["a/b", "fuzz/x", "inngest/function.failed"]) | json_values,
        "data": st.dictionaries(text, json_values, max_size=3) | json_values,
        "id": text | json_values,
        "ts": st.integers() | json_values,
        "user": json_values,
        "v": json_values,
        "extra": json_values,
    },
)
bodies = st.one_of(
    st.binary(max_size=80), json_values.map(dumps), events.map(dumps), st.lists(events, max_size=4).map(dumps)
)
content_types = st.sampled_from(
    [
        "application/json",
        "",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/\u00e9",
    ]
)


requests = st.tuples(bodies, content_types, st.none() | text)


@settings(FUZZ, max_examples=500)
@given(st.lists(requests, min_size=AT_ONCE, max_size=AT_ONCE))
def test_any_body_sent_as_events_is_taken_or_refused(
    rig: Rig, requests: list[tuple[bytes, str, str | None]]
) -> None:
    """Five thousand bodies."""

    async def send(body: bytes, content_type: str, seed: str | None) -> httpx.Response:
        headers = [("content-type", content_type.encode("latin-1"))]
        if seed is not None:
            headers.append(("x-inngest-event-id-seed", seed.encode("utf-8", "replace")))
        return await rig.http.post("/e/fuzz", content=body, headers=headers)

    async def send_all() -> list[httpx.Response]:
        return await asyncio.gather(*(send(*request) for request in requests))

    for reply in rig.run(send_all()):
        assert reply.status_code in {200, 400}, reply.text
        answer = reply.json()
        assert answer["status"] == reply.status_code
        assert isinstance(answer["ids"], list)


queries = st.dictionaries(st.text(max_size=4), st.text(max_size=8), max_size=2)
paths = st.sampled_from(
    [
        "/fn/register",
        "/v1/cancellations",
        "/v1/runs/x/rerun",
        "/v1/functions/x/pause",
        "/v1/functions/x/resume",
        "/v0/gql",
        "/v1/events",
        "/v1/runs",
        "/v1/events/x/runs",
        "/v0/connect/start",
        "/v1/signals",
        "/dev",
    ]
)


@settings(FUZZ, max_examples=1000)
@given(st.sampled_from(["GET", "POST", "PUT", "DELETE"]), paths, bodies, queries)
def test_any_request_to_any_route_is_answered_without_a_server_error(
    rig: Rig, method: str, path: str, body: bytes, query: dict[str, str]
) -> None:
    reply = rig.run(rig.http.request(method, path, content=body, params=query))
    assert reply.status_code < 500, f"{reply.status_code} {reply.text}"


step_ids = st.sampled_from(["ab12", "cd34", "ef56"]) | text
opcodes = st.fixed_dictionaries(
    {
        "op": st.sampled_from(
            [
                "StepRun",
                "StepPlanned",
                "Sleep",
                "WaitForEvent",
                "InvokeFunction",
                "StepError",
                "StepFailed",
                "Odd",
            ]
        ),
        "id": step_ids,
    },
    optional={
        "name": st.sampled_from(["2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "1h", "x/y"]) | json_values,
        "displayName": json_values,
        "opts": st.fixed_dictionaries(
            {},
            optional={
                "timeout": st.sampled_from(["1h", "1s", "soon"]) | json_values,
                "if": st.sampled_from(["event.data.a == async.data.a", "1 +"]) | json_values,
                "function_id": st.sampled_from(["fuzz-none"]) | json_values,
                "payload": json_values,
                "parallelMode": st.sampled_from(["race"]) | json_values,
            },
        )
        | json_values,
        "data": json_values,
        "error": json_values,
    },
)
answers = st.tuples(
    st.sampled_from([200, 201, 206, 206, 206, 400, 404, 500, 503]),
    st.fixed_dictionaries(
        {},
        optional={
            "x-inngest-sdk": st.just("fuzz"),
            "x-inngest-no-retry": st.sampled_from(["true", "false", "maybe"]),
            "retry-after": st.sampled_from(["-1", "soon", "", "\u00e9"]),
            "x-inngest-req-version": st.sampled_from(["2", "1", "x"]),
        },
    ),
    st.one_of(
        st.lists(opcodes, min_size=1, max_size=3).map(dumps),
        json_values.map(dumps),
        st.binary(max_size=40),
    ),
)


@settings(FUZZ, max_examples=500)
@given(st.lists(answers, min_size=AT_ONCE, max_size=AT_ONCE))
def test_any_answer_of_an_sdk_ends_its_run_or_leaves_it_waiting(rig: Rig, answers: list[Answer]) -> None:
    """Five thousand answers."""
    assert set(rig.run(rig.outcomes(answers))) <= {"Completed", "Failed", "waiting"}
