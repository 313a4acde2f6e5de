"""Releases as captured, and every oddity that has been reported of them."""

from __future__ import annotations

import copy
import pickle
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from ocds.dates import SAST
from ocds.errors import RejectedRelease
from ocds.release import Award, Briefing, Contact, Organisation, Release, ReleaseDocument, content_hash, read
from tests.ocds.captures import PACKAGE, RELEASES, SINGLE

BASE = SINGLE[136747]


def changed(**members: Any) -> dict[str, Any]:
    """A captured release with members replaced; ``tender__title`` is the tender's."""
    release = copy.deepcopy(BASE)
    for path, value in members.items():
        *parents, name = path.split("__")
        target = release
        for parent in parents:
            target = target[parent]
        target[name] = value
    return release


def award(**members: Any) -> Award:
    given = {
        "id": "136747-1",
        "title": "FBC B3/2025",
        "status": "active",
        "value": {"amount": 1_250_000.5, "currency": "ZAR"},
        "suppliers": [{"id": "88", "name": "Example Trading (Pty) Ltd "}],
        **members,
    }
    (read_award,) = read(changed(awards=[given])).awards
    return read_award


def test_a_captured_release_is_read_with_every_correction() -> None:
    raw = SINGLE[165050]["release"]
    got = read(SINGLE[165050])
    special = got.special_conditions or ""
    assert special.startswith("The bid document can be downloaded")
    assert (
        "stamped by the Bank (Hard Copy) must be produced. No EFT payments allowed.\n\nNote:\nBidders"
        in special
    )
    assert "Proof of payment must be produced upon collection of the bid document. - Proof" in special
    assert got == Release(
        ocid="ocds-9t57fa-165050",
        number=165050,
        release_id="ocds-9t57fa-165050-2026-08-14",
        date=date(2026, 8, 14),
        tag=("compiled",),
        language="en-za",
        initiation_type="tender",
        title="ZNTM01266W",
        description="Department of Education: Sanitation Programme for schools: Ugu District :"
        " Nositha Primary School : 5GB",
        status="active",
        main_category="works",
        additional_categories=("works",),
        category="Sewerage",
        province="KwaZulu-Natal",
        delivery_location="Oatlands Farm / Nositha Location - Nositha Location - Margate - 4278",
        special_conditions=special,
        procurement_method="open",
        procurement_method_details="Request for Bid(Open-Tender)",
        value_amount=None,
        value_currency="ZAR",
        starts_at=datetime(2026, 8, 14, tzinfo=SAST),
        closing_at=datetime(2026, 9, 16, 11, tzinfo=SAST),
        buyer=Organisation("320", "Kwazulu Natal - Public Works (Head Office)"),
        procuring_entity=Organisation("320", "Kwazulu Natal - Public Works (Head Office)"),
        briefing=Briefing(True, True, datetime(2026, 8, 25, 11, tzinfo=SAST), "at Nositha Primary School"),
        contact=Contact("Contact 211", "contact336@kznworks.gov.za", "071-448-0273", None),
        documents=(
            ReleaseDocument(
                id="7a089338-c79c-4693-8b16-46d0ffedfd6a",
                title="Nositha Primary School BOQ Rev 0.pdf",
                url=raw["tender"]["documents"][0]["url"],
                format="pdf",
                date_published="2026-08-14T10:31:52Z",
                date_modified="2026-08-14T10:31:52Z",
                document_type="basic",
                description="Nositha Primary School BOQ Rev 0.pdf",
                language="en",
            ),
        ),
        awards=(),
        issues=(),
        raw=raw,
        hash=content_hash(raw),
    )


@pytest.mark.parametrize("raw", RELEASES, ids=lambda release: release["ocid"])
def test_every_capture_is_read_without_an_issue_and_left_as_it_was(raw: dict[str, Any]) -> None:
    before = copy.deepcopy(raw)
    got = read(raw)
    assert got.issues == ()
    assert got.raw is raw
    assert raw == before
    assert got.ocid == raw["ocid"]
    assert got.ocid == f"ocds-9t57fa-{raw['tender']['id']}"
    assert f"{got.ocid}-{got.date}" == got.release_id
    assert got.closing_at is not None
    assert 8 <= got.closing_at.hour <= 14
    assert got.value_amount is None
    assert len(got.documents) == 1


