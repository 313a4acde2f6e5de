"""Both shapes of a portal row give one row, and its hash moves with what the tender says, not with how it is shown."""

from __future__ import annotations

import copy
from datetime import datetime
from typing import Any

import pytest

from enrichment.rows import read_row
from ocds.dates import SAST
from ocds.errors import DataError
from tests.enrichment.captures import NEW_ROWS, OLD_ROWS, RAW_ROWS, row_like, rows

SHARED = ("id", "tender_No", "type", "date_Published", "closing_Date", "status", "category", "description", "province",
          "contactPerson", "email", "telephone", "fax", "briefingVenue", "conditions")  # fmt: skip


def in_old_shape(new: dict[str, Any]) -> dict[str, Any]:
    """A row of the newer shape as the bucket endpoint would list it."""
    old = {name: new[name] for name in SHARED}
    at = new["compulsory_briefing_session"]
    parts = (new["streetname"], new["surburb"], new["town"], new["code"])
    old |= {
        "department": new["department"],
        "delivery": " - ".join(part or "" for part in parts),
        "compulsory_briefing_session": at,
        "brief": "<not available>",
        "cbrief": at is not None,
        "bf": "Yes" if new["briefingSession"] else " NO",
        "bc": "Yes" if new["briefingCompulsory"] else " NO",
        "sd": [{**document, "tenders": None} for document in new["supportDocument"]],
    }
    return old


def test_every_captured_row_is_read_and_keeps_its_raw_form() -> None:
    assert len(rows()) == 2268
    assert len({row.number for row in rows()}) == 2268
    for row, raw in zip(rows(), RAW_ROWS, strict=True):
        assert row.ocid == f"ocds-9t57fa-{raw['id']}"
        assert row.raw is raw
        assert len(row.hash) == 32
    assert len({row.hash for row in rows()}) == 2268


def test_the_older_shape_is_read() -> None:
    row = read_row(OLD_ROWS[0])
    assert row.buyer_name == "Tygerburg Hospital"
    assert row.closing_at == datetime(2022, 12, 2, 11, 0, tzinfo=SAST)
    assert row.published_on is not None
    assert row.published_on.isoformat() == "2022-11-04"
    assert (row.has_briefing, row.briefing_compulsory, row.briefing_at) == (False, False, None)
    assert row.documents[0].guid == "405e857f-4c68-4973-aff2-69764989d7ab"
    assert (row.validity_days, row.e_submission, row.two_envelope) == (None, None, None)


def test_the_newer_shape_is_read() -> None:
    row = read_row(NEW_ROWS[0])
    assert (row.buyer_id, row.buyer_name) == ("873", "Eastern Cape - Agriculture")
    assert row.briefing_at == datetime(2025, 9, 29, 11, 0, tzinfo=SAST)
    assert (row.has_briefing, row.briefing_compulsory) == (True, True)
    assert (row.validity_days, row.e_submission, row.two_envelope) == (90, False, False)
    assert row.town == "East London and Zwelitsha Office"
    assert row.fax is None


def test_display_dates_stand_in_where_the_plain_ones_are_missing() -> None:
    raw = {**OLD_ROWS[0], "closing_Date": None, "date_Published": None}
    row = read_row(raw)
    assert row.closing_at == datetime(2022, 12, 2, 11, 0, tzinfo=SAST)
    assert row.published_on == rows()[0].published_on
    raw = {**OLD_ROWS[0], "brief": "Friday, 28 October 2022 - 10:00", "compulsory_briefing_session": None}
    assert read_row(raw).briefing_at == datetime(2022, 10, 28, 10, 0, tzinfo=SAST)


def test_one_tender_hashes_alike_in_both_shapes_unless_the_newer_one_says_more() -> None:
    for new in NEW_ROWS:
        plain = {**new, "validity": None, "eSubmission": False, "twoEnvelopeSubmission": False}
        assert read_row(plain).hash == read_row(in_old_shape(new)).hash


@pytest.mark.parametrize(
    "change",
    [
        {"actions": {"authorized": True, "bookmark": True}},
        {"sysStartTime": "2025-09-18T10:00:00"},
        {"username": "contact1@example.org"},
        {"isModified": True},
        {"releaseId": 7},
        {"description": NEW_ROWS[0]["description"] + "  \r\n"},
        {"questionsAndAnswers": []},
    ],
)
def test_how_and_to_whom_a_row_is_shown_leaves_its_hash_alone(change: dict[str, Any]) -> None:
    assert read_row(row_like(**change)).hash == read_row(NEW_ROWS[0]).hash


