"""The engine's settings, handed in once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from engine.backoff import BASE
from engine.database import OnWrite

OnAccept = Callable[[list[tuple[str, str]]], None]


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """How an engine behaves. Times are seconds unless they are timedeltas.

    `retry_base` is the first retry's delay; it scales the whole backoff table. `lease_seconds`: how long a
    process that has stopped answering keeps its runs. `max_runs` are driven at once, `max_calls` requests are
    under way at once. `on_write(point, phase)` is called before and after every durable write, `on_accept` with the
    ids (the senders' where they gave any) and names of events that were taken in.
    `app_hosts`: where apps may be that register themselves, beside this machine (see `engine.reach`).
    `rare_gc`: the process looks for cyclic garbage less often, which saves a seventh of its time; nearly
    everything that a step allocates goes by its reference count.
    """

    dev: bool = True
    signing_key: str | None = field(default=None, repr=False)
    signing_key_fallback: str | None = field(default=None, repr=False)
    event_keys: tuple[str, ...] = field(default=(), repr=False)
    lease_seconds: float = 15.0
    retry_base: float = BASE
    call_timeout: float = 2 * 60 * 60
    max_runs: int = 100
    max_calls: int = 100
    poll_seconds: float = 1.0
    connections: int = 4
    keep_runs: timedelta = timedelta(days=30)
    keep_events: timedelta = timedelta(days=30)
    retention_every: float = 600.0
    version: str = "0.1.0"
    on_write: OnWrite | None = None
    on_accept: OnAccept | None = None
    app_hosts: tuple[str, ...] = ()
    rare_gc: bool = True

    @property
    def signing_keys(self) -> list[str]:
        """The signing keys that are accepted, the current one first."""
        return [key for key in (self.signing_key, self.signing_key_fallback) if key]
