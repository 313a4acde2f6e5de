"""One tender out of what the two sources say: the release first, the portal for the gaps, and where each
field came from.
"""

from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from enrichment import quality
from enrichment.briefing import NOWHERE as NO_MEETING
from enrichment.briefing import meeting_of
from enrichment.category import category_of
from enrichment.columns import Columns
from enrichment.contact import email_of, telephone_of
from enrichment.documents import Document, merge_documents
from enrichment.lifecycle import lifecycle_of
from enrichment.organ import buyer_id_of, organ_of
from enrichment.organ_types import DISTRICT, LEGISLATURE, LOCAL, METRO, PROVINCIAL_DEPARTMENT
from enrichment.place import address_of, place_of, province_of_buyer
from enrichment.province import province_of
from enrichment.rows import PortalRow
from enrichment.slug import slug_of
from enrichment.tender_type import tender_type_of
from enrichment.title import display_title
from enrichment.value import stated_value
from ocds.dates import SAST
from ocds.release import AWARD_LARGE, AWARD_SMALL, Release

_LEAST_VALUE = Decimal(1_000)  # less is a slip of the form, not what a public contract is worth
_OF_ONE_PROVINCE = frozenset({PROVINCIAL_DEPARTMENT, LEGISLATURE, METRO, DISTRICT, LOCAL})
_MAIN_CATEGORIES = {
    "goods": "goods",
    "works": "works",
    "services": "services",
    "consultingservices": "services",
}
_MEETING_COLUMNS = ("briefing_meeting_link", "briefing_meeting_id", "briefing_meeting_passcode")
_NO_AWARD = frozenset({"cancelled", "unsuccessful", "pending"})
_STATUSES = {"published": "active", "cancelled": "cancelled", "awarded": "complete", "closed": "complete"}


@dataclass(frozen=True, slots=True)
class DerivedTender:
    """What the sources determine about a tender.

    ``columns`` holds every column of ``tenders`` that content determines. ``provenance`` says for each column
    that has a value which source gave it, from which of its fields, and when. ``enriched`` is True when a
    portal row contributed.
    """

    columns: dict[str, Any]
    lifecycle: str
    slug: str
    documents: list[Document]
    provenance: dict[str, dict[str, str]]
    enriched: bool
    quality: dict[str, int]


def derive(release: Release | None, row: PortalRow | None, *, now: datetime) -> DerivedTender:
    """Join a release and the portal row of the same tender; one of them may be missing.

    Pure: ``now`` decides between open and closed and stamps the provenance. Raises ValueError when both are
    missing or when they are of two tenders.
    """
    given = release or row
    if given is None:
        raise ValueError("derive() needs a release or a portal row")
    if release is not None and row is not None and release.number != row.number:
        raise ValueError(f"the release {release.ocid} and the portal row {row.ocid} are two tenders")
    tender = Columns(now)
    _identify(tender, release, row)
    _schedule(tender, release, row)
    _classify(tender, release, row)
    _locate(tender, release, row)
    _brief(tender, release, row)
    _introduce(tender, release, row)
    _value(tender, release)
    _award(tender, release, row)
    documents = merge_documents(release.documents if release else (), row.documents if row else ())
    tender.set("document_count", len(documents), "derived", "documents")
    points = quality.score(tender.columns)
    tender.set("data_quality_score", sum(points.values()), "derived", "quality")
    return DerivedTender(
        columns=tender.columns,
        lifecycle=lifecycle_of(
            release_status=release.status if release else None,
            bucket_status=row.status if row else None,
            awarded=tender.columns["award_supplier"] is not None,
            closing_at=tender.columns["closing_at"],
            now=now,
        ),
        slug=slug_of(tender.columns["display_title"], given.number),
        documents=documents,
        provenance=tender.provenance,
        enriched=row is not None,
        quality=points,
    )


def _identify(tender: Columns, release: Release | None, row: PortalRow | None) -> None:
    given = release or row
    tender.set(
        "ocid", given.ocid if given else None, "release" if release else "portal", "ocid" if release else "id"
    )
    tender.set("release_id", release.release_id if release else None, "release", "id")
    tender.set("tag", list(release.tag) if release and release.tag else None, "release", "tag")
    number = tender.first(
        "title",
        (release.title if release else None, "release", "tender.title"),
        (row.tender_number if row else None, "portal", "tender_No"),
    )
    description = tender.first(
        "description",
        (release.description if release else None, "release", "tender.description"),
        (row.description if row else None, "portal", "description"),
    )
    tender.set(
        "display_title",
        display_title(description, number),
        "derived",
        "description" if description else "title",
    )
    tender.first(
        "status",
        (release.status if release else None, "release", "tender.status"),
        (
            _STATUSES.get(row.status.lower(), row.status.lower()) if row and row.status else None,
            "portal",
            "status",
        ),
    )


