"""GraphQL over the same reads as the REST routes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from engine.gql import GraphQL
from engine.routes.edge import Edge, Route, answer, json_object
from engine.routes.runs import run_json, step_json
from engine.sql import reading

if TYPE_CHECKING:
    from engine.engine import Engine

Json = dict[str, Any]


class StoredReads:
    """Runs, steps and events as stored now."""

    def __init__(self, engine: Engine) -> None:
        self._database = engine.database

    async def run(self, run_id: str) -> Json | None:
        async with self._database.connection() as connection:
            row = await reading.run(connection, run_id)
        return None if row is None else _decoded(run_json(row))

    async def steps(self, run_id: str) -> list[Json]:
        async with self._database.connection() as connection:
            rows = await reading.steps(connection, run_id)
            failed = await reading.failures(connection, run_id)
        return [step_json(row, failed) for row in rows]

    async def events(self, run_id: str) -> list[Json]:
        async with self._database.connection() as connection:
            row = await reading.run(connection, run_id)
            rows = [] if row is None else await reading.events_of(connection, row)
        return [orjson.loads(event.body) for event in rows]

    async def runs_of_event(self, event_id: str) -> list[Json]:
        async with self._database.connection() as connection:
            rows = await reading.runs_of_event(connection, event_id)
        return [_decoded(run_json(row)) for row in rows]


def _decoded(run: Json) -> Json:
    output = run["output"]
    return {**run, "output": orjson.loads(output) if isinstance(output, bytes) else output}


def routes(edge: Edge) -> Iterator[Route]:
    """`/v0/gql`."""
    graph = GraphQL(StoredReads(edge.engine))

    async def ask(request: Request) -> Response:
        return answer(await graph.answer(await json_object(request)))

    yield "/v0/gql", ["POST"], edge.keyed(ask)
