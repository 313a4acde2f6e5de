"""The admin console: server-rendered pages that work without JavaScript, one file per page."""

from __future__ import annotations

from fastapi import APIRouter


def routers() -> list[APIRouter]:
    """All pages, in the order in which their routes are tried."""
    from app.pages import (
        account,
        actions,
        coverage,
        docs,
        functions,
        jobs,
        live,
        login,
        overview,
        people,
        runs,
        searches,
        tenders,
    )

    pages = (
        login,
        actions,
        overview,
        jobs,
        runs,
        functions,
        tenders,
        searches,
        coverage,
        people,
        account,
        docs,
        live,
    )
    return [part.router for part in pages]
