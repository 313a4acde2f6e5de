"""What can happen to a tender after its publication, as it shows in its portal row and in its release."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from app.replay.calendar import JsonObject, move, stamp
from app.replay.derived import release_document

KINDS: Final = ("amend", "redate", "cancel", "award", "vanish", "restore")
DAYS_LATER: Final = {"amend": 7, "redate": 14}


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one tender, in effect from `at` (wall seconds); `count` tells equal changes of a tender
    apart.

    amend    longer description, closing a week later, one more document
    redate   published again on the day of the change, closing two weeks later, every document replaced
    cancel   to the cancelled bucket; award: to the awarded bucket, with one award in the release
    vanish   gone from every portal bucket, the release still answers; restore: back again
    """

    kind: str
    at: int
    count: int


def change_row(row: JsonObject, change: Change) -> JsonObject:
    """The portal row (newer shape) after the change; the given row is left as it is."""
    if change.kind == "cancel":
        return row | {"status": "Cancelled"}
    if change.kind == "award":
        return row | {"status": "Awarded"}
    if change.kind not in DAYS_LATER:
        return row
    changed = row | {"closing_Date": move(row["closing_Date"], DAYS_LATER[change.kind])}
    if change.kind == "amend":
        changed["description"] = _amended(row["description"], change)
        document = _amendment(row, change)
        changed["supportDocument"] = [*row["supportDocument"], document]
    else:
        changed["date_Published"] = stamp(change.at)[:10] + "T00:00:00"
        changed["supportDocument"] = [_replaced(document, change) for document in row["supportDocument"]]
    return changed


def change_release(release: JsonObject, change: Change) -> JsonObject:
    """A captured release after the change; the given release is left as it is."""
    if change.kind == "cancel":
        return release | {"tender": release["tender"] | {"status": "cancelled"}}
    if change.kind == "award":
        return award(release)
    if change.kind not in DAYS_LATER:
        return release
    tender = dict(release["tender"])
    period = dict(tender["tenderPeriod"])
    period["endDate"] = move(period["endDate"], DAYS_LATER[change.kind])
    changed = release | {"tender": tender}
    if change.kind == "amend":
        tender["description"] = _amended(tender.get("description"), change)
    else:
        day = stamp(change.at)[:10]
        period["startDate"] = changed["date"] = f"{day}T00:00:00Z"
        changed["id"] = f"{release['ocid']}-{day}"
        tender["documents"] = [
            release_document(
                {
                    "supportDocumentID": _guid(document["id"], change),
                    "fileName": document["title"],
                    "extension": f".{document.get('format', 'pdf')}",
                    "dateModified": stamp(change.at),
                }
            )
            for document in tender.get("documents", [])
        ]
    tender["tenderPeriod"] = period
    return changed


def award(release: JsonObject) -> JsonObject:
    """The release with one award to one made-up supplier, in the form that the API gives awards."""
    number = int(release["tender"]["id"])
    tender = release["tender"] | {"status": "complete"}
    given = {
        "id": str(number),
        "title": tender.get("title", ""),
        "status": "active",
        "value": {"amount": 100_000 + number * 7919 % 9_000_000, "currency": "ZAR"},
        "suppliers": [{"id": str(number % 997), "name": f"Supplier {number % 997} (Pty) Ltd"}],
    }
    return release | {"tender": tender, "awards": [given]}


def _amended(description: str | None, change: Change) -> str:
    return f"{(description or '').rstrip()} (AMENDMENT {change.count})"


def _amendment(row: JsonObject, change: Change) -> JsonObject:
    return {
        "supportDocumentID": _guid(str(row["id"]), change),
        "fileName": f"Amendment {change.count}.pdf",
        "extension": ".pdf",
        "tendersID": row["id"],
        "active": True,
        "updatedBy": row["username"],
        "dateModified": stamp(change.at),
    }


def _replaced(document: JsonObject, change: Change) -> JsonObject:
    return document | {
        "supportDocumentID": _guid(document["supportDocumentID"], change),
        "dateModified": stamp(change.at),
    }


def _guid(name: str, change: Change) -> str:
    return str(uuid5(NAMESPACE_URL, f"{name}:{change.kind}:{change.count}"))
