"""The way to the government hosts: shared by all processes, routine work first, shut when a host is in trouble."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import sqlalchemy as sa
from ulid import ULID

from db import processes, upstream
from ocds.errors import UpstreamError

_GIVE_BACK_PAUSES = (0.05, 0.5, 2.0)
_background: ContextVar[bool] = ContextVar("background", default=False)
_spacing: ContextVar[float] = ContextVar("spacing", default=0.0)


class HostRestsError(UpstreamError):
    """The host answered badly for a while and is left in peace for `seconds` more; no question was asked."""

    def __init__(self, host: str, seconds: float) -> None:
        # No countdown: who reads this in the job log reads it later.
        problem = "it answered badly several times in a row and is left in peace for a while"
        super().__init__(problem, host=host, url=f"https://{host}/", retry_after=seconds)
        self.args = (f"{host} was not asked: {problem}.",)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.host, self.retry_after)


@contextmanager
def background() -> Iterator[None]:
    """Requests made inside give way to routine ones."""
    token = _background.set(True)
    try:
        yield
    finally:
        _background.reset(token)


@contextmanager
def spaced(milliseconds: int | None) -> Iterator[None]:
    """Starts of requests made inside lie at least so far apart, or as far as usual if that is further."""
    token = _spacing.set((milliseconds or 0) / 1000)
    try:
        yield
    finally:
        _spacing.reset(token)


class PostgresGate:
    """An `ocds.gate.Gate` over all processes that share a database: one request per host at a time.

    `spacing` is the least time between the starts of two requests, in seconds, `background_spacing` that between a
    background request and the next; a host that answers errors is asked more slowly, by up to fifteen `pause`s.
    `lease` must be longer than any request takes. `rest` is how long a host is first left in peace. No connection is
    held while a request waits or runs.
    """

    def __init__(
        self,
        engine: sa.Engine,
        *,
        spacing: float = 0.0,
        background_spacing: float = 0.0,
        pause: float = 0.2,
        lease: float = 180.0,
        rest: float = 30.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        # One statement decides, so it needs no transaction around it: each question costs two round trips.
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._spacing = spacing
        self._background_spacing = background_spacing
        self._lease = lease
        self._rest = rest
        self._pause = pause
        self._sleep = sleep
        self._holder = f"{ULID()} {processes.identity()}"

    def enter(self, host: str) -> None:
        """Wait for the host's token; raises HostRestsError while the host is left in peace."""
        apart = max(self._spacing, _spacing.get(), self._background_spacing if _background.get() else 0.0)
        while True:
            with self._engine.connect() as conn:
                turn = upstream.take_turn(
                    conn,
                    host,
                    holder=self._holder,
                    spacing=apart,
                    pause=self._pause,
                    lease=self._lease,
                    background=_background.get(),
                )
            if turn.granted:
                return
            if turn.resting:
                raise HostRestsError(host, turn.seconds)
            self._sleep(turn.seconds)

    def leave(self, host: str, *, ok: bool, seconds: float, status: int | None) -> None:
        """Give the token back and note how the host answered.

        A token that is not given back stops everybody for the length of its lease, so a passing failure of
        the database is outlived here.
        """
        for pause in (*_GIVE_BACK_PAUSES, None):
            try:
                with self._engine.connect() as conn:
                    upstream.give_back(
                        conn,
                        host,
                        holder=self._holder,
                        ok=ok,
                        seconds=seconds,
                        status=status,
                        rest=self._rest,
                    )
            except sa.exc.OperationalError:
                if pause is None:
                    raise
                self._sleep(pause)
            else:
                return
