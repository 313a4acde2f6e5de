"""Fetching releases by ocid: politely, one after the other, each answer noted before the next question."""

from __future__ import annotations

from collections import Counter

from db import identifiers, jobs, staging
from db.identifiers import Due
from functions.gate import HostRestsError
from functions.reading import read_all, read_rejected_again, set_aside
from functions.recorder import Json, Step
from ocds.errors import UpstreamError

# So many failures in a row are the host's fault; with probes, whose identifiers may always fail, more.
_IN_A_ROW = 5
_PROBES_IN_A_ROW = 20


def fetch_missing(step: Step, *, first: bool, budget: int) -> Json:
    """Fetch the next batch of what is known to exist and not held, and probe a few identifiers beside it.

    `remaining` is what is still due after it. Raises the host's error when several questions in a row fail.
    """
    resources, limits, job_id = step.resources, step.resources.limits, step.job_id
    now = resources.clock()
    again = 0
    with resources.engine.begin() as conn:
        if first:
            again = read_rejected_again(conn, job_id, limit=limits.save_batch, now=now)
            identifiers.add_frontier(
                conn,
                above=limits.frontier_above,
                below=limits.frontier_below,
                limit=limits.frontier_probes,
                now=now,
            )
        limit = min(budget, limits.release_batch)
        wanted = identifiers.due(conn, job_id=job_id, limit=limit, now=now)
    counts = fetch(step, wanted)
    with resources.engine.begin() as conn:
        remaining = identifiers.count_due(conn, job_id=job_id, now=resources.clock())
        jobs.add_effect(conn, job_id, step.name, processed=counts["rejected"], rejected=counts["rejected"])
    return {
        "asked": len(wanted),
        "fetched": counts["fetched"],
        "holes": counts["holes"],
        "failed": counts["failed"],
        "rejected": counts["rejected"],
        "readAgain": again,
        "remaining": remaining,
        "more": len(wanted) == limit > 0,
    }


def fetch(step: Step, wanted: list[Due]) -> Counter[str]:
    """Ask for each of these and note each answer; a few failures in a row are the host's and are raised."""
    counts: Counter[str] = Counter()
    in_a_row = 0
    for due in wanted:
        step.beat()
        try:
            outcome = _fetch_one(step, due)
        except HostRestsError:
            raise
        except UpstreamError as error:
            in_a_row += 1
            counts["failed"] += 1
            with step.resources.engine.begin() as conn:
                identifiers.record_failure(
                    conn, due.n, ocid=due.ocid, error=str(error), now=step.resources.clock()
                )
            if in_a_row >= (_IN_A_ROW if due.expected else _PROBES_IN_A_ROW):
                raise
            continue
        in_a_row = 0
        counts[outcome] += 1
    return counts


def _fetch_one(step: Step, due: Due) -> str:
    resources = step.resources
    raw = resources.ocds.release(due.ocid)
    now = resources.clock()
    if raw is None:
        with resources.engine.begin() as conn:
            identifiers.record_hole(conn, due.n, ocid=due.ocid, now=now)
        return "holes"
    found = read_all([raw], fetched_at=now)
    with resources.engine.begin() as conn:
        staging.stage(conn, step.job_id, found.accepted)
        set_aside(conn, step.job_id, found.rejected, by="probe", now=now)
        if found.rejected and found.rejected[0].ocid is None:
            identifiers.record_rejected(
                conn, due.n, ocid=due.ocid, reason=found.rejected[0].reason, by="probe", now=now
            )
    return "rejected" if found.rejected else "fetched"
