"""The fault-free answers of both hosts: what each endpoint says to a query."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import urlencode

import orjson

from app.replay.calendar import JsonObject, stamp
from app.replay.derived import PREFIX
from app.replay.shapes import to_older
from app.replay.world import World

JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
API = "https://ocds-api.etenders.gov.za/api/OCDSReleases"
_CHUNK_ROWS = 100

Query = Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """One HTTP answer; a body that is an iterator is sent in chunks as it is made."""

    body: bytes | Iterator[bytes]
    status: int = 200
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """What the portal makes of a bucket: which of its tenders it lists, and how it words each (newer-shape)
    row.
    """

    select: Callable[[Sequence[int]], Sequence[int]] = lambda places: places
    edit: Callable[[JsonObject], JsonObject] = lambda row: row


PLAIN = View()


class BadQueryError(Exception):
    """The query lacks something mandatory; answered with 400 and this text, as the API does."""


@dataclass(frozen=True)
class Window:
    """A parsed query of the list API: days as ordinals, both included; pages count from 1."""

    first_day: int
    last_day: int
    page: int
    size: int

    @classmethod
    def read(cls, query: Query) -> Window:
        """Raises `BadQueryError` when a date is missing or malformed."""
        return cls(
            _day(query, "dateFrom"),
            _day(query, "dateTo"),
            _count(query, "pagenumber", 1),
            _count(query, "pagesize", 50),
        )


def _day(query: Query, name: str) -> int:
    text = query.get(name.lower(), "")
    try:
        return date.fromisoformat(text[:10]).toordinal()
    except ValueError:
        raise BadQueryError(f"{name} is required and must be a date (yyyy-MM-dd).") from None


def _count(query: Query, name: str, default: int) -> int:
    text = query.get(name, "")
    return int(text) if text.isdecimal() and 0 < int(text) < 2**31 else default


def list_page(world: World, query: Query) -> Answer:
    """``GET /api/OCDSReleases``: the window's releases, sorted by day and id, cut into pages."""
    window = Window.read(query)
    places = world.between(window.first_day, window.last_day)
    start = (window.page - 1) * window.size
    page = places[start : start + window.size]
    return package(world, window, page, more=start + window.size < len(places))


def package(world: World, window: Window, places: Iterable[int], *, more: bool) -> Answer:
    """A release package of these tenders; without a next and a previous page it has no links, as captured."""
    result: JsonObject = {
        "uri": _page_url(window, window.page),
        "version": "1.1",
        "publishedDate": stamp(world.now(), zulu=True),
        "publisher": {
            "name": "National Treasury (South Africa)",
            "uri": "https://data.etenders.gov.za/",
        },
        "license": "https://opendatacommons.org/licenses/pddl/1-0/111",
        "releases": [world.release(place) for place in places],
    }
    links = {}
    if more:
        links["next"] = _page_url(window, window.page + 1)
    if window.page > 1:
        links["prev"] = _page_url(window, window.page - 1)
    if links:
        result["links"] = links
    return Answer(orjson.dumps(result))


def _page_url(window: Window, page: int) -> str:
    days = (date.fromordinal(window.first_day), date.fromordinal(window.last_day))
    query = {"PageNumber": page, "PageSize": window.size, "dateFrom": days[0], "dateTo": days[1]}
    return f"{API}?{urlencode(query)}"


def release(world: World, ocid: str, *, hole_status: int = 200) -> Answer:
    """``GET /api/OCDSReleases/release/{ocid}``: the bare release, ``{}`` for an id without one."""
    number = ocid.removeprefix(PREFIX)
    place = world.find(int(number)) if number.isdecimal() and len(number) < 18 else None
    return Answer(b"{}", status=hole_status) if place is None else Answer(orjson.dumps(world.release(place)))


def page(world: World, query: Query, view: View = PLAIN) -> Answer:
    """``GET /Home/PaginatedTenderOpportunities``: newest first, newer row shape; a search is ignored."""
    status = _count(query, "status", 1)
    start = int(query["start"]) if query.get("start", "").isdecimal() else 0
    length = _count(query, "length", 10)
    listed = view.select(world.bucket(status))
    result = {
        "draw": _count(query, "draw", 0),
        "recordsTotal": len(listed),
        "recordsFiltered": len(listed),
        "data": [view.edit(world.row(place, status)) for place in listed[start : start + length]],
    }
    return Answer(orjson.dumps(result))


def bucket(world: World, query: Query, view: View = PLAIN) -> Answer:
    """``GET /Home/TenderOpportunities/``: a whole bucket in the older row shape, sent while it is made."""
    status = _count(query, "status", 1)
    listed = view.select(world.bucket(status))
    return Answer(stream(listed, lambda place: to_older(view.edit(world.row(place, status)))))


def stream(places: Iterable[int], row: Callable[[int], JsonObject]) -> Iterator[bytes]:
    """A JSON array of rows in chunks of a hundred."""
    separator, chunk = b"[", list[bytes]()
    for place in places:
        chunk += (separator, orjson.dumps(row(place)))
        separator = b","
        if len(chunk) >= 2 * _CHUNK_ROWS:
            yield b"".join(chunk)
            chunk.clear()
    yield b"".join(chunk) + (b"[]" if separator == b"[" else b"]")


def download(query: Query) -> Answer:
    """``GET /home/Download``: a small made file under the name asked for; 404 without a blob name."""
    blob = query.get("blobname", "")
    if not blob:
        return Answer(b"blobName is required.", status=404, content_type=TEXT)
    name = "".join(
        letter
        for letter in query.get("downloadedfilename", blob)
        if letter.isprintable() and letter not in '"\\'
    )
    body = b"Recorded eTenders stand-in: the files of tenders were not captured.\n" + blob.encode() + b"\n"
    disposition = f'attachment; filename="{name.encode("ascii", "replace").decode()}"'
    return Answer(body, content_type="application/octet-stream", headers={"content-disposition": disposition})
