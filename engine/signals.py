"""Word between the processes that share a database: LISTEN and NOTIFY, with a new connection when one breaks.

What is said only hastens things; whoever misses it finds out by looking a moment later.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable

import orjson
import psycopg

from engine.database import Connection, Database

log = logging.getLogger(__name__)
CHANNEL = "protenders_engine"
WAKE, REGISTRY, ENDED, POKED = "wake", "registry", "ended", "poked"
_MOST_IDS = 200


class Signals:
    """Hears what others say and hands it on; says things to them."""

    def __init__(
        self, database: Database, me: Callable[[], uuid.UUID], hear: Callable[[str, list[str]], None]
    ) -> None:
        self._database = database
        self._me = me
        self._hear = hear

    async def listen(self) -> None:
        """Until cancelled. After each (re)connection everything may have changed unheard."""
        while True:
            connection = await self._database.connect()
            try:
                await connection.execute(f"LISTEN {CHANNEL}")
                self._hear(REGISTRY, [])
                self._hear(WAKE, [])
                async for notification in connection.notifies():
                    self._handle(notification.payload)
            except psycopg.Error as error:
                log.warning("engine: listening again after: %s", str(error).strip())
                await asyncio.sleep(0.1)
            finally:
                await connection.close()

    def _handle(self, payload: str) -> None:
        try:
            sender, kind, ids = orjson.loads(payload)
        except ValueError:
            return
        if sender != str(self._me()):
            self._hear(kind, ids)

    async def say(self, kind: str, ids: list[str] | None = None) -> None:
        """Tell the other processes."""
        for start in range(0, max(len(ids or ()), 1), _MOST_IDS):
            part = (ids or [])[start : start + _MOST_IDS]
            payload = orjson.dumps([str(self._me()), kind, part]).decode()

            async def notify(connection: Connection, payload: str = payload) -> None:
                await connection.execute("SELECT pg_notify(%s, %s)", [CHANNEL, payload])

            await self._database.run(notify)
