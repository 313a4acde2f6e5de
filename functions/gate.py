"""Priorities towards the government hosts: routine work goes before background work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from ocds.errors import UpstreamError

_background: ContextVar[bool] = ContextVar("background", default=False)


class HostRestsError(UpstreamError):
    """The host answered badly for a while and is left in peace; no question was asked."""


@contextmanager
def background() -> Iterator[None]:
    """Requests made inside give way to routine ones."""
    token = _background.set(True)
    try:
        yield
    finally:
        _background.reset(token)


def is_background() -> bool:
    """Whether the current work gives way."""
    return _background.get()
