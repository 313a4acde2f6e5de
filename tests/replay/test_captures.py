"""Reading further captures."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.replay.config import ReplayConfig, ReplayError, clock_from, parse_ids
from app.replay.stand_in import make_app
from tests.replay.asking import API, BUCKET, ask, still

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def tender() -> dict[str, Any]:
    """One captured tender with its row in both shapes and its release."""
    app = still(shift="none")
    return next(tender for tender in app.truth() if tender["ocid"] == "ocds-9t57fa-134203")


def _write(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    body = json.dumps(content).encode()
    path.write_bytes(gzip.compress(body) if name.endswith(".gz") else body)
    return path


def test_every_form_is_known_by_its_content(tmp_path: Path, tender: dict[str, Any]) -> None:
    def numbered(key: str, number: int) -> dict[str, Any]:
        return tender[key] | ({"ocid": f"ocds-9t57fa-{number}"} if key == "release" else {"id": number})

    _write(tmp_path, "one.json", numbered("release", 500_001))
    _write(tmp_path, "wrapped.json", {"release": numbered("release", 500_002)})
    _write(tmp_path, "deep/package.json.gz", {"releases": [numbered("release", 500_003)]})
    _write(tmp_path, "page.json", {"draw": 1, "recordsTotal": 9, "data": [numbered("newer", 500_004)]})
    _write(tmp_path, "bucket.json", [numbered("older", 500_005)])
    (tmp_path / "notes.txt").write_text("not a capture")
    app = still(data=(tmp_path,), captures=False)
    truth = {item["ocid"]: item for item in app.truth()}
    assert list(truth) == [f"ocds-9t57fa-{number}" for number in range(500_001, 500_006)]
    assert [bool(item["newer"]) for item in truth.values()] == [False, False, False, True, True]
    beside = still(data=(tmp_path,))
    assert len(list(beside.truth())) == 2_276 + 5


def test_a_captured_release_is_served_in_place_of_a_derived_one(
    tmp_path: Path, tender: dict[str, Any]
) -> None:
    captured = tender["release"] | {"language": "zu"}
    _write(tmp_path, "release.json", captured)
    app = still(data=(tmp_path,), shift="none")
    assert ask(app, f"{API}/release/{tender['ocid']}").json() == captured
    assert 134203 in {row["id"] for row in ask(app, f"{BUCKET}?status=3").json()}


def test_of_two_captures_of_a_tender_the_later_publication_day_wins(
    tmp_path: Path, tender: dict[str, Any]
) -> None:
    later = tender["newer"] | {"date_Published": "2025-09-20T00:00:00", "description": "later"}
    earlier = tender["newer"] | {"date_Published": "2025-09-16T00:00:00", "description": "earlier"}
    _write(tmp_path, "a.json", [later])
    _write(tmp_path, "b.json", [earlier])
    release = ask(still(data=(tmp_path,), shift="none"), f"{API}/release/{tender['ocid']}").json()
    assert release["tender"]["description"] == "later"
    assert release["date"] == "2025-09-20T00:00:00Z"


@pytest.mark.parametrize(
    ("label", "status"), [("Awarded", 2), ("Closed", 3), ("Cancelled", 4), ("Published", 1)]
)
def test_a_row_s_own_status_decides_its_bucket(
    tmp_path: Path, tender: dict[str, Any], label: str, status: int
) -> None:
    _write(tmp_path, "row.json", [tender["newer"] | {"status": label}])
    app = still(data=(tmp_path,), captures=False)
    (only,) = app.truth()
    assert (only["status"], only["newer"]["status"]) == (status, label)


@pytest.mark.parametrize(
    ("key", "change", "complaint"),
    [
        ("newer", lambda row: row | {"id": "134203"}, "row 0: id '134203' is no tender id"),
        (
            "newer",
            lambda row: row | {"closing_Date": "tomorrow"},
            "row 0 (id 134203): 'tomorrow' is not a time",
        ),
        ("newer", lambda row: {"id": 1}, "row 0 lacks tender_No, type"),
        (
            "older",
            lambda row: row | {"sd": [{"fileName": "x"}]},
            "row 0 (id 134203): sd is no list of documents",
        ),
        ("older", lambda row: "row", "row 0 is no object"),
        (
            "release",
            lambda release: release | {"ocid": "134203"},
            "release 0: ocid '134203' is not like ocds-9t57fa",
        ),
        (
            "release",
            lambda release: release | {"tender": {}},
            "release 0 (ocds-9t57fa-134203) has no tender with",
        ),
        ("release", lambda release: release | {"date": None}, "release 0 (ocds-9t57fa-134203): "),
    ],
)
def test_a_capture_that_cannot_be_served_is_named_with_the_reason(
    tmp_path: Path, tender: dict[str, Any], key: str, change: Change, complaint: str
) -> None:
    item = change(tender[key])
    path = _write(tmp_path, "bad.json", {"releases": [item]} if key == "release" else [item])
    with pytest.raises(ReplayError) as refused:
        make_app(ReplayConfig(data=(tmp_path,)))
    assert str(refused.value).startswith(f"{path}: {complaint}")


@pytest.mark.parametrize("content", ['{"hello": 1}', "7", "{", ""])
def test_a_file_of_no_known_form_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "odd.json").write_text(content)
    with pytest.raises(ReplayError, match=r"odd\.json: (not a capture|cannot be read as JSON)"):
        make_app(ReplayConfig(data=(tmp_path,)))


def test_a_damaged_archive_and_a_folder_without_captures_are_named(tmp_path: Path) -> None:
    with pytest.raises(ReplayError, match=r"holds no \.json"):
        make_app(ReplayConfig(data=(tmp_path,)))
    with pytest.raises(ReplayError, match="no such folder"):
        make_app(ReplayConfig(data=(tmp_path / "missing",)))
    (tmp_path / "cut.json.gz").write_bytes(gzip.compress(b"[]" * 100)[:30])
    with pytest.raises(ReplayError, match=r"cut\.json\.gz: cannot be read"):
        make_app(ReplayConfig(data=(tmp_path,)))


@pytest.mark.parametrize("text", ["", "5", "5-", "9-5", "0-5", "a-b", "1-2-3"])
def test_a_range_of_ids_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ReplayError, match="134000-134400"):
        parse_ids(text)
    assert parse_ids("134000-134400") == (134_000, 134_400)


def test_the_clock_can_start_at_another_moment_with_a_zone() -> None:
    clock = clock_from("2026-08-14T09:00:00+02:00")
    first, second = clock(), clock()
    assert first.isoformat()[:16] == "2026-08-14T09:00"
    assert second >= first
    for text in ("yesterday", "2026-08-14T09:00:00"):
        with pytest.raises(ReplayError, match="with its zone"):
            clock_from(text)
