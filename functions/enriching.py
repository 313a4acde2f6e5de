"""Enrichment and saving as steps: plan what to make, make it batch by batch, save it as a whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

import inngest
import sqlalchemy as sa

from db import coverage, identifiers, jobs, portal_rows, saving, staging
from db.staging import FetchedRelease, Source
from db.tender_rows import TenderRow
from functions.making import Rules, make_all
from functions.recorder import Body, Json, Recorder, Step
from ocds.dates import day_of
from ocds.ids import ocid_of

_CHUNK = 250
_OVER = "over the limit of this run"
_OFF = "enrichment is switched off"
_OFF_FOR = timedelta(days=1)
_STILL_TRUE = timedelta(hours=2)
"""What the open bucket did not show so long ago, it may show now: nobody has been able to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a job enriches: at most so many, whether at all, and whether publication waits for it.

    `tells`: whether its progress is that of the enriching; a history's is that of its identifiers.
    """

    limit: int
    require: bool = False
    tells: bool = True


def configure_changes(manner: Manner) -> Body:
    """Step `configure-enrichment` of a sync: what it found, what the portal changed, and what is due."""

    def configure(step: Step) -> Json:
        limits = step.resources.limits
        with step.resources.engine.begin() as conn:
            return staging.plan_changes(
                conn,
                step.job_id,
                batch_size=limits.enrichment_batch,
                limit=manner.limit if limits.enable_enrichment else 0,
                now=step.resources.clock(),
            )

    return configure


def configure_today(manner: Manner) -> Body:
    """The same for what was published today; the day begins and ends in South Africa."""

    def configure(step: Step) -> Json:
        today = day_of(step.resources.clock())
        return configure_pending(manner, first=today, last=today)(step)

    return configure


def configure_pending(manner: Manner, *, first: date | None, last: date | None) -> Body:
    """Step `configure-enrichment` of a job that enriches what is not enriched yet."""

    def configure(step: Step) -> Json:
        limits = step.resources.limits
        with step.resources.engine.begin() as conn:
            return staging.plan_pending(
                conn,
                step.job_id,
                batch_size=limits.enrichment_batch,
                limit=manner.limit if limits.enable_enrichment else 0,
                first=first,
                last=last,
                now=step.resources.clock(),
            )

    return configure


def enrich(run: Recorder, plan: Json, manner: Manner) -> Json:
    """Steps `enrich-tenders-<n>`, side by side. A batch that fails for good is saved without being enriched."""
    steps = {
        f"enrich-tenders-{batch}": enrich_batch(batch, manner) for batch in range(1, plan["batches"] + 1)
    }
    problems: list[str] = []
    made = 0
    for outcome in run.parallel(steps) if steps else ():
        if isinstance(outcome, inngest.StepError):
            problems.append(f"a batch could not be enriched: {outcome.message}")
        else:
            made += outcome["made"]
    return {"made": made, "problems": problems}


def enrich_batch(batch: int, manner: Manner) -> Body:
    """Step `enrich-tenders-<batch>`: join releases and portal rows by their number."""

    def make_batch(step: Step) -> Json:
        return {"made": _make_all(step, manner, batch=batch, enriched=True)}

    return make_batch


def save_to_database(manner: Manner) -> Callable[[Step], Json]:
    """Step `save-to-database`: make what is in no finished batch, then save all of it, a portion at a time."""

    def save(step: Step) -> Json:
        _make_all(step, manner, batch=None, enriched=False)
        return _save_all(step, manner)

    return save


def save_fetched(step: Step) -> None:
    """Make, enrich and save everything that the job has fetched by now: background work in small portions."""
    resources = step.resources
    while True:
        step.beat()
        with resources.engine.begin() as conn:
            portal_read = portal_rows.last_accepted(conn, coverage.OPEN_BUCKET) is not None
            sources = staging.staged_sources(conn, step.job_id, limit=_CHUNK)
        if not sources:
            return
        rules = Rules(
            now=resources.clock(),
            enrich=resources.limits.enable_enrichment,
            held_back=_OFF,
            held_for=_OFF_FOR,
            portal_read=portal_read,
        )
        tenders, unmade = make_all(sources, rules)
        made = {tender.n: tender for tender in tenders}
        fetched = [_fetched(source, made.get(source.n)) for source in sources]
        with resources.engine.begin() as conn:
            saving.save(
                conn, job_id=step.job_id, step=step.name, fetched=fetched, made=tenders, now=rules.now
            )
            _set_aside(conn, unmade, rules)
            staging.unstage(conn, step.job_id, [source.n for source in sources])


def _fetched(source: Source, made: TenderRow | None) -> FetchedRelease:
    if source.release_hash is None or source.release_fetched_at is None:
        message = f"the staged release of {ocid_of(source.n)} has no hash or time"
        raise ValueError(message)
    content = made.content if made else {}
    return FetchedRelease(
        n=source.n,
        ocid=ocid_of(source.n),
        release_id=content.get("release_id"),
        date=content.get("date"),
        content_hash=source.release_hash,
        body=source.release,
        fetched_at=source.release_fetched_at,
    )


def _set_aside(conn: sa.Connection, unmade: Sequence[tuple[int, str]], rules: Rules) -> None:
    """Note of which identifiers no tender could be made, and why; they are asked for again."""
    for n, reason in unmade:
        identifiers.record_rejected(conn, n, ocid=ocid_of(n), reason=reason, by="release", now=rules.now)


def _save_all(step: Step, manner: Manner) -> Json:
    resources = step.resources
    while True:
        if step.beat():
            _say_how_far(step, manner, "saved")
        with resources.engine.begin() as conn:
            saved = saving.save_staged(
                conn,
                job_id=step.job_id,
                step=step.name,
                limit=resources.limits.save_batch,
                now=resources.clock(),
            )
        if saved is None:
            break
    _say_how_far(step, manner, "saved")
    with resources.engine.begin() as conn:
        unmade = staging.planned(conn, step.job_id)
        jobs.add_effect(conn, step.job_id, step.name, processed=unmade, rejected=unmade)
        counts = jobs.effects(conn, step.job_id)
        staging.discard(conn, step.job_id)
    return {name: counts[name] for name in ("added", "updated", "enriched")}


def _say_how_far(step: Step, manner: Manner, what: Literal["made", "saved"]) -> None:
    if not manner.tells:
        return
    with step.resources.engine.begin() as conn:
        total = staging.planned(conn, step.job_id)
        if what == "made":
            done = staging.staged(conn, step.job_id)
        else:
            done = jobs.effects(conn, step.job_id, step=step.name)["processed"]
            total += done
    step.progress(phase=f"tenders {what}", done=done, total=total)


def _make_all(step: Step, manner: Manner, *, batch: int | None, enriched: bool) -> int:
    resources = step.resources
    with resources.engine.begin() as conn:
        seen = portal_rows.last_accepted(conn, coverage.OPEN_BUCKET)
    portal_read = seen is not None and resources.clock() - seen.fetched_at <= _STILL_TRUE
    made, after = 0, 0
    while True:
        if step.beat():
            _say_how_far(step, manner, "made")
        rules = Rules(
            now=resources.clock(),
            enrich=enriched,
            held_back=_OVER if resources.limits.enable_enrichment else _OFF,
            held_for=timedelta(0) if resources.limits.enable_enrichment else _OFF_FOR,
            portal_read=portal_read,
            require_enrichment=manner.require,
        )
        with resources.engine.begin() as conn:
            sources = staging.sources(conn, step.job_id, batch=batch, after=after, limit=_CHUNK)
        if not sources:
            _say_how_far(step, manner, "made")
            return made
        tenders, unmade = make_all(sources, rules)
        with resources.engine.begin() as conn:
            staging.put_tenders(conn, step.job_id, tenders, batch=batch)
            _set_aside(conn, unmade, rules)
        made += len(tenders)
        after = sources[-1].n
