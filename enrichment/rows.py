"""One tender as the portal lists it, read from either of the portal's two row shapes.

The paginated endpoint answers the newer shape (``organ_of_State``, ``supportDocument``, separate address
parts), the whole-bucket endpoint the older one (``sd``, ``bf``/``bc`` as " NO"/"Yes", display dates). Both
become one :class:`PortalRow`, so nothing behind this module knows that there are two.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ocds.content import content_hash
from ocds.errors import DataError
from ocds.fields import Fields
from ocds.ids import MAX_NUMBER, number_of, ocid_of
from ocds.values import is_nobody

_SEPARATOR = re.compile(r"[\s,;-]+")
_LONGEST_VALIDITY = 3650
_DAYS_IN_WEEK = 7
_PERIOD = re.compile(
    r"(?:[a-z -]{3,40}\(\s*)?(?P<number>\d{1,4})\s*\)?\s*(?:calendar\s+)?(?P<unit>day|week)s?\.?",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class PortalDocument:
    """One file of a row; ``date_modified`` is the portal's text, because its time zone is unresolved."""

    guid: str
    name: str
    extension: str
    active: bool
    date_modified: str | None


@dataclass(frozen=True, slots=True)
class PortalAward:
    """What a row of the awarded bucket says about its award; never seen in a capture, so every part may be
    None.
    """

    supplier_name: str | None
    amount: Decimal | None


@dataclass(frozen=True, slots=True)
class PortalRow:
    """A portal row: texts on one line, "not given" is None, times are instants in South African time.

    ``hash`` covers what the tender says and nothing of how or to whom the portal showed it. ``raw`` is
    untouched.
    """

    number: int
    ocid: str
    hash: bytes
    raw: dict[str, Any]
    tender_number: str | None
    description: str | None
    category: str | None
    tender_type: str | None
    buyer_id: str | None
    buyer_name: str | None
    province: str | None
    status: str | None
    closing_at: datetime | None
    published_on: date | None
    has_briefing: bool | None
    briefing_compulsory: bool | None
    briefing_at: datetime | None
    briefing_venue: str | None
    street: str | None
    suburb: str | None
    town: str | None
    postal_code: str | None
    delivery: str | None
    conditions: str | None
    contact_person: str | None
    email: str | None
    telephone: str | None
    fax: str | None
    validity_days: int | None
    e_submission: bool | None
    two_envelope: bool | None
    documents: tuple[PortalDocument, ...]
    award: PortalAward | None


def read_row(raw: object) -> PortalRow:
    """Read a row of either shape.

    Only the id is indispensable: every other field that is missing or of a wrong type becomes None. Raises
    DataError, naming what was there instead, when the row is no object or has no usable id.
    """
    if not isinstance(raw, dict):
        raise DataError(f"A portal row must be a JSON object, not {type(raw).__name__}; it is left out.")
    number = _number(raw)
    row = Fields(raw, "", [])
    said: dict[str, Any] = {
        "tender_number": row.text("tender_No"),
        "description": row.text("description"),
        "category": row.text("category") or row.member("categories").text("name"),
        "tender_type": row.text("type"),
        "buyer_name": row.text("organ_of_State")
        or row.text("department")
        or row.member("departments").text("name"),
        "province": row.text("province") or row.member("provinces").text("name"),
        "status": row.text("status"),
        "closing_at": row.instant("closing_Date") or row.instant("cd"),
        "published_on": row.day("date_Published") or row.day("dp"),
        "has_briefing": _either(row.flag("briefingSession"), row.flag("bf")),
        "briefing_compulsory": _either(row.flag("briefingCompulsory"), row.flag("bc")),
        "briefing_at": row.instant("compulsory_briefing_session") or row.instant("brief"),
        "briefing_venue": row.text("briefingVenue"),
        "conditions": row.paragraphs("conditions"),
        "contact_person": row.text("contactPerson"),
        "email": row.text("email"),
        "telephone": row.telephone("telephone"),
        "fax": row.telephone("fax"),
        "documents": _documents(row.objects("supportDocument") or row.objects("sd")),
        "award": _award(row.objects("awards")),
        "validity_days": _days(raw.get("validity")),
        "e_submission": row.flag("eSubmission"),
        "two_envelope": row.flag("twoEnvelopeSubmission"),
    }
    address: dict[str, Any] = {
        "street": row.text("streetname"),
        "suburb": row.text("surburb"),
        "town": row.text("town"),
        "postal_code": row.text("code"),
    }
    delivery = row.text("delivery") or " - ".join(part for part in address.values() if part) or None
    buyer_id = row.identifier("departmentsID") or row.member("departments").identifier("departmentsID")
    return PortalRow(
        number=number,
        ocid=ocid_of(number),
        hash=_hash(number, said, delivery),
        raw=raw,
        buyer_id=buyer_id,
        delivery=delivery,
        **address,
        **said,
    )


