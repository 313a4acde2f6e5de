"""Dying at a chosen point: before and after every commit, and before and after every exchange with the mail server."""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa

from tests.waiting import until

DOT = b".\r\n"


@dataclass
class Points:
    """Counts the points that are passed; at `at`, `die` is called. `dot_sent`: the mail server had all of a mail.

    `received` counts the mails that the server has; after every dot, it is waited until this one is among them.
    """

    die: Callable[[], None]
    at: int | None = None
    passed: int = 0
    name: str = ""
    dot_at: int | None = None
    dot_sent: bool = False
    received: Callable[[], int] | None = None

    def here(self, name: str) -> None:
        """One point."""
        self.passed += 1
        if name == f"before sending {DOT!r}":
            self.dot_at = self.passed
        if self.passed == self.at:
            self.name = name
            self.die()


@contextmanager
def watched(engine: sa.Engine, points: Points) -> Iterator[Points]:
    """Every commit on `engine` and every exchange of smtplib passes points, as long as the block lasts."""
    do_commit, send, getreply = engine.dialect.do_commit, smtplib.SMTP.send, smtplib.SMTP.getreply

    def commit(connection: Any) -> None:
        points.here("before a commit")
        do_commit(connection)
        points.here("after a commit")

    def sends(smtp: smtplib.SMTP, said: Any) -> None:
        points.here(f"before sending {said[:12]!r}")
        before = points.received() if points.received else 0
        send(smtp, said)
        if said == DOT:
            points.dot_sent = True
            if points.received:
                until(lambda: points.received() > before, what="the mail's arrival")
        points.here(f"after sending {said[:12]!r}")

    def reads(smtp: smtplib.SMTP) -> tuple[int, bytes]:
        points.here("before an answer")
        answer = getreply(smtp)
        points.here("after an answer")
        return answer

    with (
        patch.object(engine.dialect, "do_commit", commit),
        patch.object(smtplib.SMTP, "send", sends),
        patch.object(smtplib.SMTP, "getreply", reads),
    ):
        yield points
