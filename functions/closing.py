"""The end of a job: with its verdict, after a failure, or after a cancellation by the engine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import inngest
from ulid import ULID

from db import coverage, jobs, staging
from functions.recorder import Json, Kind, Recorder, Step
from functions.resources import Resources
from functions.verdict import Verdict, of_sync

FAILED_KINDS = {"UpstreamError": "EXTERNAL_API", "HostRestsError": "EXTERNAL_API", "InvalidEvent": "DATA"}


def close_sync(
    run: Recorder,
    *,
    list_problems: Sequence[str],
    portal_problem: str | None,
    other_problems: Sequence[str] | None = None,
) -> Json:
    """Step `update-job-log` of a sync: coverage, verdict, end. Without `other_problems`, it came no further."""

    def close(step: Step) -> Json:
        resources = step.resources
        with resources.engine.begin() as conn:
            covered = coverage.summary(conn)
            verdict = of_sync(
                list_problems=list_problems,
                portal_problem=portal_problem,
                other_problems=other_problems or (),
                went_on=other_problems is not None,
                missing=covered.missing,
                awaiting=covered.awaiting_release,
            )
            jobs.add_metadata(conn, step.job_id, {"coverage": covered.to_json()})
            _close(conn, step, verdict)
        return {"status": verdict.status, "note": verdict.note, **covered.to_json()}

    return _end(run.step("update-job-log", close, last=True))


def close_work(run: Recorder, verdict: Verdict) -> Json:
    """Step `update-job-log` of any other job."""

    def close(step: Step) -> Json:
        with step.resources.engine.begin() as conn:
            jobs.add_metadata(conn, step.job_id, {"coverage": coverage.summary(conn).to_json()})
            _close(conn, step, verdict)
        return {"status": verdict.status, "note": verdict.note}

    return _end(run.step("update-job-log", close, last=True))


def _close(conn: Any, step: Step, verdict: Verdict) -> None:
    error = None
    if verdict.status == "FAILED":
        error = {"kind": "EXTERNAL_API", "name": "UpstreamError", "message": verdict.note}
    jobs.close(conn, step.job_id, verdict.status, now=step.resources.clock(), note=verdict.note, error=error)


def _end(closed: Json) -> Json:
    if closed["status"] == "FAILED":
        raise inngest.NonRetriableError(closed["note"], quiet=True)
    return closed


def on_failure(resources: Resources, kind: Kind) -> Any:
    """The handler that closes the job of a failed run: FAILED, with the kind of its last error."""

    def closes(ctx: inngest.ContextSync) -> Json:
        return ctx.step.run("close-job", _close_failed, resources, kind, dict(ctx.event.data))

    return closes


def _close_failed(resources: Resources, kind: Kind, data: dict[str, Any]) -> Json:
    run_id = str(data.get("run_id"))
    given = data.get("error")
    error = given if isinstance(given, dict) else {"message": str(given)}
    name = str(error.get("name") or "Error")
    fault = {
        "kind": FAILED_KINDS.get(name, "APPLICATION"),
        "name": name,
        "message": str(error.get("message") or "the run failed without a message")[:2000],
    }
    now = resources.clock()
    with resources.engine.begin() as conn:
        job_id = jobs.of_run(conn, run_id)
        if job_id is None:
            # The run failed before it could open its job: the log must still tell.
            event = data.get("event") if isinstance(data.get("event"), dict) else {}
            job_id = jobs.create(
                conn,
                job_id=str(ULID.from_datetime(now)),
                type=kind.type,
                function_id=kind.function_id,
                run_id=run_id,
                event_id=(event or {}).get("id"),
                source=resources.source,
                triggered_by=None,
                actor=None,
                parameters=(event or {}).get("data") or {},
                now=now,
            ).id
        recorded = jobs.last_error(conn, job_id)
        closed = jobs.close(conn, job_id, "FAILED", now=now, error=recorded or fault)
        staging.discard(conn, job_id)
    return {"jobId": job_id, "closed": closed}


def close_cancelled(resources: Resources, data: dict[str, Any]) -> Json:
    """Close the job of a run that the engine cancelled."""
    with resources.engine.begin() as conn:
        job_id = jobs.of_run(conn, str(data.get("run_id")))
        closed = job_id is not None and jobs.close(
            conn, job_id, "CANCELLED", now=resources.clock(), note="the run was cancelled"
        )
        if job_id is not None and closed:
            staging.discard(conn, job_id)
    return {"jobId": job_id, "closed": closed}
