"""Where an answer or a file says that it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import Request

    from app.runtime import Runtime


@dataclass(frozen=True)
class Origin:
    """Its own address, this site's, the source's page, and when it was written."""

    uri: str
    base_url: str
    portal_url: str
    written_at: datetime


def origin_of(request: Request, runtime: Runtime) -> Origin:
    """As this request sees the site; APP_URL, where it is set, is its address for everybody."""
    base = runtime.settings.app_url or str(request.base_url).rstrip("/")
    query = f"?{request.url.query}" if request.url.query else ""
    return Origin(
        uri=f"{base}{request.url.path}{query}",
        base_url=base,
        portal_url=runtime.settings.etenders_base_url,
        written_at=runtime.clock(),
    )
