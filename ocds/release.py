"""One release, read tolerantly: corrected and typed fields beside the untouched original."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ocds import values
from ocds.content import content_hash
from ocds.errors import RejectedRelease
from ocds.fields import Fields
from ocds.ids import MAX_NUMBER, PREFIX, number_of, ocid_of

__all__ = [
    "READER_VERSION",
    "Award",
    "Briefing",
    "Contact",
    "Organisation",
    "Release",
    "ReleaseDocument",
    "content_hash",
    "read",
]

READER_VERSION = 5
"""Goes up whenever ``read`` gives another answer for some input, so that rejected releases are tried
again.
"""

AWARD_SMALL = Decimal(100)
AWARD_LARGE = Decimal(10) ** 10


@dataclass(frozen=True, slots=True)
class Organisation:
    """A buyer or procuring entity; ``id`` is the portal's ``departmentsID``."""

    id: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class ReleaseDocument:
    """A file of a tender; its time stamps are text as given, because their zone is unresolved."""

    id: str | None
    title: str | None
    url: str | None
    format: str | None
    date_published: str | None
    date_modified: str | None
    document_type: str | None
    description: str | None
    language: str | None


@dataclass(frozen=True, slots=True)
class Briefing:
    """``is_session`` and ``compulsory`` are None where nothing is said; ``at`` can be None beside
    ``is_session``.
    """

    is_session: bool | None
    compulsory: bool | None
    at: datetime | None
    venue: str | None


@dataclass(frozen=True, slots=True)
class Contact:
    """Whom to ask, placeholders dropped; e-mail and numbers are otherwise as given."""

    name: str | None
    email: str | None
    telephone: str | None
    fax: str | None


@dataclass(frozen=True, slots=True)
class Award:
    """One award. ``caveats`` names each reason to doubt it; a doubtful amount is kept, an amount of 0 is
    None.
    """

    id: str | None
    title: str | None
    status: str | None
    date: date | None
    supplier_id: str | None
    supplier_name: str | None
    amount: Decimal | None
    currency: str | None
    caveats: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """A compiled release. Times are instants in SAST, texts are cleaned, "not given" is None; ``raw`` is
    untouched.

    ``title`` is the tender's number and ``description`` what a person would call its title: so the source
    has it. ``status`` is an open vocabulary in lower case. ``issues`` notes each field that was there and
    could not be read.
    """

    ocid: str
    number: int
    release_id: str | None
    date: date | None
    tag: tuple[str, ...]
    language: str | None
    initiation_type: str | None
    title: str | None
    description: str | None
    status: str | None
    main_category: str | None
    additional_categories: tuple[str, ...]
    category: str | None
    province: str | None
    delivery_location: str | None
    special_conditions: str | None
    procurement_method: str | None
    procurement_method_details: str | None
    value_amount: Decimal | None
    value_currency: str | None
    starts_at: datetime | None
    closing_at: datetime | None
    buyer: Organisation
    procuring_entity: Organisation
    briefing: Briefing
    contact: Contact
    documents: tuple[ReleaseDocument, ...]
    awards: tuple[Award, ...]
    issues: tuple[str, ...]
    raw: dict[str, Any]
    hash: bytes


def read(raw: object) -> Release:
    """Read one release, bare or inside ``{"release": …}``.

    A field that cannot be read is None with a note in ``issues``. Raises RejectedRelease, and nothing else,
    for what has no usable identity: not an object, or neither an ocid of this publisher nor a tender id to
    derive it from, or an ocid and a tender id that contradict each other.
    """
    if isinstance(raw, dict) and "ocid" not in raw and isinstance(raw.get("release"), dict):
        raw = raw["release"]
    if not isinstance(raw, dict):
        raise RejectedRelease(f"it is {_kind(raw)}, not an object")
    if not raw:
        raise RejectedRelease("it is an empty object")
    issues: list[str] = []
    release = Fields(raw, "", issues)
    tender = release.member("tender")
    number = _identity(raw, tender, issues)
    value = tender.member("value")
    period = tender.member("tenderPeriod")
    return Release(
        ocid=ocid_of(number),
        number=number,
        release_id=release.text("id"),
        date=release.day("date"),
        tag=release.texts("tag"),
        language=release.text("language"),
        initiation_type=release.text("initiationType"),
        title=tender.text("title"),
        description=tender.text("description"),
        status=tender.word("status"),
        main_category=tender.word("mainProcurementCategory"),
        additional_categories=tender.texts("additionalProcurementCategories"),
        category=tender.text("category"),
        province=tender.text("province"),
        delivery_location=tender.text("deliveryLocation"),
        special_conditions=tender.paragraphs("specialConditions"),
        procurement_method=tender.word("procurementMethod"),
        procurement_method_details=tender.text("procurementMethodDetails"),
        value_amount=value.amount("amount"),
        value_currency=value.text("currency"),
        starts_at=period.instant("startDate"),
        closing_at=period.instant("endDate"),
        buyer=_organisation(release.member("buyer")),
        procuring_entity=_organisation(tender.member("procuringEntity")),
        briefing=_briefing(tender.member("briefingSession")),
        contact=_contact(tender.member("contactPerson")),
        documents=tuple(map(_document, tender.objects("documents"))),
        awards=tuple(map(_award, release.objects("awards"))),
        issues=tuple(issues),
        raw=raw,
        hash=content_hash(raw),
    )


