"""A tender as an OCDS 1.1 release: corrected times, no placeholders, every document, and the derived fields.

What has no field in OCDS 1.1 is declared by our own extension (`extension.py`); everything else keeps the
standard's names, codelists and types, so that a validator finds nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlsplit

from ocds.dates import SAST

Columns = Mapping[str, Any]
Json = dict[str, Any]

_TENDER_STATUS = {"planning", "planned", "active", "cancelled", "unsuccessful", "complete", "withdrawn"}
_LIFECYCLE_STATUS = {"open": "active", "closed": "complete", "cancelled": "cancelled", "awarded": "complete"}
_CATEGORIES = {"goods", "works", "services"}
_MEDIA_TYPES = {
    "pdf": "application/pdf",
    "doc": "application/msword",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xls": "application/vnd.ms-excel",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "zip": "application/zip",
    "rar": "application/vnd.rar",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "txt": "text/plain",
    "csv": "text/csv",
}
_UNSAFE = re.compile(r"[^\x21-\x7e]|[<>\"{}|\\^`]")


def release(tender: Columns, documents: Iterable[Columns], *, portal_url: str) -> Json:
    """The release of a tender's current state.

    `tender` has the columns of `tenders`, `content_hash` included; `documents` those of `tender_documents`;
    `portal_url` is the page where eTenders shows its tenders. The source overwrites a release and keeps its id, so the
    id here ends with the content's hash: equal ids mean equal contents.
    """
    number = str(tender["ocid"]).rsplit("-", 1)[-1]
    released = _released(tender)
    given = tender.get("release_id") or f"{tender['ocid']}-{released.date().isoformat()}"
    return {
        "ocid": tender["ocid"],
        "id": f"{given}-{tender['content_hash'].hex()[:12]}",
        "date": released.isoformat(),
        "tag": [tag for tag in tender.get("tag") or [] if tag] or ["compiled"],
        "initiationType": "tender",
        "language": "en",
        "parties": _parties(tender),
        **_present(buyer=_reference(tender)),
        "tender": {
            "id": number,
            **_present(
                title=tender.get("display_title") or tender.get("title"),
                description=tender.get("description"),
                referenceNumber=tender.get("title"),
                status=_status(tender),
                procuringEntity=_reference(tender),
                mainProcurementCategory=_one_of(tender.get("main_category"), _CATEGORIES),
                procurementMethodDetails=tender.get("tender_type"),
                submissionMethod=["electronicSubmission"] if tender.get("has_e_submission") else None,
                tenderPeriod=_period(tender.get("published_at"), tender.get("closing_at")),
                documents=[_document(document) for document in documents],
                minValue=_money(tender.get("estimated_value_min")),
                value=_money(tender.get("estimated_value_max")),
                classification=tender.get("detailed_category"),
                delivery=_present(
                    province=tender.get("province"),
                    district=tender.get("district"),
                    city=tender.get("city"),
                    address=tender.get("delivery_location"),
                ),
                briefing=_briefing(tender),
                specialConditions=tender.get("special_conditions"),
                twoEnvelope=tender.get("two_envelope"),
                bidValidityDays=tender.get("validity_days"),
            ),
        },
        **_present(awards=_awards(tender, number)),
        "platform": _present(
            lifecycle=tender.get("lifecycle"),
            dataQualityScore=tender.get("data_quality_score"),
            enrichmentStatus=tender.get("enrichment_status"),
            firstSeen=_text(tender.get("first_seen_at")),
            lastChanged=_text(tender.get("last_changed_at")),
            source=f"{portal_url.rstrip('/')}/Home/opportunities?id=1",
            provenance=tender.get("provenance"),
        ),
    }


def _released(tender: Columns) -> datetime:
    """The beginning of the release's South African day; failing that, when the tender was first seen."""
    day = tender.get("date")
    if isinstance(day, datetime):
        return day.astimezone(SAST)
    if isinstance(day, date):
        return datetime.combine(day, time(), SAST)
    for name in ("published_at", "first_seen_at"):
        instant = tender.get(name)
        if isinstance(instant, datetime):
            return instant.astimezone(SAST)
    raise ValueError(f"{tender['ocid']} has neither a release date nor a time at which it was first seen")


