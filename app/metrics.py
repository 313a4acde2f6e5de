"""Prometheus metrics, read from the database when asked: true after any restart, the same from every worker.

They are a few seconds old at most (what counts a month's work: a minute), however often and by however many they are
asked for. Without a database there are still answers: `protenders_database_up 0` and the pool.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from app import health
from app.freshness import verdict
from app.runtime import Runtime
from db import console, measures
from engine.schema import instances, intents, queue, schedules

log = logging.getLogger("protenders.metrics")

CONTENT_TYPE = CONTENT_TYPE_LATEST
# The letters of `engine.queue.state`.
_QUEUE = {"r": "ready", "t": "timer", "o": "running", "b": "blocked", "h": "held"}
_HOST_COUNTERS = (
    ("protenders_upstream_requests", "Requests to the host", "requests"),
    ("protenders_upstream_errors", "Requests to the host that failed", "errors"),
)
_HOST_GAUGES = (
    ("protenders_upstream_mean_seconds", "Moving mean of the time of an answer", "mean_seconds"),
    ("protenders_upstream_consecutive_failures", "Failures in a row", "consecutive_failures"),
    ("protenders_upstream_slowdown", "Pauses towards the host; 1: the normal ones", "slowdown"),
)


class _Collector:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterable[Metric]:
        """Everything; the pool is that of this process, the rest is the installation's."""
        yield from _pool(self._runtime.engine)
        kept = self._runtime.measured
        try:
            found = kept.quick.get(self._quick) + kept.slow.get(self._slow)
        except sa.exc.SQLAlchemyError as problem:
            log.warning("metrics without the database: %s", type(problem).__name__)
            yield _gauge("protenders_database_up", "1 while the database answers", 0)
            return
        yield _gauge("protenders_database_up", "1 while the database answers", 1)
        yield from found

    def _quick(self) -> list[Metric]:
        runtime, now = self._runtime, self._runtime.clock()
        day_ago = now - timedelta(days=1)
        with runtime.engine.connect() as connection:
            return [
                *_freshness(connection, runtime, now),
                *_jobs(connection, day_ago, now),
                *_upstream(connection, now),
                *(_engine(connection, now) if runtime.durable is not None else ()),
                *_server(connection),
            ]

    def _slow(self) -> list[Metric]:
        now = self._runtime.clock()
        month = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        with self._runtime.engine.connect() as connection:
            waiting = measures.enrichment_waiting(connection)
            return [
                _gauge(
                    "protenders_tenders",
                    "Tenders, as the database's statistics have it",
                    measures.roughly_all_tenders(connection),
                ),
                _labelled(
                    "protenders_enrichment_backlog",
                    "Tenders that are not enriched",
                    ["status"],
                    {(status,): count for status, count in waiting.items()},
                ),
                _gauge(
                    "protenders_executions_month",
                    "Runs and step attempts since the first of the month (UTC), as Inngest bills them",
                    measures.executions_since(connection, month),
                ),
            ]


def render(runtime: Runtime) -> str:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(runtime))
    ProcessCollector(registry=registry)
    return generate_latest(registry).decode()


def _freshness(connection: sa.Connection, runtime: Runtime, now: datetime) -> Iterator[Metric]:
    facts = health.facts(connection, runtime)
    found = verdict(facts, now)
    age = -1.0 if found.age is None else found.age.total_seconds()
    yield _gauge("protenders_sync_age_seconds", "Since the last complete sync; -1: there was none", age)
    late = 0.0 if found.late_by is None else found.late_by.total_seconds()
    yield _gauge("protenders_sync_late_seconds", "By how much the promised time is missed", late)
    yield _gauge("protenders_fresh", "1 while the promised time is kept", float(found.ok))
    yield _gauge("protenders_replay", "1 while the source is the recorded stand-in", float(facts.replay))
    yield _gauge("protenders_coverage_missing", "Tenders known to exist that are not there", facts.missing)
    yield _gauge(
        "protenders_coverage_awaiting_release", "Tenders shown from the portal only", facts.awaiting_release
    )
    yield _gauge(
        "protenders_coverage_incomplete_days",
        "Days of which not everything is proven to be there",
        measures.incomplete_days(connection),
    )
    yield _gauge(
        "protenders_mails_waiting", "Alert mails that are not sent", measures.mails_waiting(connection)
    )


