"""Fetching releases by ocid: politely, one after the other, each answer noted before the next question."""

from __future__ import annotations

from collections import Counter

from db import identifiers, jobs, staging
from db.identifiers import FAILING_AFTER, Due
from functions.gate import HostRestsError
from functions.reading import Readings, read_all, read_rejected_again, set_aside
from functions.recorder import Json, Step
from ocds.dates import day_of
from ocds.errors import UpstreamError

# So many failures in a row are the host's fault; with probes, whose identifiers may always fail, more.
_IN_A_ROW = 5
_PROBES_IN_A_ROW = 20
# Answers are written down in portions: a crash costs at most so many questions.
_AT_ONCE = 20


def fetch_missing(step: Step, *, first: bool, budget: int) -> Json:
    """Fetch the next batch of what is known to exist and not held, and probe a few identifiers beside it.

    The first batch is eager: what failed a moment ago may be answered now. `remaining` is what is still due after it.
    Raises the host's error when several questions in a row fail.
    """
    resources, limits, job_id = step.resources, step.resources.limits, step.job_id
    now = resources.clock()
    again = 0
    with resources.engine.begin() as conn:
        if first:
            again = read_rejected_again(conn, job_id, limit=limits.save_batch, now=now)
            identifiers.add_frontier(
                conn,
                job_id=job_id,
                above=limits.frontier_above,
                below=limits.frontier_below,
                limit=limits.frontier_probes,
                now=now,
            )
            # A day's drafts are few; more are left to a background run.
            identifiers.add_between(
                conn,
                since=limits.recent_days(day_of(now)),
                until=day_of(now),
                unless_over=limits.frontier_between,
                now=now,
            )
        # What earlier attempts have asked has been spent.
        asked = int(step.noted(conn).get("asked", 0))
        limit = max(0, min(budget - asked, limits.release_batch))
        wanted = identifiers.due(conn, job_id=job_id, limit=limit, now=now, eager=first)
    counts = fetch(step, wanted, asked=asked)
    with resources.engine.begin() as conn:
        remaining = identifiers.count_due(conn, job_id=job_id, now=resources.clock())
    return {
        "asked": asked + len(wanted),
        "fetched": counts["fetched"],
        "holes": counts["holes"],
        "failed": counts["failed"],
        "rejected": counts["rejected"],
        "readAgain": again,
        "remaining": remaining,
        "more": limit > 0 and (len(wanted) == limit or counts["woken"] > 0),
    }


def fetch(step: Step, wanted: list[Due], *, most_in_a_row: int | None = None, asked: int = 0) -> Counter[str]:
    """Ask for each of these and note each answer; a few failures in a row are the host's and are raised.

    What has been answered by then is kept, whatever happens. So many have earlier attempts of the step `asked`.
    """
    answers = _Answers(step, asked)
    in_a_row = 0
    try:
        for due in wanted:
            step.beat()
            try:
                raw = step.resources.ocds.release(due.ocid)
            except HostRestsError:
                raise
            except UpstreamError as error:
                in_a_row += 1
                answers.failed(due, str(error))
                usual = _IN_A_ROW if due.expected else _PROBES_IN_A_ROW
                if in_a_row >= (most_in_a_row or usual):
                    raise
            else:
                in_a_row = 0
                answers.answered(due, raw)
    finally:
        answers.note()
    return answers.counts


class _Answers:
    """Answers on their way into the database, a few at a time."""

    def __init__(self, step: Step, asked: int) -> None:
        self.counts: Counter[str] = Counter()
        self._step = step
        self._asked = asked
        self._held: list[tuple[Due, Readings | None, str | None]] = []
        # Failures of what is answered now. So many as make one identifier failing were the host's own, and are over.
        self._overcome = 0

    def answered(self, due: Due, raw: object) -> None:
        """The source gave a release, or said that there is none."""
        self._overcome += due.failures
        if raw is None:
            self.counts["holes"] += 1
            self._hold(due, None, None)
            return
        found = read_all([raw], fetched_at=self._step.resources.clock())
        self.counts["rejected" if found.rejected else "fetched"] += 1
        self._hold(due, found, None)

    def failed(self, due: Due, error: str) -> None:
        """The source did not answer properly."""
        self.counts["failed"] += 1
        self._hold(due, None, error)

    def note(self) -> None:
        """Write down what has not been written down."""
        if not self._held:
            return
        step = self._step
        now = step.resources.clock()
        with step.resources.engine.begin() as conn:
            read = [found for _, found, _ in self._held if found is not None]
            staging.stage(conn, step.job_id, [each for found in read for each in found.accepted])
            rejected = [each for found in read for each in found.rejected]
            set_aside(conn, step.job_id, rejected, by="probe", now=now)
            jobs.add_effect(conn, step.job_id, step.name, processed=len(rejected), rejected=len(rejected))
            if self._overcome >= FAILING_AFTER and "woken" not in self.counts:
                self.counts["woken"] = identifiers.wake_failing(conn, now=now)
            for due, found, error in self._held:
                if error is not None:
                    identifiers.record_failure(conn, due.n, ocid=due.ocid, error=error, now=now)
                elif found is None:
                    identifiers.record_hole(conn, due.n, ocid=due.ocid, now=now)
                elif found.rejected and found.rejected[0].ocid is None:
                    reason = found.rejected[0].reason
                    identifiers.record_rejected(
                        conn, due.n, ocid=due.ocid, reason=reason, by="probe", now=now
                    )
            step.note(conn, asked=self._asked + len(self._held))
        self._asked += len(self._held)
        self._held.clear()

    def _hold(self, due: Due, found: Readings | None, error: str | None) -> None:
        self._held.append((due, found, error))
        if len(self._held) >= _AT_ONCE:
            self.note()
