"""Functions: pausing, resuming, invoking."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from engine import operations, system_events
from engine.functions import Function
from engine.records import Accept, Intent
from engine.routes.edge import ApiError, Edge, Route, answer, clean_id, json_object
from engine.routing import INVOKE, new_run


def routes(edge: Edge) -> Iterator[Route]:
    """`/v1/functions/{id}/…` and `/invoke/{slug}`."""
    engine = edge.engine

    def known(name: str) -> Function:
        """A function by its slug, its internal id, or its id within its app where no other app has the same."""
        functions = engine.registry.by_id.values()
        found = [each for each in functions if name in (each.slug, str(each.id))]
        found = found or [each for each in functions if each.slug == f"{each.app}-{name}"]
        if not found:
            raise ApiError(404, f"function {name} is not registered")
        if len(found) > 1:
            several = " and ".join(sorted(each.slug for each in found))
            raise ApiError(400, f"function {name} may be {several}; name one of them")
        return found[0]

    async def pause(request: Request) -> Response:
        function = known(clean_id(request, "id"))
        wanted = await json_object(request, required=False)
        runs = wanted.get("runs", "hold")
        if runs not in ("hold", "continue", "cancel"):
            raise ApiError(400, f"runs {runs!r} is unknown; hold, continue and cancel are possible")
        ended = await operations.pause(engine, function, runs)
        return answer({"data": {"id": function.slug, "paused": True, "runs": runs, "cancelled": len(ended)}})

    async def resume(request: Request) -> Response:
        function = known(clean_id(request, "id"))
        await operations.resume(engine, function)
        return answer({"data": {"id": function.slug, "paused": False}})

    async def invoke(request: Request) -> Response:
        function = known(clean_id(request, "slug"))
        payload = await json_object(request, required=False)
        data = payload.get("data") or {}
        if not isinstance(data, dict):
            raise ApiError(400, "data must be an object")
        event_id = await invoke_function(function, data)
        return answer({"id": event_id, "status": 200})

    async def invoke_function(function: Function, data: dict[str, Any]) -> str:
        now = engine.clock()
        event = system_events.make(system_events.INVOKED, orjson.dumps(data), now)
        accept = Accept(events=[event])
        if function.plain:
            run = new_run(function, orjson.loads(event.body), [event.id], now, cause=INVOKE)
            run.trigger = event.id
            accept.runs.append(run)
        else:
            accept.intents.append(Intent(event.id, str(function.id)))
        await engine.writer.write(accept)
        return event.id

    yield "/v1/functions/{id}/pause", ["POST"], edge.keyed(pause)
    yield "/v1/functions/{id}/resume", ["POST"], edge.keyed(resume)
    yield "/invoke/{slug:path}", ["POST"], edge.keyed(invoke)
