"""The admin console: server-rendered pages that work without JavaScript, one file per page."""

from __future__ import annotations

from fastapi import APIRouter


def routers() -> list[APIRouter]:
    """All pages, in the order in which their routes are tried."""
    from app.pages import actions, jobs, live, login

    return [login.router, actions.router, jobs.router, live.router]
