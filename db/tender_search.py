"""Searching tenders: what is asked for, one page of the answer, its counts, and all of it as a stream.

The order is always the newest publication first. Pages follow each other by key, never by offset, so that the
thousandth costs what the first one does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from db.clock import SOUTH_AFRICA
from db.tables import tender_documents, tenders
from db.tender_cursors import Position, parse
from db.tender_reads import COLUMNS, DOCUMENT_COLUMNS, Row, add_documents, as_json

LIFECYCLES = ("open", "closed", "cancelled", "awarded")
MAIN_CATEGORIES = ("goods", "works", "services")
FACETS = ("province", "detailed_category", "organ_of_state_type", "lifecycle")
COUNTED = 2_500
"""Facets are counted over at most so many of the tenders that fit: the newest, unless it is a word that many have."""

_LOOKED_THROUGH = 2_500
_OCID = re.compile(r"ocds-[a-z0-9]+-\d+", re.ASCII)
_NEGATION = re.compile(r"(?:^|\s)-\S")
_ORDER = (tenders.c.published_at.desc().nulls_last(), tenders.c.n.desc())


@dataclass(frozen=True, kw_only=True)
class Filters:
    """What to search for; what is None does not restrict. Days are South African days.

    `q` are words as one types them into a web search: all must occur, "a phrase", `or`, `-not`; or an ocid.
    `category` is a detailed or a main category; `buyer` a buyer's id, or its name in any case; `status` a lifecycle,
    or a status in the source's words. `published_from` and `published_to` include their day; `closing_before` ends
    where its day begins, `closing_after` begins where its day ends; `changed_since` includes its instant.
    """

    q: str | None = None
    province: str | None = None
    category: str | None = None
    buyer: str | None = None
    status: str | None = None
    lifecycle: str | None = None
    enrichment_status: str | None = None
    organ_of_state_type: str | None = None
    published_from: date | None = None
    published_to: date | None = None
    closing_before: date | None = None
    closing_after: date | None = None
    changed_since: datetime | None = None
    published_only: bool = True

    def given(self) -> dict[str, str]:
        """The filters that restrict, as they stand in a URL."""
        values = {
            field.name: getattr(self, field.name) for field in fields(self) if field.name != "published_only"
        }
        return {
            name: value.isoformat() if isinstance(value, date) else str(value)
            for name, value in values.items()
            if value not in (None, "")
        }


@dataclass(frozen=True)
class Counts:
    """How many of the tenders that fit have which value; `capped` when more than `COUNTED` fit."""

    total: int
    capped: bool
    values: dict[str, list[tuple[str, int]]]


@dataclass(frozen=True)
class Page:
    """Some tenders, and the cursor of the page that follows (None: this is the last)."""

    tenders: list[dict[str, Any]]
    next: str | None
    counts: Counts | None = None


@dataclass(frozen=True)
class _Found:
    """Rows of a page. `numbers` are the tenders that fit, the newest first, where finding the page showed them: all of
    them, or the first `COUNTED` and one more."""

    rows: list[Row]
    numbers: list[int] | None = None


def search(
    connection: sa.Connection,
    filters: Filters,
    *,
    limit: int,
    cursor: str | None = None,
    counted: bool = False,
) -> Page:
    """The newest tenders that fit, or those behind the cursor, with their documents. Raises `CursorError`.

    `counted`: with how all that fit are spread, wherever the page begins.
    """
    page, following = _page(connection, filters, limit=limit, cursor=cursor, counted=counted)
    found = [as_json(row) for row in page.rows]
    add_documents(connection, found)
    return Page(found, following, counts(connection, filters, page.numbers) if counted else None)


def rows_of_page(
    connection: sa.Connection, filters: Filters, *, limit: int, cursor: str | None = None
) -> tuple[list[Row], str | None]:
    """The rows of a page as Python has them, with `content_hash`, and the cursor of the next page."""
    page, following = _page(connection, filters, limit=limit, cursor=cursor, counted=False)
    return page.rows, following


def _page(
    connection: sa.Connection, filters: Filters, *, limit: int, cursor: str | None, counted: bool
) -> tuple[_Found, str | None]:
    after = None if cursor is None else parse(cursor)
    _plan_each_search(connection)
    found = _rows(connection, filters, after, limit + 1, counted=counted and after is None)
    rows = found.rows
    if len(rows) <= limit and after is not None and after.published is not None:
        rows += _rows(connection, filters, Position.before_undated(), limit + 1 - len(rows)).rows
    if len(rows) <= limit:
        return _Found(rows, found.numbers), None
    last = rows[limit - 1]
    return _Found(rows[:limit], found.numbers), str(Position(last.published_at, last.n))


def counts(connection: sa.Connection, filters: Filters, numbers: Sequence[int] | None = None) -> Counts:
    """How the tenders that fit are spread over provinces, categories, kinds of buyers and lifecycles.

    `numbers` are those that fit, the newest first, where they are known, one more than `COUNTED` if there are more.
    """
    _plan_each_search(connection)
    columns_of = sa.select(*(tenders.c[name] for name in FACETS))
    if numbers is not None:
        ordered = columns_of.where(tenders.c.n == sa.any_(sa.literal(list(numbers), pg.ARRAY(sa.BigInteger))))
    elif _words(filters):
        # The newest of a common word's tenders are known only after sorting all of them.
        ordered = columns_of.where(*conditions_of(filters))
    else:
        ordered = columns_of.where(*conditions_of(filters)).order_by(*_ORDER)
    found = ordered.limit(COUNTED + 1).subquery("found")
    columns = [found.c[name] for name in FACETS]
    total = sa.func.grouping(*columns) == 2 ** len(columns) - 1
    sets = sa.func.grouping_sets(*(sa.tuple_(column) for column in columns), sa.text("()"))
    rows = connection.execute(
        sa.select(
            sa.func.count(), total, *(sa.func.grouping(column) == 0 for column in columns), *columns
        ).group_by(sets)
    ).all()
    number = 0
    values: dict[str, list[tuple[str, int]]] = {name: [] for name in FACETS}
    for tenders_of, is_total, *rest in rows:
        if is_total:
            number = tenders_of
        for name, grouped, value in zip(FACETS, rest[: len(FACETS)], rest[len(FACETS) :], strict=True):
            if grouped and value is not None:
                values[name].append((value, tenders_of))
    for spread in values.values():
        spread.sort(key=lambda item: (-item[1], item[0]))
    return Counts(min(number, COUNTED), number > COUNTED, values)


class Stream(Iterable[Row]):
    """All tenders that fit, the newest first, `batch` rows in memory at a time.

    A row has the values of `COLUMNS` as Python has them, `content_hash`, and `documents`, a list of objects. `count` is
    their number if the connection keeps to one snapshot (REPEATABLE READ).
    """

    def __init__(self, connection: sa.Connection, filters: Filters, *, batch: int = 500) -> None:
        self._connection = connection
        self._filters = filters
        self._batch = batch

    def count(self) -> int:
        """How many they are."""
        _plan_each_search(self._connection)
        number = sa.select(sa.func.count()).select_from(tenders).where(*conditions_of(self._filters))
        return int(self._connection.execute(number).scalar_one())

    def __iter__(self) -> Iterator[Row]:
        _plan_each_search(self._connection)
        statement = (
            sa.select(*COLUMNS, tenders.c.content_hash, _documents().label("documents"))
            .where(*conditions_of(self._filters))
            .order_by(*_ORDER)
            .execution_options(stream_results=True, yield_per=self._batch)
        )
        with self._connection.execute(statement) as rows:
            yield from cast("Iterable[Row]", rows)


def has_category(connection: sa.Connection, name: str) -> bool:
    """Whether any published tender has this detailed category."""
    has = sa.exists().where(tenders.c.detailed_category == name, tenders.c.is_published)
    return bool(connection.execute(sa.select(has)).scalar_one())


def conditions_of(filters: Filters) -> list[sa.ColumnElement[bool]]:
    """The filters as conditions on `tenders`."""
    words = _words(filters)
    return [*_restrictions(filters), *([] if words is None else [_matches(words, tenders.c.search)])]


def _words(filters: Filters) -> str | None:
    """The words to search for, unless there are none or they are an ocid."""
    words = (filters.q or "").strip()
    return words if words and not _OCID.fullmatch(words) else None


def _restrictions(filters: Filters) -> list[sa.ColumnElement[bool]]:
    """All conditions but the words."""
    column = tenders.c
    found: list[sa.ColumnElement[bool]] = []
    if filters.published_only:
        found.append(column.is_published)
    if filters.q and _OCID.fullmatch(filters.q.strip()):
        found.append(column.ocid == filters.q.strip())
    if filters.buyer:
        name = filters.buyer.strip()
        by_name = sa.func.lower(column.buyer_name) == sa.func.lower(name)
        found.append(column.buyer_id == name if name.isdigit() else by_name)
    if filters.category:
        main = filters.category in MAIN_CATEGORIES
        found.append((column.main_category if main else column.detailed_category) == filters.category)
    if filters.status:
        of_ours = filters.status in LIFECYCLES
        found.append((column.lifecycle if of_ours else column.status) == filters.status)
    for name in ("province", "lifecycle", "enrichment_status", "organ_of_state_type"):
        value = getattr(filters, name)
        if value:
            found.append(column[name] == value)
    found += [
        bound
        for bound in (
            _from(column.published_at, filters.published_from),
            _before(column.published_at, _next(filters.published_to)),
            _before(column.closing_at, filters.closing_before),
            _from(column.closing_at, _next(filters.closing_after)),
        )
        if bound is not None
    ]
    if filters.changed_since:
        found.append(column.last_changed_at >= filters.changed_since)
    return found


def _rows(
    connection: sa.Connection,
    filters: Filters,
    after: Position | None,
    most: int,
    *,
    counted: bool = False,
) -> _Found:
    column = tenders.c
    conditions = [*_restrictions(filters), *_behind(after)]
    words = _words(filters)
    if words is None:
        statement = sa.select(*COLUMNS, column.n, column.content_hash).where(*conditions)
        return _Found(list(connection.execute(statement.order_by(*_ORDER).limit(most)).all()))
    # Common words are found quickly among the newest tenders, rare ones by their index. Which they are, the planner
    # guesses badly where words go together or exclude each other, so it is not asked: both ways have a bound.
    newest = (
        sa.select(*COLUMNS, column.n, column.content_hash, column.search)
        .where(*conditions)
        .order_by(*_ORDER)
        .limit(_LOOKED_THROUGH)
        .subquery("newest")
    )
    wanted = [newest.c[name] for name in (*(each.name for each in COLUMNS), "n", "content_hash")]
    order = (newest.c.published_at.desc().nulls_last(), newest.c.n.desc())
    among_newest = sa.select(*wanted).where(_matches(words, newest.c.search)).order_by(*order).limit(most)
    rows = list(connection.execute(among_newest).all())
    if len(rows) == most:
        return _Found(rows)
    fitting = (
        sa.select(column.n, column.published_at)
        .where(_matches(words, column.search), *conditions)
        .cte("fitting")
        .prefix_with("MATERIALIZED", dialect="postgresql")
    )
    order = (fitting.c.published_at.desc().nulls_last(), fitting.c.n.desc())
    by_index = sa.select(fitting.c.n).order_by(*order).limit(max(most, COUNTED + 1) if counted else most)
    numbers = list(connection.execute(by_index).scalars())
    chosen = sa.select(*COLUMNS, column.n, column.content_hash).where(column.n.in_(numbers[:most]))
    return _Found(
        list(connection.execute(chosen.order_by(*_ORDER)).all()) if numbers else [],
        numbers if counted else None,
    )


def _behind(after: Position | None) -> list[sa.ColumnElement[bool]]:
    column = tenders.c
    if after is None:
        return []
    if after.published is None:
        return [column.published_at.is_(None), column.n < after.n]
    # A comparison of rows is one condition on the index, wherever in it the page begins.
    place = sa.tuple_(after.published, after.n, types=[column.published_at.type, column.n.type])
    return [sa.tuple_(column.published_at, column.n) < place]


def _matches(words: str, search: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
    query: sa.ColumnElement[Any] = sa.func.websearch_to_tsquery(
        sa.literal_column("'english'::regconfig"), words
    )
    if not _NEGATION.search(words):
        # Tender numbers are indexed as they are; with "not" in it, either reading would let through what the
        # other one excludes.
        as_is = sa.func.websearch_to_tsquery(sa.literal_column("'simple'::regconfig"), words)
        query = query.op("||")(as_is)
    return search.op("@@", return_type=sa.Boolean())(query)


def _from(column: sa.ColumnElement[Any], day: date | None) -> sa.ColumnElement[bool] | None:
    return None if day is None else column >= _midnight(day)


def _before(column: sa.ColumnElement[Any], day: date | None) -> sa.ColumnElement[bool] | None:
    return None if day is None else column < _midnight(day)


def _next(day: date | None) -> date | None:
    """The day after; the last day that there is has none, which restricts nothing that is stored."""
    return None if day is None or day == date.max else day + timedelta(days=1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=SOUTH_AFRICA)


def _plan_each_search(connection: sa.Connection) -> None:
    """Until the transaction's end, every statement is planned for its own values.

    A plan for any words at all takes a common word for a rare one and sorts half of the table.
    """
    connection.execute(sa.text("SET LOCAL plan_cache_mode = force_custom_plan"))


def _documents() -> sa.ScalarSelect[Any]:
    """A tender's documents as one JSON array."""
    of_file = tender_documents.c
    pairs: list[sa.ColumnElement[Any]] = []
    for column in DOCUMENT_COLUMNS:
        pairs += (sa.literal_column(f"'{column.name}'"), column)
    file = sa.func.jsonb_build_object(*pairs, type_=pg.JSONB)
    return (
        sa.select(
            sa.func.coalesce(
                sa.func.jsonb_agg(pg.aggregate_order_by(file, of_file.position), type_=pg.JSONB),
                sa.text("'[]'::jsonb"),
                type_=pg.JSONB,
            )
        )
        .where(of_file.ocid == tenders.c.ocid)
        .scalar_subquery()
    )
