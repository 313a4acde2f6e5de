"""What cannot be meant is refused with the right status and words; what answers badly fails its run only."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import orjson
import pytest

from engine import EngineConfig
from tests.conftest import temporary_database
from tests.engine.stage import Stage, stand_alone
from tests.waiting import until

KEY = "signkey-test-" + "ab" * 16
FALLBACK = "signkey-test-" + "cd" * 16


@pytest.fixture(scope="module")
def stage(pg_server: str, template_database: str) -> Iterator[Stage]:
    config = EngineConfig(dev=True, retry_base=0.002, call_timeout=0.5)
    with temporary_database(pg_server, template=template_database) as dsn, stand_alone(dsn, config) as made:
        yield made


@pytest.fixture(scope="module")
def guarded(pg_server: str, template_database: str) -> Iterator[Stage]:
    config = EngineConfig(
        dev=False, signing_key=KEY, signing_key_fallback=FALLBACK, event_keys=("right",), retry_base=0.002
    )
    with temporary_database(pg_server, template=template_database) as dsn, stand_alone(dsn, config) as made:
        yield made


def post(stage: Stage, path: str, body: bytes, **headers: str) -> httpx.Response:
    return httpx.post(f"{stage.origin}{path}", content=body, headers=headers, timeout=30)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "JSON"),
        (b"{bad", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"1", "object"),
        (b'"text"', "object"),
        (b"[1]", "object"),
        (b"[[]]", "object"),
        (b"{}", "event name is empty"),
        (b'{"name":""}', "event name is empty"),
        (b'{"name":5}', "name"),
        (
            b'{"name":"inngest/function.failed"}',
            "event name is reserved for internal use: inngest/function.failed",
        ),
        (orjson.dumps({"name": "x" * 513}), "512"),
        (b'{"name":"x","data":5}', "data"),
        (b'{"name":"x","data":[1]}', "data"),
        (b'{"name":"x","ts":"yesterday"}', "ts"),
        (b'{"name":"x","id":{"a":1}}', "id"),
        (b'{"name":"x","user":7}', "user"),
        (orjson.dumps({"name": "x", "data": {"t": "a" * 4_000_000}}), "over the max size: Max 3145728 bytes"),
        (orjson.dumps([{"name": "x"}] * 5001), "5000"),
    ],
)
def test_a_bad_event_is_refused_with_its_fault(stage: Stage, body: bytes, words: str) -> None:
    reply = post(stage, "/e/any", body)
    assert reply.status_code == 400, reply.text
    answer = reply.json()
    assert answer["status"] == 400
    assert words in answer["error"].replace(",", "").replace("\u202f", "")
    assert isinstance(answer["ids"], list)


def test_an_empty_list_is_no_error(stage: Stage) -> None:
    reply = post(stage, "/e/any", b"[]")
    assert (reply.status_code, reply.json()) == (200, {"ids": [""], "status": 200})


def test_forms_are_events_too(stage: Stage) -> None:
    reply = httpx.post(f"{stage.origin}/e/any", data={"name": "form/sent", "data": '{"a": 1}'})
    assert reply.status_code == 200, reply.text
    stored = httpx.get(f"{stage.origin}/v1/events", params={"name": "form/sent"}).json()["data"]
    assert stored[0]["data"] == {"a": 1}


def test_json_that_curl_calls_a_form_is_an_event(stage: Stage) -> None:
    body = orjson.dumps({"name": "curl/sent", "data": {"a": 1}})
    reply = post(stage, "/e/any", body, **{"content-type": "application/x-www-form-urlencoded"})
    assert reply.status_code == 200, reply.text
    stored = httpx.get(f"{stage.origin}/v1/events", params={"name": "curl/sent"}).json()["data"]
    assert stored[0]["data"] == {"a": 1}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "JSON"),
        (b"[]", "object"),
        (b"{}", "app"),
        (b'{"appname":"a","functions":[]}', ""),
        (b'{"appname":"a","functions":[5],"url":"http://127.0.0.1:1/"}', "function"),
        (b'{"appname":"a","functions":[{"id":"f"}],"url":"http://127.0.0.1:1/"}', "f"),
        (b'{"appname":"","functions":[{}],"url":"http://127.0.0.1:1/"}', "app"),
    ],
)
def test_a_bad_registration_is_refused(stage: Stage, body: bytes, words: str) -> None:
    reply = post(stage, "/fn/register", body)
    assert reply.status_code == 400, reply.text
    assert words in reply.json()["error"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/runs/%00"),
        ("GET", "/v1/runs/" + "x" * 5000),
        ("GET", "/v1/runs?limit=many"),
        ("GET", "/v1/events?limit=-1"),
        ("GET", "/v1/events?received_after=yesterday"),
        ("DELETE", "/v1/runs/nobody"),
        ("POST", "/v1/runs/nobody/rerun"),
        ("POST", "/v1/functions/nobody/pause"),
        ("POST", "/v1/cancellations"),
        ("GET", "/v0/runs/nobody/actions"),
        ("GET", "/v0/runs/nobody/batch"),
        ("GET", "/no/such/path"),
        ("PATCH", "/e/any"),
    ],
)
def test_a_bad_request_is_the_callers_fault(stage: Stage, method: str, path: str) -> None:
    reply = httpx.request(method, f"{stage.origin}{path}", timeout=30)
    assert 400 <= reply.status_code < 500, f"{reply.status_code} {reply.text}"


@pytest.mark.parametrize("path", ["/v1/cancellations", "/v1/replays"])
def test_a_bulk_request_for_an_unknown_function_says_so(stage: Stage, path: str) -> None:
    wanted = {"app_id": "shop", "function_id": "mistyped", "started_before": "2024-01-01T00:00:00Z"}
    for more in ({}, {"dry_run": True}):
        reply = httpx.post(f"{stage.origin}{path}", json={**wanted, **more}, timeout=30)
        assert (reply.status_code, reply.json()["error"]) == (404, "function mistyped is not registered")


def test_events_want_a_known_key_in_production(guarded: Stage) -> None:
    body = b'{"name":"x"}'
    refused = post(guarded, "/e/wrong", body)
    assert (refused.status_code, refused.json()["error"]) == (401, "Event key not found")
    assert post(guarded, "/e/right", body).status_code == 200


def test_the_api_wants_a_key_in_production(guarded: Stage) -> None:
    from engine.signing import hashed

    path = f"{guarded.origin}/v1/events"
    assert httpx.get(path).status_code == 401
    assert httpx.get(path, headers={"authorization": "Bearer nonsense"}).status_code == 401
    for token in ("right", hashed(KEY), hashed(FALLBACK), f"signkey-test-{hashed(KEY)}"):
        assert httpx.get(path, headers={"authorization": f"Bearer {token}"}).status_code == 200, token
    assert httpx.get(path, headers={"authorization": f"Bearer {KEY}"}).status_code == 401
    assert post(guarded, "/fn/register", b"{}").status_code == 401
    assert post(guarded, "/v0/gql", b'{"query":"{__typename}"}').status_code == 401


# -- an SDK that answers badly


def function(url: str, name: str, retries: int) -> dict[str, Any]:
    runtime = {"type": "http", "url": f"{url}?fnId=bad-{name}&stepId=step"}
    step = {"id": "step", "name": "step", "retries": {"attempts": retries}, "runtime": runtime}
    return {
        "id": f"bad-{name}",
        "name": name,
        "triggers": [{"event": f"bad/{name}"}],
        "steps": {"step": step},
    }


def outcome(stage: Stage, name: str, url: str, retries: int = 1) -> dict[str, Any]:
    """Register one function at that address, trigger it and wait for the end of its run."""
    body = {
        "appname": f"bad-{name}", "deploy_type": "ping", "framework": "none", "sdk": "py:v0", "v": "0.1",
        "url": url, "functions": [function(url, name, retries)],
    }  # fmt: skip
    assert post(stage, "/fn/register", orjson.dumps(body)).status_code == 200
    event = post(stage, "/e/any", orjson.dumps({"name": f"bad/{name}"})).json()["ids"][0]

    def ended() -> dict[str, Any] | None:
        runs = httpx.get(f"{stage.origin}/v1/events/{event}/runs").json()["data"]
        return next((dict(run) for run in runs if run["ended_at"]), None)

    return until(ended, what=f"the end of the run of bad/{name}") or {}


@contextlib.contextmanager
def raw_server(answer: bytes | None) -> Iterator[str]:
    """A TCP server that reads a little, answers these bytes (or nothing, for ever) and closes."""
    listener = socket.create_server(("127.0.0.1", 0))
    calls: list[socket.socket] = []
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            calls.append(connection)
            with contextlib.suppress(OSError):
                connection.recv(65536)
                if answer is not None:
                    connection.sendall(answer)
                    connection.shutdown(socket.SHUT_WR)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/api/inngest"
    finally:
        over.set()
        listener.close()
        for call in calls:
            call.close()


def http(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", "connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


SDK = "x-inngest-sdk: py:v0.5.19"


@pytest.mark.parametrize(
    ("name", "answer", "words"),
    [
        ("html", http("200 OK", b"<html>hello</html>"), "not from an Inngest SDK"),
        ("teapot", http("418 Teapot", b"short and stout"), "short and stout"),
        ("moved", http("302 Found", b"", "location: http://127.0.0.1:1/"), "302"),
        ("garbage", http("206 Partial Content", b"garbage", SDK), "not valid JSON"),
        ("number", http("206 Partial Content", b"7", SDK), "list"),
        ("gateway", http("200 OK", b"NaN", SDK), "not valid JSON"),
        ("opcode", http("206 Partial Content", b'[{"op":"AIGateway","id":"ab"}]', SDK), "AIGateway"),
        ("future", http("206 Partial Content", b'[{"op":"Sleep","id":"ab","name":"soon"}]', SDK), "soon"),
        ("endless", http("206 Partial Content", b'[{"op":"Sleep","id":"ab","name":"9000d"}]', SDK), "366"),
        ("closing", b"", "reached"),
        ("no-http", b"SSH-2.0-OpenSSH_9.2\r\n", "reached"),
        ("cut", b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\nx-inngest-sdk: py\r\n\r\n123", "reached"),
        ("hanging", None, "did not answer within"),
    ],
)
def test_an_sdk_that_answers_rubbish_fails_its_run_with_a_reason(
    stage: Stage, name: str, answer: bytes | None, words: str
) -> None:
    with raw_server(answer) as url:
        run = outcome(stage, name, url)
    assert run["status"] == "Failed"
    assert words in run["output"]["message"], run["output"]


def test_an_sdk_that_is_not_there_fails_its_run_after_the_retries(stage: Stage) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/api/inngest"
        run = outcome(stage, "nobody", url, retries=2)
    assert run["status"] == "Failed"
    assert "reached" in run["output"]["message"]


def test_a_sender_that_goes_away_hurts_nobody(stage: Stage) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", stage.server.port)) as connection:
            connection.sendall(b"POST /e/any HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{")
    assert httpx.get(f"{stage.origin}/dev").status_code == 200


def test_the_engine_goes_on_while_one_sdk_hangs(stage: Stage) -> None:
    with raw_server(None) as hanging, raw_server(http("200 OK", b'"fine"', SDK)) as fine:

        async def both() -> list[dict[str, Any]]:
            return await asyncio.gather(
                asyncio.to_thread(outcome, stage, "slow", hanging),
                asyncio.to_thread(outcome, stage, "quick", fine),
            )

        slow, quick = asyncio.run(both())
    assert (quick["status"], quick["output"]) == ("Completed", "fine")
    assert slow["status"] == "Failed"
