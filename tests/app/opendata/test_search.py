"""What anybody may ask of the tenders, over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from app.opendata.models import Tender
from db.tender_reads import COLUMNS


def everything(http: httpx.Client, **filters: Any) -> list[dict[str, Any]]:
    """All pages of a search."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = http.get("/api/tenders", params={"limit": 200, **filters, **cursor})
        assert answer.status_code == 200, answer.text
        page = answer.json()
        found += page["tenders"]
        if page["next"] is None:
            return found
        cursor = {"cursor": page["next"]}


def test_the_described_tender_has_exactly_the_columns_that_are_sent() -> None:
    assert list(Tender.model_fields) == [*(column.name for column in COLUMNS), "documents"]


def test_pages_follow_each_other_without_gap_or_repeat(http: httpx.Client) -> None:
    found = everything(http)
    ocids = [tender["ocid"] for tender in found]
    assert len(ocids) == len(set(ocids)) == 2276
    dates = [tender["published_at"] for tender in found]
    assert dates == sorted(dates, reverse=True)


def test_a_tender_in_a_page_is_the_tender_at_its_own_address(http: httpx.Client) -> None:
    listed = http.get("/api/tenders", params={"q": "ocds-9t57fa-136707"}).json()["tenders"]
    assert len(listed) == 1
    by_ocid = http.get("/api/tenders/ocds-9t57fa-136707")
    by_slug = http.get(f"/api/tenders/{listed[0]['slug']}")
    assert by_ocid.json() == by_slug.json() == listed[0]
    tender = Tender.model_validate(by_ocid.json())
    assert tender.closing_at
    assert by_ocid.json()["closing_at"].endswith("+02:00")
    assert tender.quality
    assert sum(tender.quality.values()) == tender.data_quality_score
    assert tender.provenance["closing_at"].source == "release"


@pytest.mark.parametrize(
    ("filters", "fits"),
    [
        ({"province": "kzn"}, lambda tender: tender["province"] == "KwaZulu-Natal"),
        ({"status": "cancelled"}, lambda tender: tender["lifecycle"] == "cancelled"),
        ({"status": "active"}, lambda tender: tender["status"] == "active"),
        ({"lifecycle": "open"}, lambda tender: tender["lifecycle"] == "open"),
        ({"category": "education"}, lambda tender: tender["detailed_category"] == "Education"),
        ({"category": "goods"}, lambda tender: tender["main_category"] == "goods"),
        ({"organ_of_state_type": "SETA"}, lambda tender: tender["organ_of_state_type"] == "SETA"),
        (
            {"published_from": "2022-11-01", "published_to": "2022-11-02"},
            lambda tender: "2022-11-01" <= tender["published_at"][:10] <= "2022-11-02",
        ),
        (
            {"closing_before": "2022-11-10"},
            lambda tender: tender["closing_at"] is not None and tender["closing_at"][:10] < "2022-11-10",
        ),
        (
            {"closing_after": "2022-11-10"},
            lambda tender: tender["closing_at"] is not None and tender["closing_at"][:10] > "2022-11-10",
        ),
    ],
)
def test_a_filter_gives_all_tenders_that_fit_and_no_other(
    http: httpx.Client, filters: dict[str, str], fits: Any
) -> None:
    expected = {tender["ocid"] for tender in everything(http) if fits(tender)}
    assert {tender["ocid"] for tender in everything(http, **filters)} == expected


def test_a_buyer_is_found_by_id_and_by_name_in_any_case(http: httpx.Client) -> None:
    tender = http.get("/api/tenders/ocds-9t57fa-136707").json()
    by_id = everything(http, buyer=tender["buyer_id"])
    by_name = everything(http, buyer=tender["buyer_name"].upper())
    assert tender["ocid"] in {each["ocid"] for each in by_id}
    assert {each["buyer_name"] for each in by_name} == {tender["buyer_name"]}


def test_words_must_all_occur_in_any_of_their_forms(http: httpx.Client) -> None:
    found = everything(http, q="maintaining roads")
    assert found
    for tender in found:
        text = " ".join(str(tender[name]) for name in ("title", "display_title", "description", "buyer_name"))
        assert "maint" in text.lower()
        assert "road" in text.lower()


def test_a_word_with_a_minus_is_excluded_in_all_its_forms(http: httpx.Client) -> None:
    with_roads = {tender["ocid"] for tender in everything(http, q="construction road")}
    without = {tender["ocid"] for tender in everything(http, q="construction -roads")}
    both = {tender["ocid"] for tender in everything(http, q="construction")}
    assert with_roads
    assert without
    assert not with_roads & without
    assert with_roads | without == both


