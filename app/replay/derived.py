"""Releases derived from portal rows, for tenders of which only the row was captured.

A derived release has the OCDS API's form and holds only what the row says. It was never answered by the
real API.
"""

from __future__ import annotations

from urllib.parse import quote

from app.replay.calendar import JsonObject, api_stamp

PREFIX = "ocds-9t57fa-"
_DOWNLOAD = "https://www.etenders.gov.za/home/Download"
_STATUS = {"cancelled": "cancelled", "awarded": "complete"}
_WORKS = ("construction", "civil engineering", "sewerage", "specialised construction")


def derive_release(row: JsonObject) -> JsonObject:
    """The release of a portal row of the newer shape: the field mapping of docs/replay.md."""
    ocid = f"{PREFIX}{row['id']}"
    published = row["date_Published"]
    department_id = row["departmentsID"]
    buyer: JsonObject = {"id": str(department_id)} if department_id else {}
    buyer["name"] = row["department"]
    category = procurement_category(row["category"])
    tender: JsonObject = {
        "id": str(row["id"]),
        "title": row["tender_No"],
        "status": _STATUS.get(str(row["status"]).lower(), "active"),
        "category": row["category"],
        "province": row["province"],
        "deliveryLocation": _location(row),
        "specialConditions": row["conditions"],
        "mainProcurementCategory": category,
        "additionalProcurementCategories": [category] if category else [],
        "description": row["description"],
        "value": {"amount": 0, "currency": "ZAR"},
        "documents": [release_document(document) for document in row["supportDocument"][:1]],
        "tenderPeriod": {"startDate": api_stamp(published), "endDate": api_stamp(row["closing_Date"])},
        "tenderers": [],
        "procuringEntity": dict(buyer),
        "procurementMethod": "open",
        "procurementMethodDetails": row["type"],
        "briefingSession": {
            "isSession": bool(row["briefingSession"]),
            "compulsory": bool(row["briefingCompulsory"]),
            "date": api_stamp(row["compulsory_briefing_session"]),
            "venue": row["briefingVenue"] or "N/A",
        },
        "contactPerson": {
            "name": row["contactPerson"],
            "email": row["email"],
            "telephoneNumber": row["telephone"],
            "faxNumber": row["fax"],
        },
    }
    return {
        "ocid": ocid,
        "id": f"{ocid}-{published[:10]}",
        "date": api_stamp(published),
        "tag": ["compiled"],
        "initiationType": "tender",
        "tender": {key: value for key, value in tender.items() if value is not None},
        "planning": {"rationale": "", "budget": {"description": " - "}, "documents": []},
        "parties": [],
        "buyer": buyer,
        "language": "en-za",
        "awards": [],
        "contracts": [],
    }


def release_document(document: JsonObject) -> JsonObject:
    """A portal row's document as a release shows it."""
    name, extension = document["fileName"], document["extension"]
    blob = f"{document['supportDocumentID']}{extension}"
    return {
        "id": document["supportDocumentID"],
        "documentType": "basic",
        "title": name,
        "description": name,
        "url": f"{_DOWNLOAD}?blobName={blob}&downloadedFileName={quote(name)}",
        "datePublished": api_stamp(document["dateModified"]),
        "dateModified": api_stamp(document["dateModified"]),
        "format": extension.lstrip("."),
        "language": "en",
    }


def procurement_category(category: str | None) -> str:
    """goods, services or works where the portal's category says so, else the API's empty string."""
    words = (category or "").lower()
    if words.startswith("supplies"):
        return "goods"
    if words.startswith("services"):
        return "services"
    return "works" if words.startswith(_WORKS) else ""


def _location(row: JsonObject) -> str | None:
    parts = [row[key] for key in ("streetname", "surburb", "town", "code")]
    return " - ".join(part for part in parts if part) or None