def test_a_briefing_of_year_one_keeps_that_there_is_one() -> None:
    got = read(SINGLE[136831]).briefing
    assert (got.is_session, got.compulsory, got.at) == (True, True, None)


def test_no_briefing_has_neither_date_nor_venue() -> None:
    assert read(SINGLE[136747]).briefing == Briefing(False, False, None, None)


def test_a_release_of_a_package_equals_the_single_one() -> None:
    assert read(PACKAGE["releases"][0]).hash == read(SINGLE[165050]).hash


@pytest.mark.parametrize("ocid", [" ocds-9t57fa-136747 ", "OCDS-9T57FA-136747", "ocds-9t57fa-136747\r\n"])
def test_an_ocid_in_other_letters_or_with_blanks_is_the_same(ocid: str) -> None:
    got = read(changed(ocid=ocid))
    assert (got.ocid, got.number) == ("ocds-9t57fa-136747", 136747)


@pytest.mark.parametrize(
    "ocid", [None, "", "N/A", 136747, [], "136747", "ocds-9t57fa-", "ocds-9t57fa-0", "ocds-9t57fa-1x"]
)
@pytest.mark.parametrize("tender_id", ["136747", 136747, 136747.0, " 136747 "])
def test_a_missing_ocid_is_derived_from_the_tender_id(ocid: object, tender_id: object) -> None:
    got = read(changed(ocid=ocid, tender__id=tender_id))
    assert got.ocid == "ocds-9t57fa-136747"
    assert got.issues == ("ocid: derived from tender.id",)


@pytest.mark.parametrize(
    ("raw", "ocid", "reason"),
    [
        (None, None, "it is null, not an object"),
        ([BASE], None, "it is an array, not an object"),
        ("ocds-9t57fa-1", None, "it is a string, not an object"),
        (5, None, "it is a number, not an object"),
        (True, None, "it is a truth value, not an object"),
        ({}, None, "it is an empty object"),
        ({"release": {}}, None, "it is an empty object"),
        ({"release": []}, None, "it has no ocid, and no tender id"),
        ({"tender": {}}, None, "it has no ocid, and no tender id"),
        ({"ocid": "", "tender": {"id": ""}}, None, "it has no ocid, and no tender id"),
        ({"ocid": 7, "tender": {"id": "A7"}}, None, "its ocid is not ocds-9t57fa-<number>, and no tender id"),
        ({"ocid": "ocds-9t57fa-x"}, "ocds-9t57fa-x", "its ocid is not ocds-9t57fa-<number>"),
        ({"ocid": "ocds-9t57fa-99999999999"}, "ocds-9t57fa-99999999999", "its ocid is not"),
        ({"ocid": "ocds-213czf-1", "tender": {"id": "1"}}, "ocds-213czf-1", "another publisher"),
        (changed(tender__id="136748"), "ocds-9t57fa-136747", "its tender id 136748 contradicts its ocid"),
        (changed(tender__id=136748), "ocds-9t57fa-136747", "contradicts"),
    ],
)
def test_a_release_without_usable_identity_is_rejected(raw: object, ocid: str | None, reason: str) -> None:
    with pytest.raises(RejectedRelease) as caught:
        read(raw)
    assert caught.value.kind == "DATA"
    assert caught.value.ocid == ocid
    assert reason in caught.value.reason
    assert caught.value.reason in str(caught.value)


def test_an_identity_alone_is_enough() -> None:
    got = read({"ocid": "ocds-9t57fa-7"})
    assert (got.ocid, got.number, got.date, got.title, got.tag, got.documents, got.awards, got.issues) == (
        ("ocds-9t57fa-7", 7, None, None, (), (), (), ())
    )


