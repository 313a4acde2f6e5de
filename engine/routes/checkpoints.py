"""Checkpoints: an SDK that runs several steps in one call reports each as it ends, before its answer."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.requests import Request
from starlette.responses import Response

from engine import wire
from engine.records import RUNNING, SCHEDULED
from engine.routes.edge import ApiError, Edge, Route, answer, clean_id, json_object
from engine.sql import reading

# To an SDK, "what you are running is not wanted any more: stop". Any other error makes it answer its call with
# the steps instead.
_STALE = 409
_ELSEWHERE = 503


def routes(edge: Edge) -> Iterator[Route]:
    """`/v1/checkpoint/{run}/async`, and the refusal of runs that an SDK starts by itself."""
    engine = edge.engine

    async def checkpoint(request: Request) -> Response:
        run_id = clean_id(request, "id")
        told = await json_object(request)
        items, request_id = told.get("steps"), told.get("request_id")
        if not isinstance(items, list):
            raise ApiError(400, "steps must be a list")
        if request_id is not None and not isinstance(request_id, str):
            raise ApiError(400, "request_id must be a text")
        ops = wire.read_ops(items)
        if isinstance(ops, wire.Failure):
            raise ApiError(400, str(ops.error["message"]))
        if any(op.kind != wire.RUN for op in ops):
            raise ApiError(400, "a checkpoint can hold steps that have run, and nothing else")
        driver = engine.drivers.get(run_id)
        if driver is None:
            async with engine.database.connection() as connection:
                row = await reading.run(connection, run_id)
            if row is not None and row.status in (SCHEDULED, RUNNING):
                raise ApiError(_ELSEWHERE, f"run {run_id} is not driven by this process")
            raise ApiError(_STALE, f"run {run_id} is not running")
        if not await driver.checkpoint(request_id, ops):
            raise ApiError(
                _STALE, f"the call that reports these steps of run {run_id} is not wanted any more"
            )
        return answer({"data": {"run_id": run_id}, "metadata": edge.metadata()})

    async def start(_: Request) -> Response:
        raise ApiError(501, "runs that start in the app (durable endpoints) are not supported by this engine")

    yield "/v1/checkpoint", ["POST"], edge.keyed(start)
    yield "/v1/checkpoint/{id}/steps", ["POST"], edge.keyed(start)
    yield "/v1/checkpoint/{id}/async", ["POST"], edge.keyed(checkpoint)
