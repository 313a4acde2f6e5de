"""A scripted engine: drives functions over the SDK's own protocol, one request after the other, without waiting.

It retries at once, runs parallel steps in the order of their plan, collects the events that the functions send, and
starts failure handlers, so that a test decides what happens when.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import fastapi
import httpx
import inngest
import inngest.fast_api
import orjson


class CollectingClient(inngest.Inngest):
    """A client whose events go nowhere but into `sent`."""

    def __init__(self) -> None:
        super().__init__(app_id="protenders-platform", is_production=False)
        self.sent: list[inngest.Event] = []

    def send_sync(
        self, events: inngest.Event | list[inngest.Event], *, skip_middleware: bool = False
    ) -> list[str]:
        given = events if isinstance(events, list) else [events]
        self.sent += given
        return [event.id or uuid.uuid4().hex for event in given]


class Killed(BaseException):
    """Stops a run where it stands, as SIGKILL would: no handler of an Exception sees it."""


@dataclass
class Run:
    """A run and what it has come to."""

    function: str
    event: dict[str, Any]
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    memos: dict[str, Any] = field(default_factory=dict)
    stack: list[str] = field(default_factory=list)
    requests: int = 0
    sleeps: list[str] = field(default_factory=list)
    waits: list[str] = field(default_factory=list)
    largest_output: int = 0
    output: Any = None
    error: dict[str, Any] | None = None


class Driver:
    """Serves the functions through FastAPI and plays the engine's part."""

    def __init__(
        self,
        client: CollectingClient,
        functions: Sequence[inngest.Function[Any]],
        *,
        before_request: Callable[[Run], None] | None = None,
        asleep: Callable[[str], None] | None = None,
    ) -> None:
        self.client = client
        self.functions = {function.local_id: function for function in functions}
        app = fastapi.FastAPI()
        inngest.fast_api.serve(app, client, list(functions))
        self._app = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._before = before_request or (lambda _: None)
        self._asleep = asleep or (lambda _: None)

    def run(self, function: str, name: str, data: dict[str, Any] | None = None, **options: Any) -> Run:
        """Start a run and drive it to its end."""
        event = {"name": name, "data": data or {}, "id": uuid.uuid4().hex, "ts": 1}
        run = Run(function, event, **options)
        self.drive(run)
        return run

    def drive(self, run: Run) -> None:
        """Drive a run to its end; a failed one starts its failure handler."""
        attempts: dict[str, int] = {}
        planned: deque[str] = deque()
        allowed = self._allowed(run.function)
        while True:
            target = planned.popleft() if planned else "step"
            attempt = attempts.get(target, 0)
            status, body = self._call(run, target, attempt, allowed, parallel=target != "step")
            if status == 200:
                run.output = body
                return
            if status == 206:
                retry = False
                for op in body:
                    retry |= self._take(run, op, planned)
                if retry:
                    attempts[target] = attempt + 1
                    if target != "step":
                        planned.append(target)
                else:
                    attempts.pop(target, None)
                continue
            if status == 500 and attempt + 1 < allowed:
                attempts[target] = attempt + 1
                if target != "step":
                    planned.append(target)
                continue
            assert status in (400, 500), (status, body)
            self._fail(run, body)
            return

    def _take(self, run: Run, op: dict[str, Any], planned: deque[str]) -> bool:
        """Note what a step came to; True when it is to be tried again."""
        kind, step = op["op"], op["id"]
        if kind == "StepPlanned":
            planned.append(step)
            return False
        if kind == "StepError":
            return True
        if kind == "StepRun":
            run.memos[step] = {"data": op.get("data")}
            run.largest_output = max(run.largest_output, len(orjson.dumps(op.get("data"))))
        elif kind == "StepFailed":
            run.memos[step] = {"error": op["error"]}
        elif kind == "Sleep":
            run.memos[step] = None
            run.sleeps.append(op["name"])
            self._asleep(op["name"])
        else:
            raise AssertionError(kind)
        run.stack.append(step)
        return False

    def _allowed(self, function: str) -> int:
        opts = self.functions[function]._opts
        return 1 + (4 if opts.retries is None else opts.retries)

    def _call(self, run: Run, target: str, attempt: int, allowed: int, *, parallel: bool) -> tuple[int, Any]:
        self._before(run)
        run.requests += 1
        # a loop of its own for each call: one that a kill has gone through is no good for another
        answer = asyncio.run(self._post(run, target, attempt, allowed, parallel=parallel))
        if not answer.content:
            raise Killed
        if wait := answer.headers.get("retry-after"):
            run.waits.append(wait)
        if answer.status_code == 500 and answer.headers.get("x-inngest-no-retry") == "true":
            return 400, answer.json()
        return answer.status_code, answer.json()

    async def _post(
        self, run: Run, target: str, attempt: int, allowed: int, *, parallel: bool
    ) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._app, base_url="http://testserver", timeout=None) as http:
            return await http.post(
                "/api/inngest",
                params={"fnId": f"protenders-platform-{run.function}", "stepId": target},
                json={
                    "ctx": {
                        "attempt": attempt,
                        "max_attempts": allowed,
                        "disable_immediate_execution": parallel,
                        "run_id": run.run_id,
                        "stack": {"stack": run.stack},
                        "use_api": False,
                    },
                    "event": run.event,
                    "events": [run.event],
                    "steps": run.memos,
                    "use_api": False,
                },
            )

    def _fail(self, run: Run, body: Any) -> None:
        run.error = body
        function = self.functions[run.function]
        if function.on_failure_fn_id is None:
            return
        data = {
            "function_id": f"protenders-platform-{run.function}",
            "run_id": run.run_id,
            "error": {"name": body.get("name"), "message": body.get("message"), "error": body.get("message")},
            "event": run.event,
        }
        handler = Run(f"{run.function}-failure", {"name": "inngest/function.failed", "data": data, "ts": 1})
        self._drive_handler(handler)

    def _drive_handler(self, run: Run) -> None:
        while True:
            status, body = self._call(run, "step", 0, 1, parallel=False)
            if status != 206:
                assert status == 200, body
                return
            for op in body:
                self._take(run, op, deque())
