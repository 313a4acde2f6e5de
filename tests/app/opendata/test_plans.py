"""How PostgreSQL answers what people ask of many tenders: by an index, whatever the filter, however deep the page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from db import tender_reads, tender_search
from db.engine import make_engine
from db.tender_cursors import CursorError, Position, parse
from db.tender_search import Filters
from tests.app.opendata.stock import multiply
from tests.conftest import temporary_database

TENDERS = 20_000
MOST_ROWS = 9_000
"""No step of a plan reads more rows than that; it is less than half of the tenders, and more than any bound."""

FILTERS = {
    "everything": Filters(),
    "a common word": Filters(q="supply"),
    "words that go together": Filters(q="supply and delivery"),
    "a rare word": Filters(q="locomotive"),
    "words that exclude each other": Filters(q="chicken security"),
    "a word that never occurs": Filters(q="zzzzzz"),
    "an exclusion": Filters(q="construction -road"),
    "an ocid": Filters(q="ocds-9t57fa-136707"),
    "a province": Filters(province="Northern Cape"),
    "a province that never occurs": Filters(province="Atlantis"),
    "a category": Filters(category="Education"),
    "a main category": Filters(category="services"),
    "a buyer's id": Filters(buyer="12"),
    "a buyer's name": Filters(buyer="City of Cape Town"),
    "a buyer that never occurs": Filters(buyer="Nobody"),
    "a lifecycle": Filters(status="open"),
    "a status that never occurs": Filters(status="withdrawn"),
    "a kind of buyer": Filters(organ_of_state_type="Constitutional Institution"),
    "a kind of buyer that never occurs": Filters(organ_of_state_type="Atlantis"),
    "days": Filters(published_from=date(2022, 8, 1), published_to=date(2022, 8, 7)),
    "open ones closing soon": Filters(status="open", closing_before=date(2022, 11, 10)),
    "a province's word": Filters(province="Gauteng", q="maintenance"),
    "a kind's word": Filters(organ_of_state_type="SETA", q="supply"),
    "changes": Filters(changed_since=datetime(2022, 11, 4, tzinfo=UTC)),
}


@pytest.fixture(scope="module")
def connection(pg_server: str, stocked_database: str) -> Iterator[sa.Connection]:
    name = sa.make_url(stocked_database).database
    with temporary_database(pg_server, template=name) as url:
        engine = make_engine(url)
        multiply(engine, total=TENDERS)
        with engine.connect() as opened:
            yield opened
        engine.dispose()


def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from steps(part)


def plans_of(connection: sa.Connection, ask: Callable[[], object]) -> list[dict[str, Any]]:
    """The plans of all SELECTs that `ask` makes, as they ran."""
    seen: list[tuple[str, Any]] = []

    def note(_: Any, cursor: Any, statement: str, parameters: Any, *rest: Any) -> None:
        del cursor, rest
        if statement.startswith(("SELECT", "WITH")):
            seen.append((statement, parameters))

    sa.event.listen(connection, "before_cursor_execute", note)
    try:
        ask()
    finally:
        sa.event.remove(connection, "before_cursor_execute", note)
    found = []
    for statement, parameters in seen:
        explained = connection.exec_driver_sql(
            f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}", parameters
        ).scalar_one()
        document = json.loads(explained) if isinstance(explained, str) else explained
        found.append(document[0]["Plan"])
    assert found
    return found


def assert_by_index(plans: list[dict[str, Any]]) -> None:
    for plan in plans:
        for step in steps(plan):
            assert step["Node Type"] != "Seq Scan", json.dumps(plan, indent=1)
            read = (step["Actual Rows"] + step.get("Rows Removed by Filter", 0)) * step["Actual Loops"]
            assert read <= MOST_ROWS, json.dumps(plan, indent=1)


@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
def test_a_page_is_read_by_an_index(connection: sa.Connection, filters: Filters) -> None:
    assert_by_index(plans_of(connection, lambda: tender_search.search(connection, filters, limit=50)))


@pytest.mark.parametrize("name", ["everything", "a common word", "a province", "a lifecycle"])
def test_a_deep_page_costs_what_the_first_one_does(connection: sa.Connection, name: str) -> None:
    cursor = str(Position(datetime(2022, 7, 9, 8, 30, tzinfo=UTC), 900_000))
    plans = plans_of(
        connection, lambda: tender_search.search(connection, FILTERS[name], limit=50, cursor=cursor)
    )
    assert_by_index(plans)


@pytest.mark.parametrize("filters", [FILTERS[name] for name in FILTERS if "word" not in name])
def test_counting_stops_at_its_bound(connection: sa.Connection, filters: Filters) -> None:
    assert_by_index(plans_of(connection, lambda: tender_search.counts(connection, filters)))


def test_one_tender_its_history_and_the_last_change_are_read_by_an_index(connection: sa.Connection) -> None:
    ocid = "ocds-9t57fa-136707"
    for ask in (
        lambda: tender_reads.one(connection, ocid),
        lambda: tender_reads.current(connection, ocid),
        lambda: tender_reads.last_changed_at(connection),
        lambda: tender_search.has_category(connection, "Education"),
        lambda: tender_reads.documents_of(connection, [ocid]),
    ):
        assert_by_index(plans_of(connection, ask))


def test_tenders_without_a_time_of_publication_come_last_and_once(connection: sa.Connection) -> None:
    nested = connection.begin_nested()
    connection.execute(sa.text("UPDATE tenders SET published_at = NULL WHERE n < 300000 AND n % 20 = 0"))
    limited = Filters(changed_since=datetime(2022, 11, 4, tzinfo=UTC))
    seen: list[tuple[str | None, str]] = []
    cursor: str | None = None
    while True:
        page = tender_search.search(connection, limited, limit=200, cursor=cursor)
        seen += [(tender["published_at"], tender["ocid"]) for tender in page.tenders]
        cursor = page.next
        if cursor is None:
            break
    nested.rollback()
    undated = [place for place, (published, _) in enumerate(seen) if published is None]
    assert len(undated) > 50
    assert undated == list(range(len(seen) - len(undated), len(seen)))
    assert len({ocid for _, ocid in seen}) == len(seen) == 2276


@pytest.mark.parametrize("published", [None, datetime(2022, 11, 4, 8, 30, 0, 1, tzinfo=UTC)])
def test_a_cursor_comes_back_as_it_went(published: datetime | None) -> None:
    position = Position(published, 134_203)
    assert parse(str(position)) == position


@pytest.mark.parametrize(
    "text", ["", "=", "abc", "123/456", "_1", "none", "1_", "é_1", "1" * 19 + "_1", "1_2 "]
)
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(CursorError):
        parse(text)


@pytest.mark.parametrize(("year", "fit"), [("9" * 18, 1), ("-" + "9" * 18, 0), ("none", 0)])
def test_a_cursor_beyond_the_calendar_is_where_the_calendar_ends(
    connection: sa.Connection, year: str, fit: int
) -> None:
    found = tender_search.search(connection, Filters(), limit=1, cursor=f"{year}_{'9' * 18}").tenders
    assert len(found) == fit
