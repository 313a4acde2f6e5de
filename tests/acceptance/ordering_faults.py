"""The Nth statement, commit or question fails, in the way that was ordered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import psycopg
import sqlalchemy as sa

from app.replay.control import Orders
from app.replay.stand_in import StandIn

# The server refuses in earnest: the transaction is aborted, the connection lives or is ended.
_REFUSALS = {"statement timeout": "57014", "serialization": "40001", "lock timeout": "55P03"}
STATEMENTS = {
    **{
        name: f"DO $$ BEGIN RAISE EXCEPTION 'ordered for a test' USING ERRCODE = '{code}'; END $$"
        for name, code in _REFUSALS.items()
    },
    "terminated": "SELECT pg_terminate_backend(pg_backend_pid())",
    "cut": "",
}
"""How a statement can fail. `cut`: the connection is gone before the statement is sent."""

COMMITS = ("lost before the commit", "lost after the commit")
"""Either way nobody hears of it."""


@dataclass
class Nth:
    """Counts, and says when it is the Nth's turn."""

    turn: int | None
    seen: int = 0

    def now(self) -> bool:
        self.seen += 1
        return self.seen == self.turn

    @property
    def came(self) -> bool:
        return self.turn is not None and self.seen >= self.turn


Failing = Callable[[Nth], AbstractContextManager[None]]


def statements(engine: sa.Engine, kind: str) -> Failing:
    """Within the block, the Nth statement fails so."""

    @contextmanager
    def failing(nth: Nth) -> Iterator[None]:
        def before(
            _conn: object, cursor: Any, statement: str, parameters: Any, _context: object, many: bool
        ) -> tuple[str, Any]:
            if not nth.now():
                return statement, parameters
            if kind == "cut":
                cursor.connection.close()
                return statement, parameters
            return STATEMENTS[kind], [{}] if many else {}

        sa.event.listen(engine, "before_cursor_execute", before, retval=True)
        try:
            yield
        finally:
            sa.event.remove(engine, "before_cursor_execute", before)

    return failing


def commits(engine: sa.Engine, kind: str) -> Failing:
    """Within the block, the connection is lost about the Nth commit."""
    commit = engine.dialect.do_commit

    @contextmanager
    def failing(nth: Nth) -> Iterator[None]:
        def commits(connection: Any) -> None:
            if not nth.now():
                commit(connection)
                return
            if kind == "lost after the commit":
                commit(connection)
            connection.dbapi_connection.close()
            raise psycopg.OperationalError("ordered for a test: the connection was lost")

        with patch.object(engine.dialect, "do_commit", commits):
            yield

    return failing


class NthOrders(Orders):
    """The Nth question, whichever it is, suffers the fault."""

    def __init__(self, nth: Nth, fault: str) -> None:
        super().__init__()
        self._nth, self._fault = nth, fault

    def take(self, endpoint: str, path: str) -> str | None:
        return self._fault if self._nth.now() else None


def questions(stand_in: StandIn, fault: str) -> Failing:
    """Within the block, the Nth question to the hosts is answered so."""

    @contextmanager
    def failing(nth: Nth) -> Iterator[None]:
        before, stand_in.orders = stand_in.orders, NthOrders(nth, fault)
        try:
            yield
        finally:
            stand_in.orders = before

    return failing
