"""What was ever published of a tender, and what each content changed."""

from __future__ import annotations

import copy
from datetime import timedelta
from typing import Any

import httpx
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from app.opendata.contents import content_of, releases_of
from app.opendata.differences import Change, changes
from db import tender_reads
from tests.app.opendata.stock import save_releases
from tests.enrichment.captures import NOW, RAW_ROWS
from tests.ocds.captures import SINGLE

RAW: dict[str, Any] = SINGLE[136747].get("release", SINGLE[136747])
OCID = "ocds-9t57fa-136747"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("abc", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=12,
)


def amended(**period: str) -> dict[str, Any]:
    raw = copy.deepcopy(RAW)
    raw["tender"]["tenderPeriod"] |= period
    return raw


def test_history_has_distinct_contents_oldest_first_with_what_changed(db_engine: sa.Engine) -> None:
    later = amended(endDate="2025-11-28T11:00:00Z")
    for days, raw in enumerate((RAW, RAW, later, later)):
        save_releases(db_engine, [raw], now=NOW + timedelta(days=days))
    with db_engine.connect() as connection:
        versions = [content_of(row) for row in tender_reads.history(connection, OCID)]
    assert [version.body for version in versions] == [RAW, later]
    [change] = changes(versions[0].body, versions[1].body)
    assert change == Change(
        "tender.tenderPeriod.endDate", RAW["tender"]["tenderPeriod"]["endDate"], "2025-11-28T11:00:00Z"
    )
    fields = {change.path: change.after for change in changes(versions[0].fields, versions[1].fields)}
    assert fields["closing_at"] == "2025-11-28T11:00:00+02:00"


def test_a_tender_known_from_the_portal_only_has_no_history_but_a_record(http: httpx.Client) -> None:
    [row] = [raw for raw in RAW_ROWS if raw["id"] == 38206]
    history = http.get("/api/tenders/ocds-9t57fa-38206/history")
    assert history.json() == {"ocid": "ocds-9t57fa-38206", "releases": []}
    [record] = http.get("/api/ocds/records/ocds-9t57fa-38206").json()["records"]
    assert [release["tender"]["referenceNumber"] for release in record["releases"]] == [
        row["tender_No"].strip()
    ]


def test_history_over_http_names_its_contents(http: httpx.Client) -> None:
    [version] = http.get(f"/api/tenders/{OCID}/history").json()["releases"]
    assert version["release"] == RAW
    assert (version["releaseId"], version["changes"], version["fields"]) == (RAW["id"], [], [])


def test_contents_that_share_the_sources_id_are_releases_of_their_own(db_engine: sa.Engine) -> None:
    for days, day in enumerate(("2025-11-28", "2025-12-05")):
        save_releases(db_engine, [amended(endDate=f"{day}T11:00:00Z")], now=NOW + timedelta(days=days))
    with db_engine.connect() as connection:
        contents = [content_of(row) for row in tender_reads.history(connection, OCID)]
        current = tender_reads.current(connection, OCID)
        assert current is not None
        documents = tender_reads.documents_of(connection, [OCID])[OCID]
    releases = releases_of(
        contents, tender_reads.as_values(current), documents, portal_url="https://x.example"
    )
    assert len({content.release_id for content in contents}) == 1
    assert len({release["id"] for release in releases}) == 3
    assert [release["tender"]["tenderPeriod"]["endDate"][:10] for release in releases] == [
        "2025-11-28",
        "2025-12-05",
        "2025-12-05",
    ]


def test_a_tender_that_is_not_published_has_no_address(db_engine: sa.Engine) -> None:
    save_releases(db_engine, [RAW], published=False)
    with db_engine.connect() as connection:
        assert tender_reads.one(connection, OCID) is None
        assert tender_reads.current(connection, OCID) is None
        assert tender_reads.one(connection, OCID, published_only=False) is not None


def test_members_of_a_list_are_called_by_their_ids() -> None:
    before = {"documents": [{"id": "a", "url": "1"}, {"id": "b", "url": "2"}]}
    after = {"documents": [{"id": "new", "url": "0"}, {"id": "a", "url": "1"}, {"id": "b", "url": "3"}]}
    assert changes(before, after) == [
        Change("documents[b].url", "2", "3"),
        Change("documents[new]", None, {"id": "new", "url": "0"}),
    ]


def test_members_without_ids_are_called_by_their_places() -> None:
    assert changes({"tag": ["a", "b"]}, {"tag": ["a", "c", "d"]}) == [
        Change("tag[1]", "b", "c"),
        Change("tag[2]", None, "d"),
    ]


def test_true_is_not_one() -> None:
    assert changes({"a": True}, {"a": 1}) == [Change("a", True, 1)]


def test_no_more_changes_than_asked_for() -> None:
    assert len(changes({}, {str(place): place for place in range(900)}, most=7)) == 7


@given(JSON)
def test_nothing_differs_from_itself(value: Any) -> None:
    assert changes(value, copy.deepcopy(value)) == []


@given(JSON, JSON)
def test_differences_turned_round_are_the_differences_the_other_way(before: Any, after: Any) -> None:
    there, back = changes(before, after), changes(after, before)
    assert {(path, repr(old), repr(new)) for path, old, new in there} == {
        (path, repr(new), repr(old)) for path, old, new in back
    }
    assert all(repr(old) != repr(new) for _, old, new in there)
