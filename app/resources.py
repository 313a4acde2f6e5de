"""The functions' resources, made from the settings: the only place where settings become clients and limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import sqlalchemy as sa

from app.settings import Settings
from app.source import Source
from enrichment.client import PortalClient
from functions.gate import PostgresGate
from functions.resources import Limits, Resources
from ocds.client import OcdsClient


@contextmanager
def resources(
    settings: Settings, source: Source, engine: sa.Engine, clock: Callable[[], datetime]
) -> Iterator[Resources]:
    """Clients of the chosen source, the pool, the limits; the clients are closed at the end."""
    # The stand-in is ours and needs no politeness.
    delay = settings.rate_limit_delay_ms if source.kind == "live" else 0
    pause = 0.2 if source.kind == "live" else 0.0
    ocds = OcdsClient(source.ocds_url, gate=PostgresGate(engine, pause=pause))
    spaced = PostgresGate(engine, spacing=delay / 1000, pause=pause)
    portal = PortalClient(source.portal_url, delay_ms=delay, gate=spaced)
    try:
        yield Resources(
            engine=engine,
            ocds=ocds,
            portal=portal,
            clock=clock,
            source=source.kind,
            limits=Limits(
                enable_enrichment=settings.enable_enrichment,
                max_enrichment_per_run=settings.max_enrichment_per_run,
                max_release_fetch_per_run=settings.max_release_fetch_per_run,
            ),
        )
    finally:
        ocds.close()
        portal.close()
