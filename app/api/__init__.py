"""The JSON API, one file per part."""

from __future__ import annotations

from fastapi import APIRouter


def routers() -> list[APIRouter]:
    """All parts, in the order in which their routes are tried."""
    from app.api import alerts, cron, events, jobs, ocds, operations, state, tenders

    return [
        operations.router,
        jobs.router,
        events.router,
        state.router,
        cron.router,
        alerts.router,
        tenders.router,
        ocds.router,
    ]
