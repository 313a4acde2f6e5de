"""Any release, however damaged, is read or rejected: nothing else ever happens."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ocds.errors import RejectedRelease
from ocds.ids import number_of
from ocds.release import Release, read
from tests.ocds.captures import RELEASES
from tests.ocds.test_values import ANYTHING

AWARDED = copy.deepcopy(RELEASES[0]) | {
    "awards": [
        {
            "id": "1",
            "title": "A",
            "status": "active",
            "date": None,
            "value": {"amount": 12.5, "currency": "ZAR"},
            "suppliers": [{"id": "9", "name": "B"}],
        }
    ]
}
ODD = st.one_of(
    ANYTHING,
    st.sampled_from(
        [
            None, "", " ", "N/A", "-", "0001-01-01T00:00:00Z", "9999-12-31", "2025-02-30",
            "0", 0, -1, 0.0, 1e308, 10**25,
            float("nan"), float("-inf"), True, [], {}, [[]], [{}], {"": {}}, "\ud800", "\0",
            "ocds-9t57fa-1", "1", 1,
            "ocds-abcdef-1", "R1,2,3", "x" * 5000, {"amount": {}}, [None], "\u202e\ufeff",
        ]
    ),
)  # fmt: skip
Path = tuple[str | int, ...]


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    yield at
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for name, member in members:
        yield from paths(member, (*at, name))


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A captured release with up to five nodes deleted, replaced, retyped, doubled or renamed."""
    release = copy.deepcopy(draw(st.sampled_from([*RELEASES, AWARDED])))
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.sampled_from(list(paths(release))))
        if not at:
            return copy.deepcopy(draw(ODD))
        parent: Any = release
        for name in at[:-1]:
            parent = parent[name]
        value = parent[at[-1]]
        change = draw(st.sampled_from(["delete", "replace", "replace", "retype", "double", "rename"]))
        if change == "delete":
            del parent[at[-1]]
        elif change == "replace":
            parent[at[-1]] = copy.deepcopy(draw(ODD))
        elif change == "retype":
            parent[at[-1]] = draw(
                st.sampled_from([[value], {"value": value}, str(value), [value, value], None])
            )
        elif change == "double" and isinstance(parent, list):
            parent.append(copy.deepcopy(value))
        elif isinstance(parent, dict):
            parent[draw(st.sampled_from(["Id", "OCID", "x", "date", "tender"]))] = parent.pop(at[-1])
    return release


def check(release: Release) -> None:
    """What holds of whatever was read."""
    assert number_of(release.ocid) == release.number >= 1
    assert len(release.hash) == 32
    assert release.date is None or type(release.date) is date
    for instant in (release.starts_at, release.closing_at, release.briefing.at):
        assert instant is None or (type(instant) is datetime and instant.utcoffset() == timedelta(hours=2))
    for amount in (release.value_amount, *(award.amount for award in release.awards)):
        assert amount is None or (type(amount) is Decimal and 0 < amount < 10**15)
    for text in texts(release):
        assert text == text.strip() != ""
        assert "\0" not in text
        text.encode()


def texts(release: Release) -> Iterator[str]:
    parts = (
        release,
        release.buyer,
        release.procuring_entity,
        release.briefing,
        release.contact,
        *release.documents,
        *release.awards,
    )
    for part in parts:
        for name in part.__slots__:
            value = getattr(part, name)
            if isinstance(value, str):
                yield value
            elif name in ("tag", "additional_categories", "issues", "caveats"):
                yield from value


@settings(max_examples=2500, deadline=None)
@given(damaged())
def test_a_damaged_release_is_read_or_rejected(raw: Any) -> None:
    try:
        release = read(raw)
    except RejectedRelease as rejection:
        rejection.reason.encode()
        str(rejection).encode()
    else:
        check(release)
        assert read(raw) == release or "nan" in repr(raw)


@settings(max_examples=300, deadline=None)
@given(ANYTHING)
def test_anything_at_all_is_read_or_rejected(raw: Any) -> None:
    for candidate in (raw, {"ocid": "ocds-9t57fa-1", "tender": raw}, {"ocid": raw, "tender": {"id": 1}}):
        try:
            check(read(candidate))
        except RejectedRelease as rejection:
            assert rejection.reason  # noqa: PT017 - either outcome is right