def _schedule(tender: Columns, release: Release | None, row: PortalRow | None) -> None:
    starts_on = release.starts_at.date() if release and release.starts_at else None
    day = tender.first(
        "date",
        (release.date if release else None, "release", "date"),
        (starts_on, "release", "tender.tenderPeriod.startDate"),
        (row.published_on if row else None, "portal", "date_Published"),
    )
    published = tender.first(
        "published_at",
        (release.starts_at if release else None, "release", "tender.tenderPeriod.startDate"),
        (_midnight(day), "derived", "date"),
    )
    tender.first(
        "updated_at",
        (_midnight(release.date) if release else None, "release", "date"),
        (published, "derived", "published_at"),
    )
    tender.first(
        "closing_at",
        (release.closing_at if release else None, "release", "tender.tenderPeriod.endDate"),
        (row.closing_at if row else None, "portal", "closing_Date"),
    )
    tender.set("validity_days", row.validity_days if row else None, "portal", "validity")
    tender.set("has_e_submission", row.e_submission if row else None, "portal", "eSubmission")
    tender.set("two_envelope", row.two_envelope if row else None, "portal", "twoEnvelopeSubmission")


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), SAST)


def _classify(tender: Columns, release: Release | None, row: PortalRow | None) -> None:
    buyer = release.buyer if release and (release.buyer.id or release.buyer.name) else None
    entity = release.procuring_entity if release else None
    name = tender.first(
        "buyer_name",
        (buyer.name if buyer else None, "release", "buyer.name"),
        (entity.name if entity else None, "release", "tender.procuringEntity.name"),
        (row.buyer_name if row else None, "portal", "department"),
    )
    number = tender.first(
        "buyer_id",
        (buyer.id if buyer else None, "release", "buyer.id"),
        (entity.id if entity else None, "release", "tender.procuringEntity.id"),
        (row.buyer_id if row else None, "portal", "departmentsID"),
        (buyer_id_of(name) if name else None, "derived", "buyer_name"),
    )
    organ = organ_of(number, name)
    field = "buyer_id" if organ and organ.by_id else "buyer_name"
    tender.set("organ_of_state_type", organ.type if organ else None, "derived", field)
    tender.set("municipality_type", organ.municipality_type if organ else None, "derived", field)
    tender.set("department_level", organ.department_level if organ else None, "derived", field)
    additional = release.additional_categories if release else ()
    tender.first(
        "main_category",
        (release.main_category if release else None, "release", "tender.mainProcurementCategory"),
        (
            next(filter(None, (_MAIN_CATEGORIES.get(name.lower()) for name in additional)), None),
            "release",
            "tender.additionalProcurementCategories",
        ),
    )
    tender.first(
        "detailed_category",
        (
            category_of(release.category).name if release and release.category else None,
            "release",
            "tender.category",
        ),
        (category_of(row.category).name if row and row.category else None, "portal", "category"),
    )
    kind = tender.first(
        "tender_type",
        (
            release.procurement_method_details if release else None,
            "release",
            "tender.procurementMethodDetails",
        ),
        (row.tender_type if row else None, "portal", "type"),
    )
    if kind:
        named = tender_type_of(kind)
        tender.columns["tender_type"] = named.name
    tender.set("tender_type_category", named.category if kind else None, "derived", "tender_type")


def _locate(tender: Columns, release: Release | None, row: PortalRow | None) -> None:
    kind, buyer_name = tender.columns["organ_of_state_type"], tender.columns["buyer_name"]
    stated = (release.province if release else None) or (row.province if row else None)
    is_local = bool(buyer_name) and kind in _OF_ONE_PROVINCE and not stated  # "Gauteng, Limpopo" is neither
    province = tender.first(
        "province",
        (
            province_of(release.province) if release and release.province else None,
            "release",
            "tender.province",
        ),
        (province_of(row.province) if row and row.province else None, "portal", "province"),
        (province_of_buyer(buyer_name) if is_local else None, "derived", "buyer_name"),
    )
    released = address_of(release.delivery_location) if release and release.delivery_location else None
    address = tender.first(
        "delivery_location",
        (released, "release", "tender.deliveryLocation"),
        (address_of(row.delivery) if row and row.delivery else None, "portal", "delivery"),
    )
    parts = (row.street, row.suburb, row.town) if row and row.town else None
    municipality = buyer_name if tender.columns["municipality_type"] else None
    place = place_of(parts, address, province, municipality)
    tender.first(
        "city",
        (place.city if parts else None, "portal", "town"),
        (place.city, "derived", "delivery_location"),
    )
    addressed = place.city or not municipality or place_of(parts, address, province, None).district
    tender.set("district", place.district, "derived", "delivery_location" if addressed else "buyer_name")
    tender.first(
        "special_conditions",
        (release.special_conditions if release else None, "release", "tender.specialConditions"),
        (row.conditions if row else None, "portal", "conditions"),
    )


