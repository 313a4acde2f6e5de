"""The OCDS extension that declares the fields which OCDS 1.1 has no name for."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

EXTENSION: Json = {
    "name": {"en": "South African tenders"},
    "description": {
        "en": "Fields that eTenders publishes beside OCDS 1.1 (delivery, briefing session, conditions) and "
        "fields that ProTenders derives from them, with the source of each."
    },
    "compatibility": ["1.1"],
    "schemas": ["release-schema.json"],
    "codelists": [],
    "dependencies": [],
    "documentationUrl": {},
    "contactPoint": {"name": "ProTenders"},
}


def _field(title: str, description: str, kind: str = "string", **more: Any) -> Json:
    return {"title": title, "description": description, "type": [kind, "null"], **more}


_DELIVERY = {
    "province": _field("Province", "One of the nine provinces, or National."),
    "district": _field("District", "The district or metropolitan municipality of the place of delivery."),
    "city": _field("City", "The town or city of delivery."),
    "address": _field("Address", "The place of delivery as the buyer wrote it."),
}
_BRIEFING = {
    "compulsory": _field("Compulsory", "Whether a bid without attendance is refused.", "boolean"),
    "date": _field("Date", "When the session takes place.", format="date-time"),
    "venue": _field("Venue", "Where the session takes place, as the buyer wrote it."),
    "meetingLink": _field("Meeting link", "The address of an online session.", format="uri"),
}
_TENDER = {
    "referenceNumber": _field("Tender number", "The buyer's own number of the tender; not unique."),
    "classification": _field("Category", "The portal's category, of a vocabulary of 91."),
    "delivery": {"title": "Delivery", "type": ["object", "null"], "properties": _DELIVERY},
    "briefing": {"title": "Briefing session", "type": ["object", "null"], "properties": _BRIEFING},
    "specialConditions": _field("Special conditions", "Conditions as the buyer wrote them."),
    "twoEnvelope": _field("Two envelopes", "Whether price and quality are submitted apart.", "boolean"),
    "bidValidityDays": _field("Bid validity", "How many days a bid must remain valid.", "integer"),
}
_PLATFORM = {
    "lifecycle": _field(
        "Life cycle", "open, closed, cancelled or awarded: the portal's buckets and the clock."
    ),
    "dataQualityScore": _field(
        "Data quality", "How complete and consistent the fields are, 0 to 100.", "integer"
    ),
    "enrichmentStatus": _field("Enrichment", "Whether the portal's row has been joined."),
    "firstSeen": _field("First seen", "When this platform first saw the tender.", format="date-time"),
    "lastChanged": _field("Last changed", "When this platform last saw a change.", format="date-time"),
    "source": _field("Source", "Where the buyer's portal shows its tenders.", format="uri"),
    "provenance": _field("Provenance", "For each field: its source, the source's field, and when.", "object"),
}

RELEASE_SCHEMA: Json = {
    "$schema": "http://json-schema.org/draft-04/schema#",
    "properties": {
        "platform": {"title": "Platform", "type": ["object", "null"], "properties": _PLATFORM},
    },
    "definitions": {"Tender": {"properties": _TENDER}},
}
