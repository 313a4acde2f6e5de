"""Whatever JSON the sources may send: rows with an id are read, and every reading can be derived."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from enrichment.derive import derive
from enrichment.rows import read_row
from enrichment.title import display_title
from ocds.release import read
from tests.enrichment.captures import NEW_ROWS, NOW, OLD_ROWS
from tests.ocds.captures import RELEASES

TEXT = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    [
        "N/A",
        "0001-01-01T00:00:00Z",
        "R 5 000 000",
        "a@b",
        "-",
        " - - - ",
        "Yes",
        " NO",
        "\x00",
        "(((",
        "https://",
    ]
)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)


def mutated(base: dict[str, Any], changes: dict[int, Any]) -> dict[str, Any]:
    """A copy with some of its members, at any depth, replaced."""
    raw = copy.deepcopy(base)
    spots: list[tuple[Any, Any]] = []

    def walk(node: Any) -> None:
        keys = node.keys() if isinstance(node, dict) else range(len(node))
        for key in keys:
            spots.append((node, key))
            if isinstance(node[key], dict | list):
                walk(node[key])

    walk(raw)
    for at, value in changes.items():
        node, key = spots[at % len(spots)]
        node[key] = value
    return raw


CHANGES = st.dictionaries(st.integers(0, 10_000), JSON, max_size=6)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([*OLD_ROWS[::97], *NEW_ROWS[::17]]), CHANGES)
def test_a_row_spoiled_anywhere_is_still_derived(base: dict[str, Any], changes: dict[int, Any]) -> None:
    raw = mutated(base, changes) | {"id": base["id"]}
    row = read_row(raw)
    tender = derive(None, row, now=NOW)
    assert tender.columns["ocid"] == f"ocds-9t57fa-{base['id']}"
    assert read_row(copy.deepcopy(raw)).hash == row.hash
    assert "\x00" not in repr([value for value in tender.columns.values() if isinstance(value, str)])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(RELEASES), CHANGES, st.sampled_from(NEW_ROWS[::23]), CHANGES)
def test_a_release_and_a_row_spoiled_anywhere_are_still_derived(
    base: dict[str, Any], changes: dict[int, Any], row: dict[str, Any], row_changes: dict[int, Any]
) -> None:
    raw = mutated(base, changes)
    raw |= {"ocid": base["ocid"]}
    if isinstance(raw.get("tender"), dict):
        raw["tender"]["id"] = base["tender"]["id"]
    release = read(raw)
    spoiled = mutated(row, row_changes) | {"id": release.number}
    tender = derive(release, read_row(spoiled), now=NOW)
    assert 0 <= tender.columns["data_quality_score"] <= 100
    assert tender.lifecycle in {"open", "closed", "cancelled", "awarded"}


@settings(max_examples=200, deadline=None)
@given(TEXT, st.none() | TEXT)
def test_a_title_is_short_whatever_it_is_made_of(description: str, number: str | None) -> None:
    title = display_title(description, number)
    assert title is None or 0 < len(title) <= 80
