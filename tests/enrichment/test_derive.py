"""Both sources become one tender: the release first, the portal for the gaps."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from enrichment.derive import derive
from enrichment.rows import read_row
from ocds.dates import SAST
from ocds.release import read
from tests.enrichment.captures import NEW_ROWS, NOW, derived_releases, releases, row_like, rows
from tests.ocds.captures import SINGLE

FULL: dict[str, Any] = SINGLE[165050]["release"]
BEFORE_CLOSING = datetime(2026, 8, 20, 9, 0, tzinfo=SAST)


def release_like(**changes: Any) -> dict[str, Any]:
    raw = copy.deepcopy(FULL)
    raw["tender"] |= changes
    return raw


def row_of(number: int, **changes: Any) -> dict[str, Any]:
    return row_like(id=number, **changes)


def test_the_release_is_believed_first_and_says_so() -> None:
    tender = derive(read(FULL), read_row(row_of(165050)), now=NOW)
    assert tender.columns["province"] == "KwaZulu-Natal"
    assert tender.columns["detailed_category"] == "Sewerage"
    assert tender.columns["buyer_id"] == "320"
    assert tender.columns["closing_at"] == datetime(2026, 9, 16, 11, 0, tzinfo=SAST)
    assert tender.provenance["province"]["source"] == "release"
    assert tender.provenance["province"]["field"] == "tender.province"


def test_the_portal_fills_what_the_release_lacks() -> None:
    bare = {
        key: value
        for key, value in FULL["tender"].items()
        if key not in ("province", "category", "deliveryLocation")
    }
    tender = derive(read({**FULL, "tender": bare}), read_row(row_of(165050)), now=NOW)
    assert tender.columns["province"] == "Eastern Cape"
    assert tender.provenance["province"] == {
        "source": "portal",
        "field": "province",
        "at": "2022-11-04T12:00:00+02:00",
    }
    assert tender.columns["validity_days"] == 90
    assert tender.columns["has_e_submission"] is False
    assert tender.enriched
    assert len(tender.documents) == 2


def test_a_release_alone_is_a_tender_not_yet_enriched() -> None:
    tender = derive(read(FULL), None, now=BEFORE_CLOSING)
    assert not tender.enriched
    assert (tender.columns["city"], tender.columns["district"]) == ("Margate", "Ugu")
    assert tender.columns["briefing_at"] == datetime(2026, 8, 25, 11, 0, tzinfo=SAST)
    assert tender.columns["briefing_venue"] == "at Nositha Primary School"
    assert tender.columns["organ_of_state_type"] == "Provincial Department"
    assert tender.columns["department_level"] == "Provincial"
    assert tender.columns["main_category"] == "works"
    assert tender.columns["contact_telephone"] == "+27714480273"
    assert tender.columns["estimated_value_max"] is None
    assert tender.lifecycle == "open"
    assert tender.slug.endswith("-165050")


def test_a_row_alone_is_a_tender_that_its_release_will_complete() -> None:
    tender = derive(None, read_row(NEW_ROWS[0]), now=NOW)
    assert tender.enriched
    assert tender.columns["release_id"] is None
    assert tender.columns["status"] == "active"
    assert tender.columns["published_at"] == datetime(2025, 9, 18, tzinfo=SAST)
    assert {origin["source"] for origin in tender.provenance.values()} == {"portal", "derived"}


def test_a_buyers_province_is_the_tenders_only_where_the_sources_state_none() -> None:
    buyer = {"department": "Eastern Cape - Health", "organ_of_State": "Eastern Cape - Health"}
    for stated, province in ((None, "Eastern Cape"), ("Gauteng, Limpopo", None), ("limpopo ", "Limpopo")):
        raw = row_of(7, province=stated, provinces=None, **buyer)
        assert derive(None, read_row(raw), now=NOW).columns["province"] == province


def test_a_briefing_without_a_date_is_still_a_briefing() -> None:
    tender = derive(next(release for release in releases() if release.number == 136831), None, now=NOW)
    assert tender.columns["has_briefing"] is True
    assert tender.columns["briefing_compulsory"] is True
    assert tender.columns["briefing_at"] is None


def test_a_release_without_a_main_category_takes_the_one_that_its_additional_one_is_of() -> None:
    assert derived_releases()[136707].columns["main_category"] == "services"  # "consultingServices"
    other = release_like(mainProcurementCategory="", additionalProcurementCategories=["other", "goods"])
    assert derive(read(other), None, now=NOW).columns["main_category"] == "goods"


def test_a_meeting_and_a_district_say_which_text_named_them() -> None:
    raw = row_of(
        7,
        briefingVenue="MS Teams",
        conditions="Meeting ID: 352 905 726 269 Passcode: tLKure",
        streetname=None,
        surburb=None,
        town=None,
        delivery="See the document",
        department="Umkhanyakude District Municipality",
        organ_of_State="Umkhanyakude District Municipality",
        departmentsID=None,
        departments=None,
    )
    told = derive(None, read_row(raw), now=NOW)
    assert told.columns["district"] == "uMkhanyakude"
    assert told.provenance["district"]["field"] == "buyer_name"
    assert told.columns["briefing_meeting_id"] == "352905726269"
    assert told.provenance["briefing_meeting_id"]["field"] == "special_conditions"
    assert told.provenance["briefing_meeting_passcode"]["field"] == "special_conditions"
    venue = derive(None, read_row({**raw, "briefingVenue": "Meeting ID: 352 905 726 269"}), now=NOW)
    assert venue.provenance["briefing_meeting_id"]["field"] == "briefing_venue"


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        ("Request for Bid(Open-Tender)", "Request for Bid (Open Tender)"),
        ("Closed Tender", "Request for Bid (Limited Tender)"),
        ("Two-stage bidding", "Two-stage bidding"),
    ],
)
def test_a_type_of_tender_is_never_called_open_where_it_says_otherwise(printed: str, name: str) -> None:
    assert (
        derive(read(release_like(procurementMethodDetails=printed)), None, now=NOW).columns["tender_type"]
        == name
    )


def test_neither_or_two_different_tenders_are_refused() -> None:
    with pytest.raises(ValueError, match="needs a release or a portal row"):
        derive(None, None, now=NOW)
    with pytest.raises(ValueError, match="two tenders"):
        derive(read(FULL), read_row(NEW_ROWS[0]), now=NOW)


@pytest.mark.parametrize(
    ("status", "bucket", "days", "lifecycle"),
    [
        ("active", "Published", -1, "open"),
        ("active", "Published", 0, "closed"),
        ("active", "Published", 1, "closed"),
        ("active", "Closed", -1, "closed"),
        ("cancelled", "Published", -1, "cancelled"),
        ("active", "Cancelled", 1, "cancelled"),
        ("complete", "Awarded", 1, "awarded"),
        ("", "Something new", -1, "open"),
    ],
)
def test_where_a_tender_stands(status: str, bucket: str, days: int, lifecycle: str) -> None:
    release = read(release_like(status=status))
    assert release.closing_at is not None
    row = read_row(row_of(165050, status=bucket))
    now = release.closing_at + timedelta(days=days)
    assert derive(release, row, now=now).lifecycle == lifecycle


def award(amount: object, supplier: object = "Acme (Pty) Ltd", supplier_id: str = "77") -> dict[str, Any]:
    return {
        "id": "1",
        "status": "active",
        "value": {"amount": amount, "currency": "ZAR"},
        "suppliers": [{"id": supplier_id, "name": supplier}],
    }


def test_an_award_gives_supplier_amount_and_the_end_of_the_tender() -> None:
    tender = derive(read({**FULL, "awards": [award(1_250_000.5)]}), None, now=BEFORE_CLOSING)
    assert tender.columns["award_supplier"] == "Acme (Pty) Ltd"
    assert tender.columns["award_amount"] == Decimal("1250000.50")
    assert tender.lifecycle == "awarded"


@pytest.mark.parametrize(
    ("amount", "supplier", "supplier_id", "expected"),
    [
        (0, "Acme", "77", ("Acme", None)),
        (45, "Acme", "77", ("Acme", None)),
        (10**11, "Acme", "77", ("Acme", None)),
        (500_000, "None", "0", (None, None)),
        (500_000, "non-award", "5", (None, None)),
        (500_000, "Tender cancelled", "5", (None, None)),
    ],
)
def test_doubtful_awards_are_not_passed_on_as_facts(
    amount: int, supplier: str, supplier_id: str, expected: tuple[str | None, None]
) -> None:
    tender = derive(
        read({**FULL, "awards": [award(amount, supplier, supplier_id)]}), None, now=BEFORE_CLOSING
    )
    assert (tender.columns["award_supplier"], tender.columns["award_amount"]) == expected
    if expected[0] and amount:
        assert tender.provenance["award_supplier"]["caveat"].startswith("amount")


@pytest.mark.parametrize("status", ["cancelled", "unsuccessful", "pending"])
def test_an_award_that_was_not_made_is_none(status: str) -> None:
    tender = derive(
        read({**FULL, "awards": [{**award(500_000), "status": status}]}), None, now=BEFORE_CLOSING
    )
    assert tender.columns["award_supplier"] is None
    assert tender.lifecycle == "open"


def test_an_award_in_another_currency_has_no_amount_in_rand() -> None:
    dollars = {**award(500_000), "value": {"amount": 500_000, "currency": "USD"}}
    tender = derive(read({**FULL, "awards": [dollars]}), None, now=BEFORE_CLOSING)
    assert (tender.columns["award_supplier"], tender.columns["award_amount"]) == ("Acme (Pty) Ltd", None)


def test_a_value_that_the_release_publishes_is_the_estimate() -> None:
    tender = derive(read(release_like(value={"amount": 2_000_000, "currency": "ZAR"})), None, now=NOW)
    assert tender.columns["estimated_value_min"] == tender.columns["estimated_value_max"] == 2_000_000
    for amount, currency in ((0, "ZAR"), (1, "ZAR"), (2_000_000, "USD"), (10**12 - 1, "ZAR")):
        other = derive(read(release_like(value={"amount": amount, "currency": currency})), None, now=NOW)
        assert other.columns["estimated_value_max"] is None


def test_an_email_with_a_blank_or_a_second_one_in_it_is_mended_in_a_release_too() -> None:
    contact = {**FULL["tender"]["contactPerson"], "email": "scm @kznworks.gov.za or other@kznworks.gov.za"}
    tender = derive(read(release_like(contactPerson=contact)), None, now=NOW)
    assert tender.columns["contact_email"] == "scm@kznworks.gov.za"


def test_the_score_is_the_sum_of_its_parts() -> None:
    tender = derive(read(FULL), None, now=NOW)
    assert tender.columns["data_quality_score"] == sum(tender.quality.values())
    assert tender.quality.keys() == {
        "identity",
        "dates",
        "classification",
        "place",
        "contact",
        "documents",
        "briefing",
    }
    assert 0 <= tender.columns["data_quality_score"] <= 100
    poor = derive(None, read_row({"id": 7}), now=NOW)
    assert poor.columns["data_quality_score"] == 0


def test_slugs_are_unique_and_fit_an_address() -> None:
    slugs = [derive(None, row, now=NOW).slug for row in rows()]
    assert len(set(slugs)) == len(slugs)
    assert all(slug.isascii() and slug == slug.lower() and len(slug) <= 90 for slug in slugs)
    assert derive(None, read_row({"id": 7}), now=NOW).slug == "tender-7"


def test_the_kind_of_a_buyer_says_whether_its_id_or_its_name_told() -> None:
    def told(**changes: Any) -> str:
        return derive(None, read_row(row_of(7, **changes)), now=NOW).provenance["organ_of_state_type"][
            "field"
        ]

    assert told(departmentsID=167, organ_of_State="ESKOM", department="ESKOM") == "buyer_id"
    assert told(departmentsID=99_999, organ_of_State="ESKOM", department="ESKOM") == "buyer_name"
