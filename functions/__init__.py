"""The durable functions: one file each, built from their resources, ignorant of the engine that runs them."""

from __future__ import annotations

from typing import Any

import inngest

from functions import (
    cleanup_jobs,
    close_cancelled,
    enrich_backfill,
    enrich_tender,
    enrich_today,
    history_backfill,
    send_alerts,
    tender_refresh,
    tender_sync,
)
from functions.resources import Resources

__all__ = ["build"]

_WORKING = (
    tender_sync,
    enrich_today,
    enrich_tender,
    enrich_backfill,
    history_backfill,
    tender_refresh,
    send_alerts,
    cleanup_jobs,
)


def build(client: inngest.Inngest, resources: Resources) -> list[inngest.Function[Any]]:
    """Every function of this app."""
    working = [each.build(client, resources) for each in _WORKING]
    ids = [each.KIND.function_id for each in _WORKING]
    return [*working, close_cancelled.build(client, resources, ids)]
