"""Runs: their status, steps, events, state for the SDK, and what may be done to them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from engine import ids, operations
from engine.routes.edge import ApiError, Edge, Route, answer, clean_id, instant_of, json_object, limit_of
from engine.sql import reading
from engine.sql.reading import RunRow

_NO_OUTPUT = b"null"


def run_json(row: RunRow) -> dict[str, Any]:
    """A run as `/v1/runs/{id}` shows it."""
    return {
        "run_id": row.id,
        "run_started_at": row.started_at or row.queued_at,
        "function_id": row.function_id,
        "function_version": row.version,
        "environment_id": ids.ENVIRONMENT_ID,
        "event_id": row.event_ids[0] if row.event_ids else None,
        "status": row.status,
        "ended_at": row.ended_at,
        "output": row.output if row.output is not None else _NO_OUTPUT,
    }


def step_json(row: dict[str, Any], failed: list[dict[str, Any]]) -> dict[str, Any]:
    """A step as `/v1/runs/{id}/steps` shows it."""
    memo = orjson.loads(row["memo"]) if row["memo"] is not None else None
    output: Any = memo
    error: dict[str, Any] | None = None
    if isinstance(memo, dict) and row["op"] in ("StepRun", "InvokeFunction"):
        output = memo.get("data")
        error = memo.get("error")
    elif row["ended_at"] is None:
        mine = [f for f in failed if f["step_id"] == row["id"]]
        error = orjson.loads(mine[-1]["error"]) if mine else None
    if error is not None:
        error = {key: error.get(key) for key in ("name", "message", "stack")}
    return {
        "id": row["id"], "name": row["name"], "op": row["op"], "status": row["status"],
        "attempts": row["attempt"] + 1, "output": output, "error": error, "queued_at": row["queued_at"],
        "started_at": row["started_at"], "ended_at": row["ended_at"],
    }  # fmt: skip


def job_json(run: RunRow, row: dict[str, Any] | None, steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a live run still has to do, as `/v1/runs/{id}/jobs` shows it."""
    if row is None:
        return []
    kinds = {"Sleep": "sleep", "WaitForEvent": "pause", "InvokeFunction": "pause", "StepRun": "edge"}
    open_steps = [step for step in steps if step["ended_at"] is None]

    def job(step_id: str, at: datetime, kind: str, attempt: int) -> dict[str, Any]:
        return {
            "JobID": ids.job_id(run.id, step_id, 0), "at": at, "position": 0, "kind": kind, "attempt": attempt
        }  # fmt: skip

    if not open_steps:
        return [job("step", row["wake_at"], "start" if not row["started"] else "edge", 0)]
    return [
        job(step["id"], step["wake_at"] or step["queued_at"], kinds[step["op"]], step["attempt"])
        for step in open_steps
    ]


def routes(edge: Edge) -> Iterator[Route]:
    """`/v1/runs…`, `/v0/runs…` and `/v1/cancellations`."""
    engine = edge.engine

    async def found(connection: Any, run_id: str) -> RunRow:
        row = await reading.run(connection, run_id)
        if row is None:
            raise ApiError(404, "Run not found")
        return row

    async def listed(request: Request) -> Response:
        query = request.query_params
        status = query.get("status")
        since, until = (instant_of(query.get(key), key) for key in ("from", "until"))
        async with engine.database.connection() as connection:
            rows = await reading.runs(
                connection, function=query.get("function_id"), statuses=[status] if status else [],
                before=query.get("cursor"), limit=limit_of(request), since=since, until=until,
            )  # fmt: skip
        return answer({"data": [run_json(row) for row in rows], "metadata": edge.metadata()})

    async def one(request: Request) -> Response:
        async with engine.database.connection() as connection:
            row = await found(connection, clean_id(request, "id"))
        return answer({"data": run_json(row), "metadata": edge.metadata()})

    async def steps(request: Request) -> Response:
        async with engine.database.connection() as connection, connection.transaction():
            row = await found(connection, clean_id(request, "id"))
            rows = await reading.steps(connection, row.id)
            failed = await reading.failures(connection, row.id)
        return answer({"data": [step_json(step, failed) for step in rows], "metadata": edge.metadata()})

    async def events(request: Request) -> Response:
        async with engine.database.connection() as connection:
            row = await found(connection, clean_id(request, "id"))
            rows = await reading.events_of(connection, row)
        return answer({"data": [event.body for event in rows], "metadata": edge.metadata()})

    async def jobs(request: Request) -> Response:
        async with engine.database.connection() as connection:
            row = await found(connection, clean_id(request, "id"))
            queue = await reading.queue_of(connection, row.id)
            rows = await reading.steps(connection, row.id)
        return answer({"data": job_json(row, queue, rows), "metadata": edge.metadata()})

    async def actions(request: Request) -> Response:
        async with engine.database.connection() as connection:
            row = await found(connection, clean_id(request, "id"))
            memos = await reading.memos(connection, row.id)
        return answer(memos)

    async def batch(request: Request) -> Response:
        async with engine.database.connection() as connection:
            row = await found(connection, clean_id(request, "id"))
            rows = await reading.events_of(connection, row)
        return answer([event.body for event in rows])

    async def cancel(request: Request) -> Response:
        run_id = clean_id(request, "id")
        async with engine.database.connection() as connection:
            row = await found(connection, run_id)
        if not await operations.cancel(engine, [run_id]):
            raise ApiError(409, f"Cannot cancel an ended run; its status is {row.status}")
        return answer(None)

    async def rerun(request: Request) -> Response:
        wanted = await json_object(request, required=False)
        async with engine.database.connection() as connection:
            await found(connection, clean_id(request, "id"))
        run_id = await operations.rerun(engine, clean_id(request, "id"), **rerun_options(wanted))
        return answer({"data": {"run_id": run_id}, "metadata": edge.metadata()})

    yield "/v1/runs", ["GET"], edge.keyed(listed)
    yield "/v1/runs/{id}", ["GET"], edge.keyed(one)
    yield "/v1/runs/{id}", ["DELETE"], edge.keyed(cancel)
    yield "/v1/runs/{id}/steps", ["GET"], edge.keyed(steps)
    yield "/v1/runs/{id}/events", ["GET"], edge.keyed(events)
    yield "/v1/runs/{id}/jobs", ["GET"], edge.keyed(jobs)
    yield "/v1/runs/{id}/rerun", ["POST"], edge.keyed(rerun)
    yield "/v0/runs/{id}/actions", ["GET"], edge.keyed(actions)
    yield "/v0/runs/{id}/batch", ["GET"], edge.keyed(batch)


def rerun_options(wanted: dict[str, Any]) -> dict[str, Any]:
    """`fromStep` (a text, or an object with the step and its input) and `input` of a rerun."""
    step, options = wanted.get("fromStep"), {}
    if isinstance(step, dict):
        if "input" in step:
            options["step_input"] = step["input"]
        step = step.get("stepID") or step.get("step") or step.get("id")
    if "input" in wanted:
        options["step_input"] = wanted["input"]
    if step is not None and (not isinstance(step, str) or not step):
        raise ApiError(400, "fromStep must be a step's id or name")
    return {**options, "from_step": step}
