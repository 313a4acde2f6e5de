"""The HTTP routes that an Inngest server answers, put together from one file per noun."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from engine.routes import checkpoints, events, functions, graphql, operating, registering, runs
from engine.routes.edge import Edge

if TYPE_CHECKING:
    from engine.engine import Engine


def make_router(engine: Engine) -> APIRouter:
    """All routes of the engine but `/health`, for the app it is embedded in."""
    router = APIRouter(include_in_schema=False)
    edge = Edge(engine)
    for part in (events, registering, runs, checkpoints, functions, operating, graphql):
        for path, methods, endpoint in part.routes(edge):
            router.add_route(path, endpoint, methods=methods)
    return router