def test_the_order_of_keys_and_files_leaves_the_hash_alone() -> None:
    raw = next(raw for raw in NEW_ROWS if len(raw["supportDocument"]) > 2)
    turned = dict(reversed({**raw, "supportDocument": raw["supportDocument"][::-1]}.items()))
    assert read_row(turned).hash == read_row(raw).hash


@pytest.mark.parametrize(
    ("validity", "days"),
    [
        (90, 90),
        ("120", 120),
        ("90 Days", 90),
        ("ninety (90) days", 90),
        ("One hundred and twenty (120) calendar days", 120),
        ("12 weeks", 84),
        ("3 months", None),
        ("90 working days", None),
        ("0 days", None),
        ("9999 weeks", None),
        ("until awarded", None),
    ],
)
def test_a_validity_is_days_or_weeks_in_figures(validity: object, days: int | None) -> None:
    assert read_row(row_like(validity=validity)).validity_days == days


@pytest.mark.parametrize(
    "change",
    [
        {"closing_Date": "2025-10-14T11:00:00"},
        {"description": "Something else"},
        {"compulsory_briefing_session": None},
        {"briefingCompulsory": False},
        {"town": "Bhisho", "delivery": "94 Fitzpatrick Road-Bhisho-Bhisho-5201"},
        {"status": "Cancelled"},
        {"email": "other@drdar.gov.za"},
        {"validity": 120},
        {"eSubmission": True},
        {"supportDocument": []},
        {"supportDocument": [{**NEW_ROWS[0]["supportDocument"][0], "active": False}]},
        {"supportDocument": [{**NEW_ROWS[0]["supportDocument"][0], "dateModified": "2025-09-20T08:00:00"}]},
    ],
)
def test_whatever_a_bidder_would_want_to_know_changes_the_hash(change: dict[str, Any]) -> None:
    assert read_row(row_like(**change)).hash != read_row(NEW_ROWS[0]).hash


@pytest.mark.parametrize(
    "raw", [None, [], "row", 7, {}, {"id": None}, {"id": 0}, {"id": "x"}, {"id": True}, {"id": -4}]
)
def test_a_row_without_a_usable_id_is_refused_by_name(raw: object) -> None:
    with pytest.raises(DataError, match="portal row"):
        read_row(raw)


@pytest.mark.parametrize("number", ["38290", 38290.0, " 38290 "])
def test_an_id_may_come_as_text_or_float(number: object) -> None:
    assert read_row({"id": number}).ocid == "ocds-9t57fa-38290"


def test_the_ocid_stands_in_for_a_missing_id() -> None:
    assert read_row({"ocid": "ocds-9t57fa-38290"}).number == 38290


@pytest.mark.parametrize("junk", [None, 0, 1.5, True, "", [], {}, [1], {"a": 1}, "<not available>", "N/A"])
def test_a_field_of_any_type_spoils_only_itself(junk: object) -> None:
    for base in (OLD_ROWS[0], NEW_ROWS[0]):
        for name in base:
            if name == "id":
                continue
            raw = copy.deepcopy(base)
            raw[name] = junk
            row = read_row(raw)
            assert row.number == base["id"]


def test_files_without_an_id_or_twice_the_same_are_one_or_none() -> None:
    file = NEW_ROWS[0]["supportDocument"][0]
    twice = [
        file,
        {**file, "supportDocumentID": file["supportDocumentID"].upper()},
        {"fileName": "x.pdf"},
        None,
        3,
    ]
    row = read_row(row_like(supportDocument=twice))
    assert [document.guid for document in row.documents] == [file["supportDocumentID"]]


@pytest.mark.parametrize(
    ("name", "supplier"), [("Acme (Pty) Ltd", "Acme (Pty) Ltd"), ("Tender cancelled", None)]
)
def test_an_award_to_nobody_is_none(name: str, supplier: str | None) -> None:
    award = read_row(row_like(awards=[{"supplierName": name, "amount": 500_000}])).award
    assert (award.supplier_name if award else None) == supplier
