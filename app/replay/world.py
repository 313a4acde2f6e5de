"""The tenders that the stand-in serves, as they are at its clock: which exist, where they are listed, what
they contain.

A tender is a template (a captured tender) plus a few numbers: its id, its shift in days, its publication
day, its closing time, the moment it appears. Bodies are made when asked for, so 200,000 tenders need
little more memory than 2,000.
"""

from __future__ import annotations

import re
import threading
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime
from hashlib import blake2b
from random import Random

import orjson

from app.replay.calendar import JsonObject, day_number, move_all, wall_seconds
from app.replay.captures import Captures
from app.replay.changes import DAYS_LATER, KINDS, Change, award, change_release, change_row
from app.replay.config import ReplayConfig, ReplayError
from app.replay.derived import PREFIX, derive_release
from app.replay.shapes import to_newer, to_older

PUBLISHED, AWARDED, CLOSED, CANCELLED = 1, 2, 3, 4
_LABELS = {PUBLISHED: "Published", AWARDED: "Awarded", CLOSED: "Closed", CANCELLED: "Cancelled"}
_STATUSES = {label.lower(): status for status, label in _LABELS.items()}
_HOLE_EVERY = 53


class World:
    """All tenders at the stand-in's clock. Positions (`place`) are indices in the order of ids; methods are
    thread-safe.
    """

    def __init__(self, config: ReplayConfig, captures: Captures) -> None:
        self._clock = config.clock
        self._ahead = 0
        self._lock = threading.RLock()
        self._vocabulary = captures.vocabulary
        self._templates = list(captures.templates.values())
        self._synthetic = config.synthetic > 0
        self.start = self.now()
        self.numbers = array("q")
        self._template = array("l")
        self._shift = array("l")
        self._published = array("l")
        self._closes = array("q")
        self._appears = array("q")
        self._own_status: dict[int, int] = {}
        self._changes: dict[int, list[Change]] = {}
        self._due: list[tuple[int, int, str]] = []
        self._ordered: array[int] | None = None
        if self._synthetic:
            self._make(config)
        else:
            self._place_captures(config)
        if not self.numbers:
            raise ReplayError(f"--ids {config.ids}: no tender has such an id.")
        self._schedule(config)

    # -- building --

    def _place_captures(self, config: ReplayConfig) -> None:
        today = day_number(self.start)
        for place, template in enumerate(self._templates):
            if config.ids is not None and not config.ids[0] <= template.number <= config.ids[1]:
                continue
            if template.row is not None:
                label = str(orjson.loads(template.row)["status"]).lower()
                status = next((known for word, known in _STATUSES.items() if word[:5] in label), PUBLISHED)
                if status != PUBLISHED:
                    self._own_status[len(self.numbers)] = status
            self._add(template.number, place, _shift(config.shift, today - template.newest))

    def _make(self, config: ReplayConfig) -> None:
        usable = [place for place, template in enumerate(self._templates) if template.row is not None]
        if not usable:
            raise ReplayError("synthetic tenders are made from portal rows, and the captures hold none.")
        today = day_number(self.start)
        first = config.ids[0] if config.ids else 1
        for made in range(config.synthetic):
            number = first + made + made // _HOLE_EVERY
            if config.ids is not None and number > config.ids[1]:
                break
            place = usable[made % len(usable)]
            day = today - (config.synthetic - 1 - made) // config.synthetic_per_day
            self._add(number, place, day - self._templates[place].published)

    def _add(self, number: int, template: int, shift: int) -> None:
        captured = self._templates[template]
        self.numbers.append(number)
        self._template.append(template)
        self._shift.append(shift)
        self._published.append(captured.published + shift)
        self._closes.append(captured.closes + shift * 86_400)
        self._appears.append(0)

    def _schedule(self, config: ReplayConfig) -> None:
        span = config.publish_over.total_seconds()
        for place, number in enumerate(self.numbers):
            if config.hold_back and _draw(number, "hold") < config.hold_back:
                appears = self.start + 1 + int(span * _draw(number, "appears"))
                self._appears[place] = appears
                if number % 2 == 0 or self._closes[place] <= appears:
                    self._move(place, day_number(appears) - self._published[place])
            if config.churn and _draw(number, "churn") < config.churn:
                kind = "amend" if _draw(number, "kind") < 0.7 else "redate"
                self._due.append((self.start + 1 + int(span * _draw(number, "changes")), place, kind))
        self._due.sort(reverse=True)

    def _move(self, place: int, days: int) -> None:
        self._shift[place] += days
        self._published[place] += days
        self._closes[place] += days * 86_400

    # -- the clock --

    def now(self) -> int:
        """The stand-in's time in wall seconds."""
        return wall_seconds(self._clock()) + self._ahead

    def advance(self, seconds: int) -> None:
        """Set the clock forward; raises ValueError when it would go back."""
        if seconds < 0:
            raise ValueError("the stand-in's clock only goes forward")
        with self._lock:
            self._ahead += seconds
            self.settle()

    def advance_to(self, instant: datetime) -> None:
        """Set the clock to a later aware instant."""
        self.advance(wall_seconds(instant) - self.now())

    def settle(self) -> None:
        """Apply the scheduled changes whose time has come."""
        with self._lock:
            while self._due and self._due[-1][0] <= self.now():
                at, place, kind = self._due.pop()
                if self._appears[place] <= at and self._open(place, at):
                    self._change(place, kind, at)

    def stir(self, random: Random) -> None:
        """Let one thing happen: an open tender is amended or re-dated, or a held-back one published."""
        waiting = self.waiting()
        if waiting and random.random() < 0.4:
            self.publish([random.choice(waiting)])
            return
        listed = self.bucket(PUBLISHED)
        if listed:
            kind = "amend" if random.random() < 0.7 else "redate"
            self._change(random.choice(listed), kind, self.now())

    # -- what exists --

    def find(self, number: int) -> int | None:
        """The place of a published tender's id, None for a hole and for one that has not appeared yet."""
        place = bisect_left(self.numbers, number)
        return place if self.exists(number) and self._appears[place] <= self.now() else None

    def exists(self, number: int) -> bool:
        """Whether the id belongs to a tender at all, published yet or not."""
        place = bisect_left(self.numbers, number)
        return place < len(self.numbers) and self.numbers[place] == number

    def between(self, first_day: int, last_day: int) -> list[int]:
        """Places of the tenders published on these days (ordinals, both included), by day and id."""
        with self._lock:
            order, now = self._order(), self.now()
            start = bisect_left(order, first_day, key=self._published.__getitem__)
            end = bisect_right(order, last_day, key=self._published.__getitem__)
            return [place for place in order[start:end] if self._appears[place] <= now]

    def bucket(self, status: int) -> array[int]:
        """Places of the tenders that the portal lists under a status: newest day first, then by id."""
        with self._lock:
            order, now = self._order(), self.now()
            listed = array("l")
            end = len(order)
            while end:
                day = self._published[order[end - 1]]
                start = bisect_left(order, day, 0, end, key=self._published.__getitem__)
                listed.extend(
                    place
                    for place in order[start:end]
                    if self._appears[place] <= now
                    and self._listed(place)
                    and self._status(place, now) == status
                )
                end = start
            return listed

    def is_open(self, place: int) -> bool:
        """Whether the portal's open bucket lists the tender now."""
        return self._open(place, self.now())

    def status(self, place: int) -> int:
        """1 published, 2 awarded, 3 closed, 4 cancelled: the row's own status, closed by the clock."""
        return self._status(place, self.now())

    def _status(self, place: int, now: int) -> int:
        own = self._own_status.get(place, PUBLISHED)
        # The portal moves closed tenders in its own time: here at the midnight that follows.
        moved = (self._closes[place] // 86_400 + 1) * 86_400
        return CLOSED if own == PUBLISHED and moved <= now else own

    def _open(self, place: int, now: int) -> bool:
        return self._listed(place) and self._status(place, now) == PUBLISHED

    def _listed(self, place: int) -> bool:
        if self._templates[self._template[place]].row is None:
            return False
        last = next(
            (one.kind for one in reversed(self._changes.get(place, ())) if one.kind in ("vanish", "restore")),
            None,
        )
        return last != "vanish"

    def _order(self) -> array[int]:
        if self._ordered is None:
            days = self._published
            self._ordered = array("l", sorted(range(len(days)), key=lambda place: days[place] << 32 | place))
        return self._ordered

    # -- contents --

    def row(self, place: int, status: int | None = None) -> JsonObject:
        """The portal row in the newer shape, labelled with the bucket it is listed in."""
        template = self._templates[self._template[place]]
        row = to_newer(orjson.loads(move_all(template.row or b"{}", self._shift[place])), self._vocabulary)
        if self._synthetic:
            row = _renumbered(row, self.numbers[place])
        for change in self._changes.get(place, ()):
            row = change_row(row, change)
        return row | {"status": _LABELS[status or self.status(place)]}

    def release(self, place: int) -> JsonObject:
        """The release: the captured one where there is one, else derived from the row."""
        template = self._templates[self._template[place]]
        changes = self._changes.get(place, ())
        if template.release is None or self._synthetic:
            derived = derive_release(self.row(place, PUBLISHED) | {"status": self._release_status(place)})
            return award(derived) if any(change.kind == "award" for change in changes) else derived
        release: JsonObject = orjson.loads(move_all(template.release, self._shift[place]))
        if re.fullmatch(re.escape(release["ocid"]) + r"-\d{4}-\d\d-\d\d", str(release.get("id"))):
            release["id"] = f"{release['ocid']}-{release['date'][:10]}"
        for change in changes:
            release = change_release(release, change)
        return release

    def _release_status(self, place: int) -> str:
        # The API does not note that a closing time has passed: only a decision changes a release.
        return _LABELS[self._own_status.get(place, PUBLISHED)]

    def truth(self, offset: int = 0, limit: int | None = None) -> Iterator[JsonObject]:
        """What a complete and correct copy holds now, by id: one object per published tender.

        ``ocid``, ``release`` (the body of the release API), ``status`` (1 to 4), ``older`` and ``newer``
        (the portal row in both shapes, null where the portal has none). Faults and shortened lists play
        no part in it.
        """
        now = self.now()
        places = [place for place in range(len(self.numbers)) if self._appears[place] <= now]
        for place in places[offset : None if limit is None else offset + limit]:
            row = self.row(place) if self._listed(place) else None
            yield {
                "ocid": f"{PREFIX}{self.numbers[place]}",
                "release": self.release(place),
                "status": self.status(place),
                "newer": row,
                "older": to_older(row) if row else None,
            }

    # -- what happens to tenders --

    def change(self, number: int, kind: str) -> None:
        """Change a published tender now; ValueError for an unknown kind or an id that is not published."""
        place = self.find(number)
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r} is none of {', '.join(KINDS)}")
        if place is None:
            raise ValueError(f"no published tender has the id {number}")
        self._change(place, kind, self.now())

    def _change(self, place: int, kind: str, at: int) -> None:
        with self._lock:
            earlier = self._changes.setdefault(place, [])
            earlier.append(Change(kind, at, 1 + sum(change.kind == kind for change in earlier)))
            if kind in DAYS_LATER:
                self._closes[place] += DAYS_LATER[kind] * 86_400
            if kind == "redate":
                self._published[place] = day_number(at)
                self._ordered = None
            if kind in ("cancel", "award"):
                self._own_status[place] = CANCELLED if kind == "cancel" else AWARDED

    def waiting(self) -> list[int]:
        """Ids that are held back, in the order in which they appear."""
        now = self.now()
        held = [
            (appears, self.numbers[place]) for place, appears in enumerate(self._appears) if appears > now
        ]
        return [number for _, number in sorted(held)]

    def publish(self, numbers: Iterable[int]) -> int:
        """Publish held-back tenders now, with the dates they have; returns how many were held back."""
        published = 0
        with self._lock:
            now = self.now()
            for number in numbers:
                place = bisect_left(self.numbers, number)
                if self.exists(number) and self._appears[place] > now:
                    self._appears[place] = now
                    published += 1
        return published


def _shift(shift: str | int, to_today: int) -> int:
    if isinstance(shift, int):
        return shift
    return {"auto": to_today, "weeks": to_today // 7 * 7, "none": 0}[shift]


def _draw(number: int, purpose: str) -> float:
    """A number in [0, 1) that depends on nothing but the id and the purpose."""
    digest = blake2b(f"{purpose}:{number}".encode(), digest_size=7).digest()
    return int.from_bytes(digest) / 2**56


def _renumbered(row: JsonObject, number: int) -> JsonObject:
    documents = [
        document
        | {"tendersID": number, "supportDocumentID": f"{number:08x}{document['supportDocumentID'][8:]}"}
        for document in row["supportDocument"]
    ]
    return row | {"id": number, "supportDocument": documents}
