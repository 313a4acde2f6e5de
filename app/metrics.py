"""Prometheus metrics, read from the database when asked: true after any restart, the same from every worker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric

from app import health
from app.freshness import verdict
from app.runtime import Runtime
from db import console

CONTENT_TYPE = CONTENT_TYPE_LATEST


class _Collector:
    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterable[Metric]:
        runtime = self._runtime
        with runtime.engine.connect() as connection:
            facts = health.facts(connection, runtime)
            by_status = console.status_counts(connection)
            enrichment = console.enrichment_counts(connection)
            hosts = console.hosts(connection)
        found = verdict(facts, runtime.clock())
        age = -1.0 if found.age is None else found.age.total_seconds()
        yield _gauge("protenders_sync_age_seconds", "Since the last complete sync; -1: there was none", age)
        late = 0.0 if found.late_by is None else found.late_by.total_seconds()
        yield _gauge("protenders_sync_late_seconds", "By how much the promised time is missed", late)
        yield _gauge("protenders_fresh", "1 while the promised time is kept", float(found.ok))
        yield _gauge(
            "protenders_coverage_missing", "Tenders known to exist that are not there", facts.missing
        )
        awaiting = facts.awaiting_release
        yield _gauge("protenders_coverage_awaiting_release", "Tenders shown from the portal only", awaiting)
        yield _labelled("protenders_jobs", "Jobs in the log", "status", by_status)
        yield _labelled("protenders_tenders_enrichment", "Tenders", "status", enrichment)
        for name, text, column in _HOST_GAUGES:
            values = {row.host: float(getattr(row, column) or 0) for row in hosts}
            yield _labelled(name, text, "host", values)
        yield _labelled(
            "protenders_upstream_open",
            "1 while the host is not asked",
            "host",
            {r.host: r.state == "open" for r in hosts},
        )
        pool: Any = runtime.engine.pool
        yield _gauge("protenders_pool_checked_out", "Database connections in use", pool.checkedout())
        yield _gauge("protenders_pool_size", "Database connections kept", pool.size())


_HOST_GAUGES = (
    ("protenders_upstream_requests", "Requests to the host", "requests"),
    ("protenders_upstream_errors", "Requests that failed", "errors"),
    ("protenders_upstream_mean_seconds", "Mean time of an answer", "mean_seconds"),
)


def render(runtime: Runtime) -> str:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(runtime))
    return generate_latest(registry).decode()


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def _labelled(name: str, text: str, label: str, values: dict[str, Any]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], float(value))
    return family
