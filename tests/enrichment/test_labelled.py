"""Derived values against what a person read in the same rows: at least 97 in 100 of those given are right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.enrichment.captures import derived_rows, labels

LEAST = 0.97
Columns = dict[str, Any]


def organ_is_right(label: dict[str, Any], columns: Columns) -> bool:
    return bool(columns["organ_of_state_type"] == label["type"])


def place_is_right(label: dict[str, Any], columns: Columns) -> bool:
    return (columns["city"], columns["district"]) == (label["city"], label["district"])


def value_is_right(label: dict[str, Any], columns: Columns) -> bool:
    return (columns["estimated_value_min"], columns["estimated_value_max"]) == (label["min"], label["max"])


def title_is_right(label: dict[str, Any], columns: Columns) -> bool:
    title = columns["display_title"]
    shown = all(any(spelling in title for spelling in words.split("|")) for words in label["shows"])
    hidden = not any(words.lower() in title.lower() for words in label["hides"])
    return shown and hidden and len(title) <= 80


@pytest.mark.parametrize(
    ("field", "least_labels", "is_right"),
    [
        ("organ", 60, organ_is_right),
        ("place", 60, place_is_right),
        ("value", 40, value_is_right),
        ("title", 40, title_is_right),
    ],
)
def test_what_is_given_is_right(
    field: str, least_labels: int, is_right: Callable[[dict[str, Any], Columns], bool]
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
