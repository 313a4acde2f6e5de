"""How much of each field the captures give, and what must never be missing or wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from email_validator import validate_email
from phonenumbers import is_valid_number, parse

from enrichment.derive import DerivedTender
from enrichment.organ_types import OTHER
from enrichment.province import PROVINCES
from tests.enrichment.captures import RAW_ROWS, derived_releases, derived_rows, releases, rows

EVERY_ROW = 1.0
FLOORS = {
    "title": 0.995,
    "display_title": EVERY_ROW,
    "description": EVERY_ROW,
    "buyer_name": EVERY_ROW,
    "buyer_id": 0.99,
    "organ_of_state_type": EVERY_ROW,
    "province": EVERY_ROW,
    "detailed_category": EVERY_ROW,
    "published_at": EVERY_ROW,
    "closing_at": EVERY_ROW,
    "tender_type": 0.99,
    "tender_type_category": 0.99,
    "delivery_location": 0.89,
    "city": 0.88,
    "district": 0.90,
    "contact_person": EVERY_ROW,
    "contact_email": 0.999,
    "contact_telephone": 0.97,
    "has_briefing": 0.999,
    "briefing_compulsory": 0.999,
    "document_count": EVERY_ROW,
    "data_quality_score": EVERY_ROW,
}


def filled(tenders: Iterable[DerivedTender]) -> Counter[str]:
    return Counter(name for tender in tenders for name, value in tender.columns.items() if value is not None)


def share(of: Callable[[DerivedTender], bool]) -> float:
    tenders = list(derived_rows().values())
    return sum(map(of, tenders)) / len(tenders)


def test_the_table_of_fill_rates_keeps_its_floors() -> None:
    by_rows, by_releases = derived_rows().values(), derived_releases().values()
    of_rows, of_releases = filled(by_rows), filled(by_releases)
    print(f"\n{'column':<28}{len(by_rows):>8} rows {len(by_releases):>6} releases")
    for name in next(iter(by_rows)).columns:
        print(
            f"{name:<28}{of_rows[name] / len(by_rows):>12.1%} {of_releases[name] / len(by_releases):>14.1%}"
        )
    rates = {name: of_rows[name] / len(by_rows) for name in FLOORS}
    assert {name: rate for name, rate in rates.items() if rate < FLOORS[name]} == {}


def test_no_row_that_has_them_loses_province_category_buyer_or_closing_time() -> None:
    pairs = {
        "province": "province",
        "category": "detailed_category",
        "department": "buyer_name",
        "closing_Date": "closing_at",
    }
    lost = [
        (raw["id"], given)
        for raw in RAW_ROWS
        for given, column in pairs.items()
        if raw[given] and derived_rows()[raw["id"]].columns[column] is None
    ]
    assert lost == []
    assert {tender.columns["province"] for tender in derived_rows().values()} == set(PROVINCES)


def test_at_least_97_in_100_buyers_have_a_kind() -> None:
    assert share(lambda tender: tender.columns["organ_of_state_type"] != OTHER) >= 0.97


def test_every_email_that_survives_is_valid_and_every_number_too() -> None:
    for tender in derived_rows().values():
        email, telephone = tender.columns["contact_email"], tender.columns["contact_telephone"]
        if email is not None:
            assert validate_email(email, check_deliverability=False).normalized == email
        if telephone is not None:
            assert is_valid_number(parse(telephone, None))


def test_every_active_file_is_there_with_its_address() -> None:
    for row in rows():
        tender = derived_rows()[row.number]
        active = [document.guid for document in row.documents if document.active]
        assert [document.id for document in tender.documents] == active
        assert tender.columns["document_count"] == len(active)
        for document, given in zip(tender.documents, row.documents, strict=True):
            assert document.url.startswith(
                f"https://www.etenders.gov.za/home/Download?blobName={given.guid}{given.extension}&downloadedFileName="
            )
            assert document.date_modified == given.date_modified


def test_every_release_keeps_its_own_document_under_its_own_address() -> None:
    for release in releases():
        tender = derived_releases()[release.number]
        assert [(document.id, document.url) for document in tender.documents] == [
            (document.id, document.url) for document in release.documents
        ]


def test_each_value_has_its_provenance_and_nothing_else_has() -> None:
    for tender in [*derived_rows().values(), *derived_releases().values()]:
        given = {name for name, value in tender.columns.items() if value is not None}
        assert given == tender.provenance.keys()
        for origin in tender.provenance.values():
            assert origin["source"] in {"release", "portal", "derived"}
            assert origin["field"]
            assert origin["at"] == "2022-11-04T12:00:00+02:00"
