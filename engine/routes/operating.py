"""Operating the engine: bulk cancel and replay, what it is and how it does, and what it does not do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from engine import expressions, operations
from engine.records import CANCELLED, COMPLETED, FAILED
from engine.routes.edge import ApiError, Edge, Route, answer, instant_of, json_object, limit_of
from engine.sql import operating, reading

_ENDED = {status.lower(): status for status in (COMPLETED, FAILED, CANCELLED)}


def _filter(wanted: dict[str, Any]) -> dict[str, Any]:
    """The filter of a bulk request: app, function, when the runs were queued, an expression over the event."""
    texts = {key: wanted.get(key) for key in ("app_id", "function_id", "if")}
    for key, value in texts.items():
        if value is not None and (not isinstance(value, str) or "\x00" in value):
            raise ApiError(400, f"{key} must be a text")
    if texts["if"]:
        try:
            expressions.check(texts["if"])
        except expressions.BadExpressionError as error:
            raise ApiError(400, str(error)) from None
    return {
        "app": texts["app_id"],
        "function": texts["function_id"],
        "condition": texts["if"],
        "after": instant_of(wanted.get("started_after"), "started_after"),
        "before": instant_of(wanted.get("started_before"), "started_before"),
    }


def routes(edge: Edge) -> Iterator[Route]:
    """`/v1/cancellations`, `/v1/replays`, `/dev`, `/metrics`-like figures and refusals."""
    engine = edge.engine

    def full_function_id(wanted: dict[str, Any]) -> None:
        """`function_id` may be the app's own short id or the whole slug."""
        app, name = wanted.get("app_id"), wanted.get("function_id")
        slugs = engine.registry.by_slug
        if isinstance(app, str) and isinstance(name, str) and name not in slugs and f"{app}-{name}" in slugs:
            wanted["function_id"] = f"{app}-{name}"

    async def matching(found: dict[str, Any], **more: Any) -> list[str]:
        """The runs of a bulk request; one for a function that nobody has heard of is a mistake."""
        runs = await operations.find(engine, **found, **more)
        if not runs and found["function"] not in (None, *engine.registry.by_slug):
            raise ApiError(404, f"function {found['function']} is not registered")
        return runs

    async def cancel(request: Request) -> Response:
        wanted = await json_object(request)
        full_function_id(wanted)
        found = _filter(wanted)
        if found["before"] is None:
            raise ApiError(400, "started_before is missing: the runs queued up to then are cancelled")
        if found["before"] > engine.clock():
            raise ApiError(400, "started_before must be in the past")
        if found["app"] is None and found["function"] is None:
            raise ApiError(400, "app_id or function_id is missing")
        runs = await matching(found)
        if wanted.get("dry_run"):
            return answer({"data": {"count": len(runs)}, "metadata": edge.metadata()})
        cancellation = await operations.cancel_matching(engine, wanted, runs)
        data = {**wanted, "id": cancellation, "count": len(runs)}
        return answer({"data": data, "metadata": edge.metadata()}, 201)

    async def cancellations(request: Request) -> Response:
        async with engine.database.connection() as connection:
            rows = await operating.cancellations(connection, limit_of(request))
        return answer({"data": rows, "metadata": edge.metadata()})

    async def replay(request: Request) -> Response:
        wanted = await json_object(request)
        full_function_id(wanted)
        found = _filter(wanted)
        statuses = wanted.get("statuses", ["Failed"])
        names = [_ENDED.get(str(one).lower()) for one in statuses] if isinstance(statuses, list) else []
        if not names or None in names:
            raise ApiError(400, "statuses must list some of Completed, Failed and Cancelled")
        if found["function"] is None and found["app"] is None:
            raise ApiError(400, "app_id or function_id is missing")
        runs = await matching(found, statuses=[name for name in names if name])
        if wanted.get("dry_run"):
            return answer({"data": {"count": len(runs)}, "metadata": edge.metadata()})
        started = await operations.replay(engine, runs)
        return answer({"data": {"count": len(started), "run_ids": started}, "metadata": edge.metadata()}, 201)

    async def about(request: Request) -> Response:
        config = engine.config
        # Anybody may ask whether this is an engine; what runs here is for who has a key.
        known = engine.registry.by_id.values() if config.dev or edge.knows(request) else ()
        functions = [function.config for function in known]
        return answer(
            {
                "version": config.version, "authed": not config.dev, "isSingleNodeService": True,
                "startOpts": {"tick": 0, "queue_workers": config.max_runs, "require_keys": not config.dev},
                "functions": functions,
                "handlers": sorted({function.url.partition("?")[0] for function in known}),
                "isMissingSigningKey": False, "isMissingEventKeys": False,
            }
        )  # fmt: skip

    async def depth(_request: Request) -> Response:
        async with engine.database.connection() as connection:
            row = await reading.queue_depth(connection, engine.clock())
        return answer({"data": row, "metadata": edge.metadata()})

    async def health(_request: Request) -> Response:
        return answer({"data": {"status": "ok"}, "metadata": edge.metadata()})

    def refused(what: str) -> Any:
        async def endpoint(_request: Request) -> Response:
            raise ApiError(400, f"{what} is not supported by this engine")

        return edge.open(endpoint)

    yield "/v1/cancellations", ["POST"], edge.keyed(cancel)
    yield "/v1/cancellations", ["GET"], edge.keyed(cancellations)
    yield "/v1/replays", ["POST"], edge.keyed(replay)
    yield "/v1/queue", ["GET"], edge.keyed(depth)
    yield "/dev", ["GET"], edge.open(about)
    yield "/v2/health", ["GET"], edge.open(health)
    connect = refused("Connect: workers over WebSocket (serve the app over HTTP instead)")
    yield "/v0/connect/{rest:path}", ["GET", "POST", "PUT", "PATCH", "DELETE"], connect
    realtime = refused("Realtime: publishing and subscribing to streams")
    yield "/v1/realtime/{rest:path}", ["GET", "POST", "PUT", "DELETE"], realtime
    yield "/v1/signals", ["POST"], refused("step.waitForSignal")
