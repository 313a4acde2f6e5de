"""For whoever runs it: alive, ready, metrics."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse

from app import health, metrics
from app.dependencies import TheRuntime, runtime_of
from db.clock import iso

router = APIRouter(tags=["operations"])


@router.get("/", include_in_schema=False)
def home() -> RedirectResponse:
    """The console is the front door."""
    return RedirectResponse("/admin", status_code=303)


@router.get("/healthz")
async def alive(request: Request) -> dict[str, str]:
    """Answers as long as the process lives, though every thread waits for the database; says which one it is."""
    return {"status": "alive", "instance": runtime_of(request).instance.instance}


@router.get("/readyz")
def ready(runtime: TheRuntime) -> JSONResponse:
    """200 when database, migrations and engine are ready, else 503 with the reasons; the data's freshness beside it."""
    problems = health.problems(runtime)
    body: dict[str, Any] = {"status": "ready" if not problems else "not ready", "problems": problems}
    body |= {"source": runtime.source.kind, "engine": runtime.settings.engine_mode}
    if not problems:
        with runtime.engine.connect() as connection:
            verdict = health.freshness(connection, runtime)
        body["freshness"] = {
            "state": verdict.state,
            "headline": verdict.headline,
            "causes": verdict.causes,
            "nextDue": iso(verdict.next_due),
        }
    return JSONResponse(body, status_code=503 if problems else 200)


@router.get("/metrics", response_class=PlainTextResponse)
def prometheus(runtime: TheRuntime) -> PlainTextResponse:
    """Numbers for Prometheus: no name of a person, no key, no address."""
    return PlainTextResponse(metrics.render(runtime), media_type=metrics.CONTENT_TYPE)