def _hash(number: int, said: dict[str, Any], delivery: str | None) -> bytes:
    """Over the cleaned fields, so that blanks, key order, file order, viewer state and user names do not
    count.

    What is absent, false or empty does not count either, and the address counts by its words: so a tender
    hashes alike in both shapes unless the newer one really says more (validity, e-submission, two envelopes).
    """
    content: dict[str, Any] = {"number": number}
    for name, value in said.items():
        if isinstance(value, date):
            content[name] = value.isoformat()
        elif value and not isinstance(value, tuple | PortalAward):
            content[name] = value
    award: PortalAward | None = said["award"]
    if award:
        content["award"] = [award.supplier_name, str(award.amount)]
    if delivery:
        content["delivery"] = _SEPARATOR.sub(" ", delivery.casefold()).strip()
    content["documents"] = sorted(
        [
            document.guid.lower(),
            document.name,
            document.extension,
            document.active,
            document.date_modified or "",
        ]
        for document in said["documents"]
    )
    return content_hash(content)


def _number(raw: dict[str, Any]) -> int:
    value = raw.get("id")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        value = int(value) if value.strip().isdecimal() and len(value) < 20 else None
    if value is None and isinstance(raw.get("ocid"), str):
        value = number_of(raw["ocid"])
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_NUMBER:
        raise DataError(f"A portal row has no usable id ({str(raw.get('id'))[:80]!r}); it is left out.")
    return value


def _either(newer: bool | None, older: bool | None) -> bool | None:
    return older if newer is None else newer


def _days(value: object) -> int | None:
    """Days as a number, or as "90 days", "ninety (90) days", "12 weeks"; a month has no fixed number of them."""
    said = _PERIOD.fullmatch(value.strip()) if isinstance(value, str) else None
    if said:
        value = int(said["number"]) * (_DAYS_IN_WEEK if said["unit"].lower() == "week" else 1)
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value.strip()[:9])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return (
        value
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LONGEST_VALIDITY
        else None
    )


def _documents(items: list[Fields]) -> tuple[PortalDocument, ...]:
    found: dict[str, PortalDocument] = {}
    for item in items:
        guid = item.text("supportDocumentID")
        if guid is None:
            continue
        extension = item.text("extension") or ""
        found.setdefault(
            guid.lower(),
            PortalDocument(
                guid=guid,
                name=item.text("fileName") or guid,
                extension=f".{extension.lstrip('.')}" if extension else "",
                active=item.flag("active") is not False,
                date_modified=item.text("dateModified"),
            ),
        )
    return tuple(found.values())


def _award(items: list[Fields]) -> PortalAward | None:
    for item in items:
        supplier = item.text("supplierName") or item.text("supplier") or item.text("bidderName")
        if supplier and is_nobody(supplier):
            continue
        amount = item.amount("amount") or item.amount("awardAmount") or item.amount("value")
        if supplier or amount:
            return PortalAward(supplier, amount)
    return None
