"""Walking the list: for discovery only. A short page, an empty page or a missing next link proves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from db import coverage, jobs, list_walks, sync_state
from db.list_walks import Walk
from functions.reading import read_all, stage
from functions.recorder import Json, Step
from ocds.dates import day_of
from ocds.errors import UpstreamError

_SMALLEST_PAGE = 2
_MOST_PAGES = 2000
# So many tenders known from days of which the list shows none say that the list is at fault.
_TELLING = 5


@dataclass(frozen=True, slots=True)
class Window:
    """Some consecutive publication days."""

    first: date
    last: date

    def to_json(self) -> Json:
        """For a step's output."""
        return {"from": self.first.isoformat(), "to": self.last.isoformat()}

    @classmethod
    def from_json(cls, value: Json) -> Window:
        """From a step's output."""
        return cls(date.fromisoformat(value["from"]), date.fromisoformat(value["to"]))


def windows(days: Sequence[date], *, longest: int) -> list[Window]:
    """Consecutive days joined into windows of at most `longest` days."""
    made: list[Window] = []
    for day in sorted(set(days)):
        last = made[-1] if made else None
        if last and day == last.last + timedelta(days=1) and (day - last.first).days < longest:
            made[-1] = Window(last.first, day)
        else:
            made.append(Window(day, day))
    return made


def days_to_list(
    *, today: date, cursor: date | None, incomplete: Sequence[date], overlap: int, first_days: int
) -> list[date]:
    """The days a routine sync lists: the recent ones, those never asked for, and incomplete ones that are due.

    Days after the cursor that are proven complete are left alone; so a day that stays incomplete costs its own
    retries, and not those of every day since. One that has not begun is never asked for.
    """
    incomplete = [day for day in incomplete if day <= today]
    if cursor is None:
        return sorted({*_range(today - timedelta(days=first_days - 1), today), *incomplete})
    recent = _range(min(cursor - timedelta(days=overlap - 1), today), min(cursor, today))
    tail = _range(max(cursor + timedelta(days=1), today - timedelta(days=overlap)), today)
    return sorted({*recent, *tail, *incomplete})


def determine(step: Step, *, from_date: date | None, to_date: date | None) -> Json:
    """Which days this job lists, as windows; explicit dates win and never move the cursor."""
    resources, limits = step.resources, step.resources.limits
    now = resources.clock()
    today = day_of(now)
    with resources.engine.begin() as conn:
        cursor = sync_state.cursor(conn)
        if from_date or to_date:
            last = min(to_date or today, today)
            days = _range(from_date or last - timedelta(days=limits.first_sync_days - 1), last)
        else:
            # A first sync that came to nothing may lie a while back: its days are still owed.
            begun = coverage.first_asked(conn) if cursor is None else cursor + timedelta(days=1)
            asked = coverage.asked_since(conn, cursor) if cursor else set()
            never = [] if begun is None else [day for day in _range(begun, today) if day not in asked]
            days = days_to_list(
                today=today,
                cursor=cursor,
                incomplete=[*coverage.incomplete_days(conn, due_by=now), *never],
                overlap=limits.overlap_days,
                first_days=limits.first_sync_days,
            )
        made = windows(days, longest=limits.window_days)
        window = {"from": days[0].isoformat(), "to": days[-1].isoformat()}
        jobs.add_metadata(conn, step.job_id, {"window": window})
    return {
        "windows": [each.to_json() for each in made],
        "window": window,
        "manual": bool(from_date or to_date),
        "start": (days[0] - timedelta(days=1)).isoformat(),
    }


def walk(step: Step, window: Window, *, routine: bool = True) -> Json:
    """Walk one window of the list to its believed end, staging page by page.

    A failing page is asked for again in smaller portions; when that does not help, the error is raised and the
    next attempt goes on where this one stopped. Only a `routine` walk begins the stretch of days that is proven.
    """
    resources, limits, job_id = step.resources, step.resources.limits, step.job_id
    with resources.engine.begin() as conn:
        state = list_walks.load(conn, job_id, window.first)
        shown = list_walks.shown(conn, job_id)
    at = state or Walk(0, limits.list_page_size, 0, 0, ended=False, seen=frozenset())
    seen = set(at.seen)
    rejected, future = 0, set[int]()
    position, size, barren, pages, ended = at.position, at.page_size, at.barren, at.pages, at.ended
    while not ended:
        step.beat()
        try:
            page = resources.ocds.list_page(
                window.first, window.last, page=position // size + 1, page_size=size
            )
        except UpstreamError:
            smaller = size // 5
            if smaller < _SMALLEST_PAGE:
                raise
            size = smaller
            continue
        now = resources.clock()
        found = read_all(page.releases, fetched_at=now)
        new = set(found.numbers) - seen
        seen |= new
        barren = 0 if new else barren + size
        position += size
        pages += 1
        size = _recovered(size, position, limits.list_page_size)
        ended = barren >= limits.barren_pages * limits.list_page_size or pages >= _MOST_PAGES
        future |= {each.n for each in found.accepted if _is_future(each.date, now)}
        with resources.engine.begin() as conn:
            differing = stage(conn, job_id, found, shown=shown, by="list", now=now)
            bad = len(found.rejected)
            rejected += bad
            # What differs counts when it is saved.
            jobs.add_effect(conn, job_id, step.name, processed=len(new - differing) + bad, rejected=bad)
            list_walks.save(
                conn,
                job_id,
                window.first,
                window.last,
                position=position,
                page_size=size,
                barren=barren,
                pages=pages,
                ended=ended,
                seen=seen,
            )
        shown |= new
    problem = "the list dates every release in the future" if seen and future >= seen else None
    return _settle(step, window, seen=seen, pages=pages, rejected=rejected, problem=problem, routine=routine)


def _settle(
    step: Step,
    window: Window,
    *,
    seen: set[int],
    pages: int,
    rejected: int,
    problem: str | None,
    routine: bool,
) -> Json:
    """End a walk: with a `problem`, its days do not count as listed."""
    resources = step.resources
    now = resources.clock()
    with resources.engine.begin() as conn:
        if problem:
            coverage.mark_unlisted(conn, window.first, window.last, routine=routine, reason=problem, now=now)
        else:
            coverage.mark_listed(conn, window.first, window.last, routine=routine, now=now)
    return {
        **window.to_json(),
        "pages": pages,
        "found": len(seen),
        "rejected": rejected,
        "problem": problem,
    }


def doubt_silence(step: Step, listed: Sequence[Json], *, routine: bool) -> list[str]:
    """Why some of these walks, which ended well, are not believed after all: the list showed nothing at all of days
    from which, as has turned out by now, several tenders are known."""
    problems: list[str] = []
    now = step.resources.clock()
    with step.resources.engine.begin() as conn:
        for walked in listed:
            window = Window.from_json(walked)
            known = 0 if walked["found"] else coverage.known_in(conn, window.first, window.last)
            if known < _TELLING:
                continue
            reason = f"the list shows nothing, although {known} tenders are known"
            coverage.mark_unlisted(conn, window.first, window.last, routine=routine, reason=reason, now=now)
            problems.append(f"{reason} from {window.first} to {window.last}")
    return problems


def _recovered(size: int, position: int, normal: int) -> int:
    """Back to the normal page size as soon as the position is on such a page's edge."""
    return normal if size < normal and position % normal == 0 else size


def _is_future(day: date | None, now: datetime) -> bool:
    return day is not None and day > day_of(now) + timedelta(days=1)


def _range(first: date, last: date) -> list[date]:
    return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]
