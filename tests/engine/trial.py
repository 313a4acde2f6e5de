"""One case's own app on a stage: its functions, its events, and what the REST routes say of its runs."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Literal

import fastapi
import httpx
import inngest
import inngest.fast_api

from tests.engine.bodies import Body, synchronous
from tests.engine.stage import Stage

Kind = Literal["sync", "async"]
FINISHED = ("Completed", "Failed", "Cancelled")
DEADLINE = 60.0

CASES: list[Callable[[Trial], Awaitable[None]]] = []


def case(scenario: Callable[[Trial], Awaitable[None]]) -> Callable[[Trial], Awaitable[None]]:
    """Enter a scenario into the list of cases; its name is a sentence about behaviour."""
    CASES.append(scenario)
    return scenario


class Gate:
    """A step's body waits here until the case opens it."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._open = threading.Event()
        self.reached = threading.Event()

    def open(self) -> None:
        self._open.set()

    async def passed(self) -> None:
        self.reached.set()
        if self._kind == "sync":
            assert self._open.wait(DEADLINE), "the case never opened the gate"
        else:
            async with asyncio.timeout(DEADLINE):
                while not self._open.is_set():  # noqa: ASYNC110 - opened from another thread
                    await asyncio.sleep(0.005)


class Trial:
    """The app of one case: a client, functions, a place on the stage and the eyes of an API client."""

    def __init__(self, stage: Stage, name: str, kind: Kind) -> None:
        self.stage = stage
        self.kind: Kind = kind
        self.app_id = f"{name.replace('_', '-')}-{kind}"
        self.client = self.new_client()
        self.functions: list[inngest.Function[Any]] = []
        self.http = httpx.AsyncClient(
            base_url=stage.origin, timeout=30, verify=False, limits=httpx.Limits(keepalive_expiry=1)
        )
        self.gates: list[Gate] = []

    def new_client(self, app_id: str | None = None, **options: Any) -> inngest.Inngest:
        options.setdefault("is_production", False)
        return inngest.Inngest(
            app_id=app_id or self.app_id,
            api_base_url=self.stage.origin,
            event_api_base_url=self.stage.origin,
            logger=logging.getLogger("tests.engine.sdk"),
            **options,
        )

    async def close(self) -> None:
        for gate in self.gates:
            gate.open()
        await self.http.aclose()

    def gate(self) -> Gate:
        gate = Gate(self.kind)
        self.gates.append(gate)
        return gate

    # -- the app

    def name(self, event: str) -> str:
        """An event name that no other case uses."""
        return f"{self.app_id}/{event}"

    def trigger(self, event: str, expression: str | None = None) -> inngest.TriggerEvent:
        return inngest.TriggerEvent(event=self.name(event), expression=expression)

    def function(
        self,
        event: str | None = None,
        *,
        fn_id: str | None = None,
        trigger: Any = None,
        on_failure: Body | None = None,
        client: inngest.Inngest | None = None,
        **options: Any,
    ) -> Callable[[Body], inngest.Function[Any]]:
        """Make the decorated body a function of this case's app, in the half of the SDK that is on trial."""

        def enter(body: Body) -> inngest.Function[Any]:
            identity = fn_id or body.__name__
            made = (client or self.client).create_function(
                fn_id=identity,
                trigger=trigger if trigger is not None else self.trigger(event or identity),
                on_failure=None if on_failure is None else self.half(on_failure),
                **options,
            )(self.half(body))
            self.functions.append(made)
            return made

        return enter

    def half(self, body: Body) -> Any:
        return body if self.kind == "async" else synchronous(body)

    @property
    def path(self) -> str:
        return f"/apps/{self.app_id}/api/inngest"

    async def serve(self, *functions: inngest.Function[Any], **options: Any) -> dict[str, Any]:
        """Put the app on the stage and register it; returns the engine's answer, which must be `ok`."""
        answer = await self.register(*functions, **options)
        assert answer.get("ok") is True, answer
        return answer

    def mount(self, *functions: inngest.Function[Any], **options: Any) -> None:
        """Put the app on the stage."""
        app = fastapi.FastAPI(openapi_url=None)
        served = list(functions) or self.functions
        inngest.fast_api.serve(app, self.client, served, serve_path=self.path, **options)
        self.stage.mount(f"/apps/{self.app_id}/", app)

    async def register(self, *functions: inngest.Function[Any], **options: Any) -> dict[str, Any]:
        """Put the app on the stage and ask it to register; returns what the engine said, good or bad."""
        self.mount(*functions, **options)
        reply = await self.http.put(f"{self.stage.app_origin}{self.path}")
        answer = reply.json()
        assert isinstance(answer, dict), answer
        return answer

    # -- events

    async def send(self, event: str, data: dict[str, Any] | None = None, **extra: Any) -> str:
        """Send one event of this case; returns the id that the engine gave it."""
        return (await self.send_many([{"name": self.name(event), "data": data or {}, **extra}]))[0]

    async def send_many(self, events: Sequence[dict[str, Any]]) -> list[str]:
        reply = await self.http.post("/e/test", json=list(events))
        assert reply.status_code == 200, reply.text
        ids: list[str] = reply.json()["ids"]
        return ids

    # -- what the REST routes say

    async def get(self, path: str, **parameters: Any) -> Any:
        reply = await self.http.get(path, params=parameters)
        assert reply.status_code == 200, f"GET {path}: {reply.status_code} {reply.text}"
        return reply.json()["data"]

    async def runs(self, event_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.get(f"/v1/events/{event_id}/runs")
        return found

    async def run(self, run_id: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.get(f"/v1/runs/{run_id}")
        return found

    async def steps(self, run_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.get(f"/v1/runs/{run_id}/steps")
        return found

    async def step(self, run_id: str, name: str) -> dict[str, Any]:
        found = [each for each in await self.steps(run_id) if each["name"] == name]
        assert len(found) == 1, f"step {name!r} appears {len(found)} times"
        return found[0]

    async def until(
        self, condition: Callable[[], Any], what: str = "the condition", within: float = DEADLINE
    ) -> Any:
        """Ask again and again, until the answer is true; fails with the question when time is up."""
        end = time.monotonic() + within
        pause = 0.005
        while True:
            answer = condition()
            if inspect.isawaitable(answer):
                answer = await answer
            if answer:
                return answer
            if time.monotonic() > end:
                message = f"timed out after {within:g} s waiting for {what}"
                raise AssertionError(message)
            await asyncio.sleep(pause)
            pause = min(pause * 1.4, 0.1)

    async def run_of(self, event_id: str, within: float = DEADLINE) -> dict[str, Any]:
        """The one run that this event started, as soon as there is one."""
        found = await self.until(lambda: self.runs(event_id), f"a run of event {event_id}", within)
        assert len(found) == 1, found
        return dict(found[0])

    async def ended(self, run_id: str, within: float = DEADLINE) -> dict[str, Any]:
        """The run, once it has a finished status."""

        async def look() -> dict[str, Any] | None:
            run = await self.run(run_id)
            return run if run["status"] in FINISHED else None

        return dict(await self.until(look, f"the end of run {run_id}", within))

    async def outcome(self, event: str, data: dict[str, Any] | None = None, **extra: Any) -> dict[str, Any]:
        """Send an event and return its single run when that has ended."""
        within = extra.pop("within", DEADLINE)
        run = await self.run_of(await self.send(event, data, **extra), within)
        return await self.ended(run["run_id"], within)

    async def completed(self, event: str, data: dict[str, Any] | None = None, **extra: Any) -> Any:
        """Send an event; its run must complete; returns the run's output."""
        run = await self.outcome(event, data, **extra)
        assert run["status"] == "Completed", run
        return run["output"]

    async def failed(self, event: str, data: dict[str, Any] | None = None, **extra: Any) -> dict[str, Any]:
        """Send an event; its run must fail; returns the run's output, an error."""
        run = await self.outcome(event, data, **extra)
        assert run["status"] == "Failed", run
        assert isinstance(run["output"], dict), run
        return run["output"]

    async def events_named(self, event: str) -> list[dict[str, Any]]:
        """The stored events of one (full) name, newest first."""
        found: list[dict[str, Any]] = await self.get("/v1/events", name=event)
        return found


@contextlib.asynccontextmanager
async def trial(stage: Stage, name: str, kind: Kind) -> AsyncIterator[Trial]:
    """A trial that is closed, its gates open, when the block ends."""
    made = Trial(stage, name, kind)
    try:
        yield made
    finally:
        await made.close()