def _brief(tender: Columns, release: Release | None, row: PortalRow | None) -> None:
    told = release.briefing if release else None
    at = tender.first(
        "briefing_at",
        (told.at if told else None, "release", "tender.briefingSession.date"),
        (row.briefing_at if row else None, "portal", "compulsory_briefing_session"),
    )
    venue = tender.first(
        "briefing_venue",
        (told.venue if told else None, "release", "tender.briefingSession.venue"),
        (row.briefing_venue if row else None, "portal", "briefingVenue"),
    )
    compulsory = tender.first(
        "briefing_compulsory",
        (told.compulsory if told else None, "release", "tender.briefingSession.compulsory"),
        (row.briefing_compulsory if row else None, "portal", "briefingCompulsory"),
    )
    tender.first(
        "has_briefing",
        (
            True if at is not None or compulsory else None,
            "derived",
            "briefing_at" if at else "briefing_compulsory",
        ),
        (told.is_session if told else None, "release", "tender.briefingSession.isSession"),
        (row.has_briefing if row else None, "portal", "briefingSession"),
    )
    conditions = tender.columns["special_conditions"]
    meeting = meeting_of(venue, conditions) if venue or conditions else NO_MEETING
    at_venue = NO_MEETING if meeting is NO_MEETING else meeting_of(venue, None)
    for name, value, said_there in zip(_MEETING_COLUMNS, meeting, at_venue, strict=True):
        tender.set(name, value, "derived", "briefing_venue" if value == said_there else "special_conditions")


def _introduce(tender: Columns, release: Release | None, row: PortalRow | None) -> None:
    contact = release.contact if release else None
    tender.first(
        "contact_person",
        (contact.name if contact else None, "release", "tender.contactPerson.name"),
        (row.contact_person if row else None, "portal", "contactPerson"),
    )
    tender.first(
        "contact_email",
        (email_of(contact.email) if contact else None, "release", "tender.contactPerson.email"),
        (email_of(row.email) if row else None, "portal", "email"),
        (email_of(_printed_email(release)) if release else None, "release", "tender.contactPerson.email"),
    )
    tender.first(
        "contact_telephone",
        (
            telephone_of(contact.telephone) if contact else None,
            "release",
            "tender.contactPerson.telephoneNumber",
        ),
        (telephone_of(row.telephone) if row else None, "portal", "telephone"),
    )


def _printed_email(release: Release) -> str | None:
    """What the release prints where its reader found no single address: two of them, or one with blanks."""
    tender = release.raw.get("tender")
    contact = tender.get("contactPerson") if isinstance(tender, dict) else None
    email = contact.get("email") if isinstance(contact, dict) else None
    return email if isinstance(email, str) else None


def _value(tender: Columns, release: Release | None) -> None:
    """A value that the release publishes, or else one that the tender's own words state."""
    amount = release.value_amount if release and release.value_currency in (None, "ZAR") else None
    if amount is not None and _LEAST_VALUE <= amount <= AWARD_LARGE:
        tender.set("estimated_value_min", amount, "release", "tender.value.amount")
        tender.set("estimated_value_max", amount, "release", "tender.value.amount")
        return
    for field in ("description", "special_conditions"):
        stated = stated_value(tender.columns[field])
        if stated:
            tender.set("estimated_value_min", stated.minimum, "derived", field)
            tender.set("estimated_value_max", stated.maximum, "derived", field)
            return
    tender.set("estimated_value_min", None, "derived", "")
    tender.set("estimated_value_max", None, "derived", "")


def _award(tender: Columns, release: Release | None, row: PortalRow | None) -> None:
    """The first award with a real supplier. An amount that cannot be meant is left out; each doubt is noted."""
    awards = release.awards if release else ()
    award = next((award for award in awards if award.supplier_name and award.status not in _NO_AWARD), None)
    portal = row.award if row and row.award and row.award.supplier_name else None
    tender.first(
        "award_supplier",
        (award.supplier_name if award else None, "release", "awards.suppliers.name"),
        (portal.supplier_name if portal else None, "portal", "awards"),
    )
    tender.first(
        "award_amount",
        (
            _believable(award.amount) if award and award.currency in (None, "ZAR") else None,
            "release",
            "awards.value.amount",
        ),
        (_believable(portal.amount) if portal else None, "portal", "awards"),
    )
    if award and award.caveats:
        tender.provenance["award_supplier"]["caveat"] = "; ".join(award.caveats)


def _believable(amount: Decimal | None) -> Decimal | None:
    return amount if amount is not None and AWARD_SMALL <= amount <= AWARD_LARGE else None