@pytest.mark.parametrize(
    ("members", "field", "value", "issue"),
    [
        ({"date": "13/10/2025"}, "date", None, "date: not a date"),
        ({"date": 20251013}, "date", None, "date: not a date"),
        ({"date": ""}, "date", None, None),
        ({"date": "0001-01-01T00:00:00Z"}, "date", None, None),
        ({"date": "1900-01-01T00:00:00Z"}, "date", None, "date: not a date"),
        ({"date": "0025-10-14T00:00:00Z"}, "date", None, "date: not a date"),
        ({"date": "2205-10-14T00:00:00Z"}, "date", None, "date: not a date"),
        ({"date": "2025-10-14T23:30:00Z"}, "date", date(2025, 10, 14), None),
        ({"id": 7}, "release_id", "7", None),
        ({"id": None}, "release_id", None, None),
        ({"tag": "compiled"}, "tag", ("compiled",), None),
        ({"tag": None}, "tag", (), None),
        ({"tag": [None, "compiled", {}, " "]}, "tag", ("compiled",), "tag/2: not text"),
        ({"tender": None}, "title", None, None),
        ({"tender": []}, "title", None, "tender: not an object"),
        ({"tender": "x"}, "closing_at", None, "tender: not an object"),
        ({"tender__id": "ABC"}, "number", 136747, "tender.id: not a tender number"),
        ({"tender__title": " FBC – 3\r\n"}, "title", "FBC - 3", None),
        ({"tender__title": {"en": "x"}}, "title", None, "tender.title: not text"),
        ({"tender__description": 42}, "description", "42", None),
        ({"tender__status": "Complete "}, "status", "complete", None),
        ({"tender__status": ""}, "status", None, None),
        ({"tender__status": "withdrawn by the entity"}, "status", "withdrawn by the entity", None),
        ({"tender__status": 3.5}, "status", "3.5", None),
        ({"tender__province": "National"}, "province", "National", None),
        ({"tender__province": " NO"}, "province", None, None),
        ({"tender__specialConditions": "N/A"}, "special_conditions", None, None),
        ({"tender__tenderPeriod": "soon"}, "closing_at", None, "tender.tenderPeriod: not an object"),
        (
            {"tender__tenderPeriod": {"endDate": "soon"}},
            "closing_at",
            None,
            "tender.tenderPeriod.endDate: not a date",
        ),
        ({"tender__value": 5}, "value_amount", None, "tender.value: not an object"),
        ({"tender__value": {"amount": "R 1 000 000,00"}}, "value_amount", Decimal("1000000.00"), None),
        ({"tender__value": {"amount": -1}}, "value_amount", None, "tender.value.amount: not an amount"),
        ({"tender__procuringEntity": {}}, "procuring_entity", Organisation(None, None), None),
        ({"buyer": {"id": 823, "name": "False  Bay "}}, "buyer", Organisation("823", "False Bay"), None),
        ({"buyer": "False Bay"}, "buyer", Organisation(None, None), "buyer: not an object"),
        (
            {"tender__contactPerson": {"name": "-", "email": "none", "telephoneNumber": "000-000-0000"}},
            "contact",
            Contact(None, None, None, None),
            None,
        ),
        (
            {"tender__contactPerson": {"email": "not an address"}},
            "contact",
            Contact(None, None, None, None),
            "tender.contactPerson.email: not an e-mail address",
        ),
        (
            {"tender__briefingSession": {"isSession": "Yes", "compulsory": " NO", "date": "<not available>"}},
            "briefing",
            Briefing(True, False, None, None),
            None,
        ),
        (
            {"tender__briefingSession": {"isSession": "maybe"}},
            "briefing",
            Briefing(None, None, None, None),
            "tender.briefingSession.isSession: not yes or no",
        ),
        ({"tender__documents": None}, "documents", (), None),
        ({"tender__documents": "a.pdf"}, "documents", (), "tender.documents: not an array"),
        ({"tender__documents": [{}, None]}, "documents", (), None),
        ({"tender__documents": ["a.pdf"]}, "documents", (), "tender.documents/0: not an object"),
        ({"awards": {}}, "awards", (), None),
        ({"awards": 5}, "awards", (), "awards: not an array"),
    ],
)  # fmt: skip
def test_an_odd_field_is_none_with_a_note_and_costs_nothing_else(
    members: dict[str, Any], field: str, value: object, issue: str | None
) -> None:
    got = read(changed(**members))
    assert getattr(got, field) == value
    assert got.issues == (() if issue is None else (issue,))
    assert got.language == "en-za"