def _jobs(connection: sa.Connection, day_ago: datetime, now: datetime) -> Iterator[Metric]:
    since = measures.jobs_since(connection, day_ago)
    by_type: dict[tuple[str, ...], float] = {(row.type, row.status): row.jobs for row in since}
    yield _labelled("protenders_jobs", "Jobs that started within 24 hours", ["type", "status"], by_type)
    active = measures.active_jobs(connection, now=now)
    yield _labelled(
        "protenders_jobs_active",
        "Jobs that have something to do",
        ["type"],
        {(row.type,): row.jobs for row in active},
    )
    silence = max((float(row.silent) for row in active), default=0.0)
    yield _gauge("protenders_jobs_silent_seconds", "Longest silence of an active job", max(silence, 0.0))
    steps = measures.steps_since(connection, day_ago)
    yield _labelled(
        "protenders_steps",
        "Steps of the jobs that started within 24 hours",
        ["status"],
        {(row.status,): row.steps for row in steps},
    )
    retries = sum(int(row.retries) for row in steps)
    yield _gauge("protenders_step_retries", "Their repeated attempts", retries)


def _upstream(connection: sa.Connection, now: datetime) -> Iterator[Metric]:
    hosts = console.hosts(connection)
    for name, text, column in _HOST_COUNTERS:
        counter = CounterMetricFamily(name, text, labels=["host"])
        for row in hosts:
            counter.add_metric([row.host], float(getattr(row, column)))
        yield counter
    for name, text, column in _HOST_GAUGES:
        yield _labelled(name, text, ["host"], {(row.host,): getattr(row, column) or 0 for row in hosts})
    yield _labelled(
        "protenders_upstream_open",
        "1 while the host is not asked because it keeps failing",
        ["host"],
        {(row.host,): row.state == "open" for row in hosts},
    )
    yield _labelled(
        "protenders_upstream_ok_age_seconds",
        "Since the host's last good answer",
        ["host"],
        {(row.host,): (now - row.last_ok_at).total_seconds() for row in hosts if row.last_ok_at},
    )


def _engine(connection: sa.Connection, now: datetime) -> Iterator[Metric]:
    rows = connection.execute(
        sa.select(queue.c.state, sa.func.count(), sa.func.min(queue.c.wake_at)).group_by(queue.c.state)
    ).all()
    counts = {(name,): 0 for name in _QUEUE.values()} | {(_QUEUE[row[0]],): row[1] for row in rows}
    yield _labelled("protenders_engine_queue", "Runs that have not ended", ["state"], counts)
    oldest = {row[0]: _age(row[2], now) for row in rows}
    yield _gauge(
        "protenders_engine_ready_seconds", "How long the first run waits for a worker", oldest.get("r", 0.0)
    )
    yield _gauge("protenders_engine_timer_late_seconds", "How late the first timer is", oldest.get("t", 0.0))
    decisions = connection.execute(sa.select(sa.func.count()).select_from(intents)).scalar_one()
    yield _gauge("protenders_engine_decisions", "Events whose consequences are being decided", decisions)
    due = connection.execute(sa.select(sa.func.min(schedules.c.next_at))).scalar()
    yield _gauge("protenders_engine_schedule_late_seconds", "How late the first cron is", _age(due, now))
    alive = sa.extract("epoch", sa.literal(now) - instances.c.seen_at) < instances.c.lease_seconds
    count = connection.execute(sa.select(sa.func.count()).select_from(instances).where(alive)).scalar_one()
    yield _gauge("protenders_engine_instances", "Engine processes that renew their lease", count)


def _server(connection: sa.Connection) -> Iterator[Metric]:
    found = measures.connections(connection)
    yield _gauge("protenders_database_connections", "Connections of the database server in use", found.used)
    yield _gauge("protenders_database_connections_allowed", "Connections that it allows", found.allowed)


def _pool(engine: sa.Engine) -> Iterator[Metric]:
    pool: Any = engine.pool
    yield _gauge("protenders_pool_checked_out", "This process's connections in use", pool.checkedout())
    yield _gauge("protenders_pool_size", "Connections that this process keeps", pool.size())
    most = pool.size() + pool._max_overflow
    yield _gauge("protenders_pool_most", "Connections that this process may have at once", most)


def _age(instant: datetime | None, now: datetime) -> float:
    return 0.0 if instant is None else max(0.0, (now - instant).total_seconds())


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _labelled(
    name: str, text: str, labels: Sequence[str], values: Mapping[tuple[str, ...], float]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(list(key), float(value))
    return family
