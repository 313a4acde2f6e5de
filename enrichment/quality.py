"""How much a bidder learns from a tender's record: 0 to 100, and where the points came from."""

from collections.abc import Mapping
from typing import Any

WEIGHTS: dict[str, tuple[int, tuple[str, ...]]] = {
    "identity": (15, ("title", "description", "buyer_name")),
    "dates": (20, ("published_at", "closing_at")),
    "classification": (15, ("detailed_category", "main_category", "tender_type", "organ_of_state_type")),
    "place": (15, ("province", "district", "city", "delivery_location")),
    "contact": (15, ("contact_email", "contact_telephone", "contact_person")),
}
"""Group → its points and the columns that share them equally."""
DOCUMENTS = 12
BRIEFING = 8
MOST = {group: weight for group, (weight, _) in WEIGHTS.items()} | {
    "documents": DOCUMENTS,
    "briefing": BRIEFING,
}
"""The points that each group can give; 100 together."""


def score(columns: Mapping[str, Any]) -> dict[str, int]:
    """The points of each group; their sum is the score, 100 for a record that lacks nothing.

    A briefing counts in full where there is none; where there is one, its time and place must be known.
    """
    points = {
        group: round(weight * (len(names) - [columns.get(name) for name in names].count(None)) / len(names))
        for group, (weight, names) in WEIGHTS.items()
    }
    points["documents"] = DOCUMENTS if columns.get("document_count") else 0
    points["briefing"] = _briefing(columns)
    return points


def _briefing(columns: Mapping[str, Any]) -> int:
    held = columns.get("has_briefing")
    if held is None:
        return 0
    if not held:
        return BRIEFING
    venue = columns.get("briefing_venue") or columns.get("briefing_meeting_link")
    return round(BRIEFING * ((columns.get("briefing_at") is not None) + bool(venue)) / 2)