def test_one_odd_document_does_not_cost_the_others() -> None:
    good = BASE["tender"]["documents"][0]
    got = read(changed(tender__documents=[good, {"id": 5, "url": "ftp://x", "title": []}, good]))
    assert [document.id for document in got.documents] == [good["id"], "5", good["id"]]
    assert got.documents[1].url is None
    assert set(got.issues) == {
        "tender.documents/1.url: not a web address",
        "tender.documents/1.title: not text",
    }


def test_an_award_is_read() -> None:
    assert award() == Award(
        id="136747-1",
        title="FBC B3/2025",
        status="active",
        date=None,
        supplier_id="88",
        supplier_name="Example Trading (Pty) Ltd",
        amount=Decimal("1250000.50"),
        currency="ZAR",
        caveats=(),
    )


@pytest.mark.parametrize(
    ("amount", "kept", "caveats"),
    [
        (0, None, ()),
        (99.99, Decimal("99.99"), ("amount under R100",)),
        (100, Decimal("100.00"), ()),
        (10_000_000_000, Decimal("10000000000.00"), ()),
        (10_000_000_001, Decimal("10000000001.00"), ("amount over R10 billion",)),
        ("55", Decimal("55.00"), ("amount under R100",)),
        (None, None, ()),
    ],
)
def test_a_doubtful_award_amount_is_kept_and_flagged(
    amount: object, kept: Decimal | None, caveats: tuple[str, ...]
) -> None:
    got = award(value={"amount": amount})
    assert (got.amount, got.caveats) == (kept, caveats)


@pytest.mark.parametrize(
    "supplier",
    [
        {"id": "0", "name": "0"},
        {"id": "0", "name": "Somebody"},
        {"id": 0, "name": "Somebody"},
        {"id": "12", "name": "None"},
        {"id": "12", "name": "non-award"},
        {"id": "12", "name": "TENDER CANCELLED"},
        {"id": "12", "name": "Not yet awarded"},
        {"id": "12", "name": "No suitable bidder"},
        {"id": "12", "name": "Non-responsive bidders"},
        {"id": "12", "name": "To be confirmed"},
        {"id": "non-award", "name": "X1"},
        {"id": "None", "name": "X1"},
        {"id": "12"},
    ],
)
def test_a_supplier_that_is_none_is_left_out(supplier: dict[str, Any]) -> None:
    got = award(suppliers=[supplier])
    assert (got.supplier_id, got.supplier_name, got.caveats) == (None, None, ("no real supplier",))
    assert got.amount == Decimal("1250000.50")


@pytest.mark.parametrize(
    "name",
    [
        "Cancelled Events CC",
        "Testrite (Pty) Ltd",
        "Various service providers",
        "No Limits Trading",
        "Pending Peace Trading",
    ],
)
def test_a_supplier_whose_name_begins_like_none_is_kept(name: str) -> None:
    assert award(suppliers=[{"id": "12", "name": name}]).supplier_name == name


def test_a_supplier_without_id_keeps_its_name() -> None:
    got = award(suppliers={"name": "Example Trading"})
    assert (got.supplier_id, got.supplier_name, got.caveats) == (None, "Example Trading", ())


def test_several_suppliers_are_said() -> None:
    got = award(suppliers=[{"id": "1", "name": "One Ltd"}, {"id": "2", "name": "Two Ltd"}])
    assert (got.supplier_name, got.caveats) == ("One Ltd", ("2 suppliers, the first is shown",))


def test_a_release_travels_between_processes() -> None:
    got = read(BASE)
    assert pickle.loads(pickle.dumps(got)) == got
