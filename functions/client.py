"""The Inngest client: the one object that every durable function and every sender of events shares."""

from __future__ import annotations

import logging
from typing import Any

import inngest

APP_ID = "protenders-platform"


def make_client(**options: Any) -> inngest.Inngest:
    """A client for this app; `options` are `inngest.Inngest`'s own (keys, base URLs, production or not)."""
    options.setdefault("logger", logging.getLogger("protenders.inngest"))
    return inngest.Inngest(app_id=APP_ID, **options)