def _parties(tender: Columns) -> list[Json]:
    parties = []
    buyer = _reference(tender)
    if buyer:
        details = _present(
            organOfStateType=tender.get("organ_of_state_type"),
            municipalityType=tender.get("municipality_type"),
            departmentLevel=tender.get("department_level"),
        )
        contact = _present(
            name=tender.get("contact_person"),
            email=tender.get("contact_email"),
            telephone=tender.get("contact_telephone"),
        )
        parties.append(
            {
                **buyer,
                "roles": ["buyer", "procuringEntity"],
                **_present(contactPoint=contact, details=details),
            }
        )
    supplier = _supplier(tender)
    if supplier:
        parties.append({**supplier, "roles": ["supplier"]})
    return parties


def _reference(tender: Columns) -> Json:
    """The buyer; one without an id is known by its name."""
    name = tender.get("buyer_name")
    if not name:
        return {}
    return {"id": str(tender.get("buyer_id") or f"name:{name}"), "name": name}


def _supplier(tender: Columns) -> Json:
    name = tender.get("award_supplier")
    return {"id": f"name:{name}", "name": name} if name else {}


def _awards(tender: Columns, number: str) -> list[Json]:
    supplier, value = _supplier(tender), _money(tender.get("award_amount"))
    if not supplier and not value:
        return []
    return [
        {
            "id": f"{number}-award",
            "status": "active",
            **_present(suppliers=[supplier] if supplier else [], value=value),
        }
    ]


def _status(tender: Columns) -> str | None:
    """The lifecycle says more than the source's own word, which stays "active" after the closing."""
    lifecycle = _LIFECYCLE_STATUS.get(str(tender.get("lifecycle")))
    return lifecycle or _one_of(tender.get("status"), _TENDER_STATUS)


def _briefing(tender: Columns) -> Json:
    if not tender.get("has_briefing"):
        return {}
    return _present(
        compulsory=tender.get("briefing_compulsory"),
        date=_text(tender.get("briefing_at")),
        venue=tender.get("briefing_venue"),
        meetingLink=tender.get("briefing_meeting_link"),
    )


def _document(document: Columns) -> Json:
    extension = str(document.get("format") or "").lower().lstrip(".")
    return {
        "id": str(document["id"]),
        **_present(
            documentType="biddingDocuments",
            title=document.get("title"),
            url=uri(document.get("url")),
            datePublished=_stamp(document.get("date_published")),
            dateModified=_stamp(document.get("date_modified")),
            format=_MEDIA_TYPES.get(extension),
        ),
    }


def uri(text: object) -> str | None:
    """An absolute URI, its unsafe characters escaped; None for what is none."""
    if not isinstance(text, str) or not text.strip():
        return None
    escaped = _UNSAFE.sub(lambda found: quote(found.group()), text.strip())
    parts = urlsplit(escaped)
    return escaped if parts.scheme in {"http", "https"} and parts.netloc else None


def _stamp(text: object) -> str | None:
    """A document's time stamp as given; only where it names no zone is South Africa's meant."""
    if not isinstance(text, str):
        return None
    try:
        parsed = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if parsed.year <= 1:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=SAST)).isoformat()


def _period(start: datetime | None, end: datetime | None) -> Json:
    return _present(startDate=_text(start), endDate=_text(end))


def _text(instant: datetime | None) -> str | None:
    return instant.astimezone(SAST).isoformat() if instant else None


def _money(amount: Decimal | float | None) -> Json:
    return {"amount": float(amount), "currency": "ZAR"} if amount is not None else {}


def _one_of(value: object, allowed: set[str]) -> str | None:
    return value if isinstance(value, str) and value in allowed else None


def _present(**fields: Any) -> Json:
    """Only what says something: OCDS asks publishers to leave out empty fields."""
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}
