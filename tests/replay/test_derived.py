"""Releases derived from portal rows."""

from __future__ import annotations

from datetime import datetime

from app.replay.calendar import SAST
from app.replay.derived import procurement_category
from tests.replay.asking import API, ask, still


def test_a_derived_release_holds_what_the_row_says_and_no_more() -> None:
    app = still(datetime(2025, 9, 18, 18, 0, tzinfo=SAST), shift="none")
    assert ask(app, f"{API}/release/ocds-9t57fa-132162").json() == {
        "ocid": "ocds-9t57fa-132162",
        "id": "ocds-9t57fa-132162-2025-09-18",
        "date": "2025-09-18T00:00:00Z",
        "tag": ["compiled"],
        "initiationType": "tender",
        "tender": {
            "id": "132162",
            "title": "SCMU8 - 25/26 - 0082",
            "status": "active",
            "category": "Services: Functional (Including Cleaning and Security Services)",
            "province": "Eastern Cape",
            "deliveryLocation": "94 Fitzpatrick Road and the Zwelitsha Office  - "
            "East London Zwelitsha Office  - East London and Zwelitsha Office  - 5201",
            "specialConditions": "•\tPSIRA Registration\r\n\r\n•\tBargaining Council Registration \r\n\r\n"
            "•\tICASA  License\r\n \r\n•\tArmed response Company with a local office (Amathole District)  ",
            "mainProcurementCategory": "services",
            "additionalProcurementCategories": ["services"],
            "description": "Provision of security services for East London District and the Zwelitsha DoA "
            "Offices in the Amathole District for a period of 36 months ",
            "value": {"amount": 0, "currency": "ZAR"},
            "documents": [
                {
                    "id": "5355622d-494c-40c7-81ce-f9547b4fde01",
                    "documentType": "basic",
                    "title": "SCMU 25 26 0082 Security El Zwel.pdf",
                    "description": "SCMU 25 26 0082 Security El Zwel.pdf",
                    "url": "https://www.etenders.gov.za/home/Download"
                    "?blobName=5355622d-494c-40c7-81ce-f9547b4fde01.pdf"
                    "&downloadedFileName=SCMU%2025%2026%200082%20Security%20El%20Zwel.pdf",
                    "datePublished": "2025-09-18T15:11:45Z",
                    "dateModified": "2025-09-18T15:11:45Z",
                    "format": "pdf",
                    "language": "en",
                }
            ],
            "tenderPeriod": {"startDate": "2025-09-18T00:00:00Z", "endDate": "2025-10-13T11:00:00Z"},
            "tenderers": [],
            "procuringEntity": {"id": "873", "name": "Eastern Cape - Agriculture "},
            "procurementMethod": "open",
            "procurementMethodDetails": "Request for Bid(Open-Tender)",
            "briefingSession": {
                "isSession": True,
                "compulsory": True,
                "date": "2025-09-29T11:00:00Z",
                "venue": "THE EAST LONDON DoA OFFICE, 94 FITZPATRICK ROAD, BKB BUILDING, "
                "MAIN BOARDROOMARCADIA, 5200",
            },
            "contactPerson": {
                "name": "Contact 313",
                "email": "contact805@drdar.gov.za",
                "telephoneNumber": "043-246-2992",
                "faxNumber": "N/A",
            },
        },
        "planning": {"rationale": "", "budget": {"description": " - "}, "documents": []},
        "parties": [],
        "buyer": {"id": "873", "name": "Eastern Cape - Agriculture "},
        "language": "en-za",
        "awards": [],
        "contracts": [],
    }


def test_a_buyer_whom_the_filter_form_does_not_list_has_no_id() -> None:
    tenders = [tender for tender in still().truth() if tender["newer"]]
    unlisted = [tender for tender in tenders if tender["newer"]["departmentsID"] is None]
    assert 0 < len(unlisted) < 20
    assert all("id" not in tender["release"]["buyer"] for tender in unlisted)
    assert all(tender["release"]["buyer"]["name"] for tender in tenders)


def test_a_release_shows_one_document_at_most_however_many_the_row_has() -> None:
    tenders = [tender for tender in still().truth() if tender["newer"]]
    assert max(len(tender["newer"]["supportDocument"]) for tender in tenders) > 20
    for tender in tenders:
        shown = tender["release"]["tender"]["documents"]
        assert len(shown) == min(1, len(tender["newer"]["supportDocument"]))


def test_no_briefing_is_year_one_as_the_api_says_it() -> None:
    without = [
        tender["release"]["tender"]["briefingSession"]
        for tender in still().truth()
        if tender["newer"] and tender["newer"]["compulsory_briefing_session"] is None
    ]
    assert len(without) > 1_000
    assert {briefing["date"] for briefing in without} == {"0001-01-01T00:00:00Z"}


def test_the_portal_s_categories_become_the_three_of_ocds_or_none() -> None:
    assert procurement_category("Supplies: Electrical Equipment") == "goods"
    assert procurement_category("Services: Professional") == "services"
    assert procurement_category("Civil engineering") == "works"
    assert procurement_category("Education") == ""
    assert procurement_category(None) == ""