def _identity(raw: dict[str, Any], tender: Fields, issues: list[str]) -> int:
    """The tender number that ocid and tender id agree on, or that one of them gives alone."""
    claimed = raw.get("ocid")
    by_ocid = number_of(claimed) if isinstance(claimed, str) else None
    by_tender = _tender_number(tender.raw.get("id"))
    if by_ocid is not None:
        if by_tender is not None and by_tender != by_ocid:
            raise RejectedRelease(f"its tender id {by_tender} contradicts its ocid", ocid=ocid_of(by_ocid))
        if by_tender is None and tender.raw.get("id") not in (None, ""):
            issues.append("tender.id: not a tender number")
        return by_ocid
    shown = values.text(claimed[:80]) if isinstance(claimed, str) else None
    if not isinstance(shown, str):
        shown = None
    elif shown[:5].lower() == "ocds-" and not shown.lower().startswith(PREFIX):
        raise RejectedRelease("its ocid belongs to another publisher", ocid=shown)
    if by_tender is None:
        given = "it has no ocid" if claimed in (None, "") else f"its ocid is not {PREFIX}<number>"
        raise RejectedRelease(f"{given}, and no tender id to derive it from", ocid=shown)
    issues.append("ocid: derived from tender.id")
    return by_tender


def _tender_number(value: object) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value if 1 <= value <= MAX_NUMBER else None
    return number_of(PREFIX + value.strip()) if isinstance(value, str) else None


def _organisation(fields: Fields) -> Organisation:
    return Organisation(fields.identifier("id"), fields.text("name"))


def _briefing(fields: Fields) -> Briefing:
    return Briefing(
        is_session=fields.flag("isSession"),
        compulsory=fields.flag("compulsory"),
        at=fields.instant("date"),
        venue=fields.text("venue"),
    )


def _contact(fields: Fields) -> Contact:
    return Contact(
        name=fields.text("name"),
        email=fields.email("email"),
        telephone=fields.telephone("telephoneNumber"),
        fax=fields.telephone("faxNumber"),
    )


def _document(fields: Fields) -> ReleaseDocument:
    return ReleaseDocument(
        id=fields.identifier("id"),
        title=fields.text("title"),
        url=fields.url("url"),
        format=fields.word("format"),
        date_published=fields.text("datePublished"),
        date_modified=fields.text("dateModified"),
        document_type=fields.text("documentType"),
        description=fields.text("description"),
        language=fields.text("language"),
    )


def _award(fields: Fields) -> Award:
    caveats: list[str] = []
    suppliers = fields.objects("suppliers")
    if len(suppliers) > 1:
        caveats.append(f"{len(suppliers)} suppliers, the first is shown")
    supplier_id = supplier_name = None
    if suppliers:
        supplier_id, supplier_name = _supplier(suppliers[0])
        if supplier_name is None:
            caveats.append("no real supplier")
    value = fields.member("value")
    amount = value.amount("amount")
    if amount is not None and amount < AWARD_SMALL:
        caveats.append("amount under R100")
    elif amount is not None and amount > AWARD_LARGE:
        caveats.append("amount over R10 billion")
    return Award(
        id=fields.text("id"),
        title=fields.text("title"),
        status=fields.word("status"),
        date=fields.day("date"),
        supplier_id=supplier_id,
        supplier_name=supplier_name,
        amount=amount,
        currency=value.text("currency"),
        caveats=tuple(caveats),
    )


def _supplier(fields: Fields) -> tuple[str | None, str | None]:
    """Id and name; none of either where one of them says that there is no supplier."""
    given = fields.raw.get("id")
    supplier_id, name = fields.identifier("id"), fields.text("name")
    nobody = name is None or any(map(values.is_nobody, filter(None, (name, supplier_id))))
    if nobody or (given is not None and supplier_id is None):
        return None, None
    return supplier_id, name


def _kind(value: object) -> str:
    names = {"list": "an array", "str": "a string", "NoneType": "null", "bool": "a truth value"}
    return names.get(type(value).__name__, "a number")
