"""An SDK that runs several steps in one call, tells of each as it ends, and answers at last: as JavaScript's does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest

from engine import EngineConfig
from tests.conftest import temporary_database
from tests.engine.stage import Stage, stand_alone
from tests.waiting import until

Json = dict[str, Any]
Answer = tuple[int, Any]


@pytest.fixture(scope="module")
def stage(pg_server: str, template_database: str) -> Iterator[Stage]:
    config = EngineConfig(dev=True, retry_base=0.002)
    with temporary_database(pg_server, template=template_database) as dsn, stand_alone(dsn, config) as made:
        yield made


def ran(step: str, data: object = None) -> Json:
    """A step that has run, as an SDK tells of it."""
    return {"op": "StepRun", "id": step.encode().hex(), "name": step, "displayName": step, "data": data}


def returned(data: object) -> Json:
    return {"op": "RunComplete", "id": "c0ffee", "data": data}


@dataclass
class Sdk:
    """A hand-made SDK app with one function, whose body is `play`."""

    stage: Stage
    name: str
    play: Callable[[Sdk, Json], Awaitable[Answer]]
    calls: list[Json] = field(default_factory=list)
    told: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        path = f"/apps/{self.name}/api/inngest"
        url = f"{self.stage.app_origin}{path}"
        self.stage.mount(path, self._serve)
        runtime = {"type": "http", "url": f"{url}?fnId={self.name}-f&stepId=step"}
        step = {"id": "step", "name": "step", "retries": {"attempts": 1}, "runtime": runtime}
        function = {
            "id": f"{self.name}-f",
            "name": "f",
            "triggers": [{"event": self.name}],
            "steps": {"step": step},
        }
        body = {"appName": self.name, "url": url, "functions": [function], "sdk": "js:v4.0.0"}
        reply = httpx.post(f"{self.stage.origin}/fn/register", json=body)
        assert reply.json().get("ok") is True, reply.text

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        call = orjson.loads(body)
        self.calls.append(call)
        status, answer = await self.play(self, call)
        headers = [
            (b"x-inngest-sdk", b"js:v4.0.0"),
            (b"x-inngest-req-version", b"2"),
            (b"content-type", b"application/json"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": orjson.dumps(answer)})

    async def tell(self, call: Json, *steps: Json, **changed: Any) -> int:
        """Tell the engine of steps within a call; returns the status of its reply."""
        context = call["ctx"]
        body = {
            "run_id": context["run_id"], "fn_id": context["fn_id"], "qi_id": context["qi_id"],
            "request_id": context["request_id"], "steps": list(steps), **changed,
        }  # fmt: skip
        async with httpx.AsyncClient(base_url=self.stage.origin) as client:
            reply = await client.post(f"/v1/checkpoint/{body['run_id']}/async", json=body)
        self.told.append(reply.status_code)
        return reply.status_code

    def start(self) -> str:
        reply = httpx.post(f"{self.stage.origin}/e/any", json={"name": self.name})
        return str(reply.json()["ids"][0])

    def outcome(self) -> Json:
        event = self.start()

        def ended() -> Json | None:
            runs = httpx.get(f"{self.stage.origin}/v1/events/{event}/runs").json()["data"]
            return next((run for run in runs if run["ended_at"]), None)

        return dict(until(ended, what=f"the end of the run of {self.name}") or {})

    def steps(self, run: Json) -> list[tuple[str, str, Any]]:
        found = httpx.get(f"{self.stage.origin}/v1/runs/{run['run_id']}/steps").json()["data"]
        return [(step["name"], step["status"], step["output"]) for step in found]


def test_a_run_may_end_in_the_call_that_ran_its_steps(stage: Stage) -> None:
    async def play(sdk: Sdk, call: Json) -> Answer:
        await sdk.tell(call, ran("a", 1))
        await sdk.tell(call, ran("b", 2))
        return 206, [ran("c", 3), returned({"sum": 6})]

    sdk = Sdk(stage, "one-call", play)
    run = sdk.outcome()
    assert (run["status"], run["output"]) == ("Completed", {"sum": 6})
    assert sdk.steps(run) == [("a", "Completed", 1), ("b", "Completed", 2), ("c", "Completed", 3)]
    assert (len(sdk.calls), sdk.told) == (1, [200, 200])


def test_steps_that_were_told_of_survive_the_call(stage: Stage) -> None:
    async def play(sdk: Sdk, call: Json) -> Answer:
        if not call["steps"]:
            await sdk.tell(call, ran("a", 1))
            return 500, {"name": "Error", "message": "the body broke after its first step"}
        return 200, call["steps"][b"a".hex()]

    sdk = Sdk(stage, "survive", play)
    run = sdk.outcome()
    assert (run["status"], run["output"]) == ("Completed", {"data": 1})
    assert sdk.steps(run) == [("a", "Completed", 1)]
    assert [call["ctx"]["attempt"] for call in sdk.calls] == [0, 1]
    assert sdk.calls[1]["ctx"]["stack"] == {"current": 1, "stack": [b"a".hex()]}


def test_an_answer_that_repeats_what_was_told_is_asked_for_again(stage: Stage) -> None:
    async def play(sdk: Sdk, call: Json) -> Answer:
        if not call["steps"]:
            await sdk.tell(call, ran("a", 1))
            return 206, [ran("a", 1)]
        return 206, [returned("done")]

    sdk = Sdk(stage, "repeat", play)
    run = sdk.outcome()
    assert (run["status"], run["output"]) == ("Completed", "done")
    assert sdk.steps(run) == [("a", "Completed", 1)]


def test_steps_of_a_cancelled_run_are_not_wanted(stage: Stage) -> None:
    async def play(sdk: Sdk, call: Json) -> Answer:
        async with httpx.AsyncClient(base_url=stage.origin) as client:
            await client.delete(f"/v1/runs/{call['ctx']['run_id']}")
        await sdk.tell(call, ran("a", 1))
        return 206, [returned("never")]

    sdk = Sdk(stage, "cancelled", play)
    run = sdk.outcome()
    assert run["status"] == "Cancelled"
    assert until(lambda: sdk.told, what="the reply to the SDK") == [409]
    assert sdk.steps(run) == []


def test_a_checkpoint_must_come_from_the_call_under_way_and_hold_steps_that_ran(stage: Stage) -> None:
    planned = {"op": "StepPlanned", "id": "ab", "name": "p"}

    async def play(sdk: Sdk, call: Json) -> Answer:
        await sdk.tell(call, ran("a"), request_id="another")
        await sdk.tell(call, ran("a"), run_id="01M8AFD2S0WR05HTPT18GSPJZP")
        await sdk.tell(call, planned)
        await sdk.tell(call, {"op": "DeferAdd", "id": "ab"})
        await sdk.tell(call, steps="none")
        await sdk.tell(call, request_id=7)
        return 206, [returned(None)]

    sdk = Sdk(stage, "strict", play)
    run = sdk.outcome()
    assert (run["status"], sdk.steps(run)) == ("Completed", [])
    assert sdk.told == [409, 409, 400, 400, 400, 400]


def test_a_checkpoint_over_a_limit_fails_the_run(stage: Stage) -> None:
    async def play(sdk: Sdk, call: Json) -> Answer:
        await sdk.tell(call, *(ran(f"step-{number}") for number in range(1001)))
        return 206, [returned("never")]

    sdk = Sdk(stage, "limit", play)
    run = sdk.outcome()
    assert run["status"] == "Failed"
    assert run["output"]["name"] == "TooManySteps"
    assert until(lambda: sdk.told, what="the reply to the SDK") == [409]


def test_runs_that_start_in_the_app_are_refused(stage: Stage) -> None:
    for path in ("/v1/checkpoint", "/v1/checkpoint/01M8AFD2S0WR05HTPT18GSPJZP/steps"):
        reply = httpx.post(f"{stage.origin}{path}", json={})
        assert reply.status_code == 501
        assert "durable endpoints" in reply.json()["error"]


def test_less_than_a_second_is_an_empty_text_to_javascript(stage: Stage) -> None:
    async def play(sdk: Sdk, call: Json) -> Answer:
        if not call["steps"]:
            return 206, [{"op": "Sleep", "id": "5e", "name": "", "displayName": "half a second"}]
        if len(call["steps"]) == 1:
            return 206, [{"op": "WaitForEvent", "id": "ea", "name": "nobody", "opts": {"timeout": ""}}]
        return 200, call["steps"]

    run = Sdk(stage, "moment", play).outcome()
    assert (run["status"], run["output"]) == ("Completed", {"5e": None, "ea": None})


def test_a_wait_may_end_at_a_date_as_javascript_writes_it(stage: Stage) -> None:
    async def play(sdk: Sdk, call: Json) -> Answer:
        if not call["steps"]:
            date = {"timeout": "2024-05-06T07:08:09.000Z"}
            return 206, [{"op": "WaitForEvent", "id": "da", "name": "nobody", "opts": date}]
        return 200, call["steps"]

    run = Sdk(stage, "date", play).outcome()
    assert (run["status"], run["output"]) == ("Completed", {"da": None})
