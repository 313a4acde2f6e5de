"""How the sync stands, as JSON."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from app import health
from app.dependencies import Reading, TheRuntime
from app.freshness import verdict
from db import console, jobs
from db.clock import iso

router = APIRouter(prefix="/api/admin", tags=["state"])


@router.get("/sync/state")
def sync_state(runtime: TheRuntime, connection: Reading) -> dict[str, Any]:
    """The cursor, the last and the next sync, the verdict and its causes."""
    facts = health.facts(connection, runtime)
    found = verdict(facts, runtime.clock())
    return {
        "source": runtime.source.kind,
        "engine": runtime.settings.engine_mode,
        "cursorDay": facts.cursor_day.isoformat() if facts.cursor_day else None,
        "lastSyncAt": iso(facts.last_complete_at),
        "lastStatus": facts.last_status,
        "runningSince": iso(facts.running_since),
        "nextDue": iso(facts.next_due),
        "coverage": {"missing": facts.missing, "awaitingRelease": facts.awaiting_release},
        "freshness": {
            "state": found.state,
            "headline": found.headline,
            "causes": list(found.causes),
            "ageSeconds": int(found.age.total_seconds()) if found.age is not None else None,
            "lateBySeconds": int(found.late_by.total_seconds()) if found.late_by is not None else 0,
        },
    }


@router.get("/metrics")
def metrics(runtime: TheRuntime, connection: Reading) -> dict[str, Any]:
    """Health and counts: jobs, hosts, enrichment, the pool."""
    pool: Any = runtime.engine.pool
    return {
        "jobs": jobs.statistics(connection, now=runtime.clock()),
        "jobsByStatus": console.status_counts(connection),
        "enrichment": console.enrichment_counts(connection),
        "hosts": [
            {
                "host": row.host,
                "state": row.state,
                "requests": row.requests,
                "errors": row.errors,
                "meanSeconds": row.mean_seconds,
                "lastStatus": row.last_status,
                "lastError": row.last_error,
                "lastOkAt": iso(row.last_ok_at),
                "lastErrorAt": iso(row.last_error_at),
            }
            for row in console.hosts(connection)
        ],
        "pool": {"size": pool.size(), "checkedOut": pool.checkedout()},
    }


@router.get("/enrichment/progress")
def enrichment(connection: Reading) -> dict[str, Any]:
    """How many tenders are enriched, how many wait, and why."""
    counts = console.enrichment_counts(connection)
    total = sum(counts.values())
    return {
        "total": total,
        "byStatus": counts,
        "share": round(counts["enriched"] / total, 4) if total else None,
        "reasons": [
            {
                "status": row.enrichment_status,
                "reason": row.reason,
                "tenders": row.tenders,
            }
            for row in console.enrichment_reasons(connection)
        ],
    }
