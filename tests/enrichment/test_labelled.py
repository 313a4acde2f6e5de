"""Derived values against what a person read in the same rows: at least 97 in 100 of those given are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from enrichment.organ import organ_of
from enrichment.place import Place, place_of
from enrichment.title import display_title
from enrichment.value import StatedValue, stated_value
from tests.enrichment.captures import derived_rows, labels

LEAST = 0.97
Columns = dict[str, Any]
Label = dict[str, Any]


def accepted(answer: Any) -> list[Any]:
    """A label is one answer, or a list of answers that are all right."""
    return answer if isinstance(answer, list) else [answer]


def shows(label: Label, title: str) -> bool:
    shown = all(any(spelling in title for spelling in words.split("|")) for words in label["shows"])
    hidden = not any(words.lower() in title.lower() for words in label["hides"])
    return shown and hidden and len(title) <= 80


def organ_is_right(label: Label, columns: Columns) -> bool:
    return columns["organ_of_state_type"] in accepted(label["type"])


def place_is_right(label: Label, columns: Columns) -> bool:
    return columns["city"] in accepted(label["city"]) and columns["district"] in accepted(label["district"])


def value_is_right(label: Label, columns: Columns) -> bool:
    return (columns["estimated_value_min"], columns["estimated_value_max"]) == (label["min"], label["max"])


def title_is_right(label: Label, columns: Columns) -> bool:
    return shows(label, columns["display_title"])


def briefing_is_right(label: Label, columns: Columns) -> bool:
    at = columns["briefing_at"]
    meeting = [columns[f"briefing_meeting_{part}"] for part in ("link", "id", "passcode")]
    return (
        (at.isoformat() if at else None) == label["at"]
        and (columns["has_briefing"], columns["briefing_compulsory"]) == (label["held"], label["compulsory"])
        and meeting == [label["link"], label["meeting_id"], label["passcode"]]
    )


def contact_is_right(label: Label, columns: Columns) -> bool:
    return (columns["contact_email"], columns["contact_telephone"]) == (label["email"], label["telephone"])


@pytest.mark.parametrize(
    ("field", "least_labels", "is_right"),
    [
        ("organ", 180, organ_is_right),
        ("place", 190, place_is_right),
        ("value", 150, value_is_right),
        ("title", 140, title_is_right),
        ("briefing", 60, briefing_is_right),
        ("contact", 60, contact_is_right),
    ],
)
def test_what_is_given_is_right(
    field: str, least_labels: int, is_right: Callable[[Label, Columns], bool]
) -> None:
    found = labels(field)
    assert len({label["id"] for label in found}) == len(found) >= least_labels
    tenders = derived_rows()
    wrong = [label for label in found if not is_right(label, tenders[label["id"]].columns)]
    for label in wrong:
        print(field, label, {name: tenders[label["id"]].columns[name] for name in ("display_title", "city")})
    assert 1 - len(wrong) / len(found) >= LEAST


def test_a_place_that_the_address_does_not_name_is_left_out() -> None:
    tenders = derived_rows()
    nameless = [label["id"] for label in labels("place") if label["city"] is None]
    assert len(nameless) >= 5
    assert [number for number in nameless if tenders[number].columns["city"] is not None] == []


def unseen_organ_is_right(label: Label) -> bool:
    organ = organ_of(None, label["name"])
    return organ is not None and organ.type == label["type"]


def unseen_place_is_right(label: Label) -> bool:
    place: Place = place_of(None, label["address"], label["province"], None)
    return place.city in accepted(label["city"]) and place.district in accepted(label["district"])


def unseen_value_is_right(label: Label) -> bool:
    stated = stated_value(label["text"])
    return stated == (None if label["max"] is None else StatedValue(label["min"], label["max"]))


def unseen_title_is_right(label: Label) -> bool:
    return shows(label, display_title(label["text"], None) or "")


@pytest.mark.parametrize(
    ("field", "least_labels", "is_right"),
    [
        ("unseen_buyers", 500, unseen_organ_is_right),
        ("unseen_places", 160, unseen_place_is_right),
        ("unseen_values", 140, unseen_value_is_right),
        ("unseen_titles", 90, unseen_title_is_right),
    ],
)
def test_what_no_capture_holds_is_read_as_well(
    field: str, least_labels: int, is_right: Callable[[Label], bool]
) -> None:
    found = labels(field)
    assert len(found) >= least_labels
    wrong = [label for label in found if not is_right(label)]
    print(field, *wrong, sep="\n")
    assert 1 - len(wrong) / len(found) >= LEAST