def test_common_and_rare_words_give_the_same_answer_page_by_page_as_at_once(http: httpx.Client) -> None:
    for words in ("supply", "locomotive", "cape durban"):
        whole = [tender["ocid"] for tender in everything(http, q=words)]
        cursor: str | None = None
        paged: list[str] = []
        while True:
            given = {"cursor": cursor} if cursor else {}
            page = http.get("/api/tenders", params={"q": words, "limit": 7, **given}).json()
            paged += [tender["ocid"] for tender in page["tenders"]]
            cursor = page["next"]
            if cursor is None or len(paged) > 70:
                break
        assert paged == whole[: len(paged)]
        assert len(paged) > 70 or len(paged) == len(whole)


def test_counts_are_those_of_the_tenders_that_fit(http: httpx.Client) -> None:
    facets = http.get("/api/tenders", params={"province": "Limpopo"}).json()["facets"]
    tenders = everything(http, province="Limpopo")
    assert facets["counted"] == len(tenders)
    assert facets["capped"] is False
    assert facets["province"] == [{"value": "Limpopo", "count": len(tenders)}]
    for name in ("detailed_category", "organ_of_state_type", "lifecycle"):
        expected: dict[str, int] = {}
        for tender in tenders:
            if tender[name] is not None:
                expected[tender[name]] = expected.get(tender[name], 0) + 1
        assert {item["value"]: item["count"] for item in facets[name]} == expected


def test_counts_come_with_the_first_page_only_unless_asked_for(http: httpx.Client) -> None:
    first = http.get("/api/tenders").json()
    assert first["facets"] is not None
    assert http.get("/api/tenders", params={"cursor": first["next"]}).json()["facets"] is None
    assert http.get("/api/tenders", params={"cursor": first["next"], "facets": "true"}).json()["facets"]
    assert http.get("/api/tenders", params={"facets": "false"}).json()["facets"] is None


@pytest.mark.parametrize("path", ["/api/tenders", "/api/ocds/releases.json", "/api/tenders.csv"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("published_from", "yesterday"),
        ("published_from", "20221104"),
        ("published_to", "2022-13-01"),
        ("closing_before", ""),
        ("closing_after", "1667520000"),
        ("changed_since", "2022-11-04T10:00:00"),
        ("province", "Narnia"),
        ("status", "sleeping"),
        ("lifecycle", "complete"),
        ("organ_of_state_type", "Ministry"),
        ("category", "No such category"),
        ("q", "x" * 201),
        ("q", "a\x00b"),
        ("provnce", "Gauteng"),
    ],
)
def test_a_bad_filter_is_refused_by_its_name(http: httpx.Client, path: str, name: str, value: str) -> None:
    answer = http.get(path, params={name: value})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=many", "limit"),
        ("cursor=nonsense", "cursor"),
        ("cursor=LzE", "cursor"),
        ("cursor=%00", "cursor"),
        ("facets=perhaps", "facets"),
        ("province=Gauteng&province=Limpopo", "province"),
        ("published_from=2022-11-04&published_to=2022-11-03", "published_to"),
    ],
)
def test_a_bad_page_is_refused_by_the_parameters_name(http: httpx.Client, query: str, name: str) -> None:
    answer = http.get(f"/api/tenders?{query}")
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(f"{name}: ")


@pytest.mark.parametrize(
    "path",
    [
        "/api/tenders/ocds-9t57fa-1",
        "/api/tenders/no-such-slug",
        "/api/tenders/%00",
        "/api/tenders/ocds-9t57fa-1/history",
        "/api/ocds/records/ocds-9t57fa-1",
        "/api/ocds/records/%00",
    ],
)
def test_an_unknown_tender_is_a_404_in_json(http: httpx.Client, path: str) -> None:
    answer = http.get(path)
    assert answer.status_code == 404
    assert "error" in answer.json()


@pytest.mark.parametrize(
    "day", ["0001-01-01", "9999-12-31"], ids=["the first day that there is", "the last one"]
)
@pytest.mark.parametrize("name", ["published_from", "published_to", "closing_before", "closing_after"])
def test_any_day_of_the_calendar_can_be_asked_for(http: httpx.Client, name: str, day: str) -> None:
    assert http.get("/api/tenders", params={name: day}).status_code == 200
