"""The durable functions: one file each, built from their resources, ignorant of the engine that runs them."""

from __future__ import annotations

from typing import Any

import inngest

from functions import tender_sync
from functions.resources import Resources

__all__ = ["build"]


def build(client: inngest.Inngest, resources: Resources) -> list[inngest.Function[Any]]:
    """Every function of this app."""
    return [make.build(client, resources) for make in (tender_sync,)]
