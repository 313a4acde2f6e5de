"""The tenders as OCDS 1.1: every package valid, every release of the captures included."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files
from typing import Any

import httpx
import jsonschema_rs
import pytest

from app.opendata import ocds_release, packages
from app.opendata.extension import RELEASE_SCHEMA
from enrichment.derive import DerivedTender, derive
from enrichment.rows import read_row
from ocds.release import Release, read
from tests.enrichment.captures import NOW, RAW_ROWS
from tests.ocds.captures import RELEASES, SINGLE

PORTAL = "https://www.etenders.gov.za"
BASE = "https://tenders.example"
_SCHEMAS = files("app.opendata") / "schema"
_PUBLISHED = "https://standard.open-contracting.org/schema/"


def schema(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((_SCHEMAS / name).read_bytes())
    return loaded


@cache
def validator(name: str) -> Any:
    """A validator of this package schema, its references answered from the committed files."""

    def retrieve(uri: str) -> Any:
        assert uri.startswith(_PUBLISHED), uri
        return schema(uri.rsplit("/", 1)[1])

    return jsonschema_rs.Draft4Validator(schema(name), validate_formats=True, retriever=retrieve)


def assert_valid(package: dict[str, Any], name: str) -> None:
    faults = [
        f"{list(error.instance_path)}: {error.message}" for error in validator(name).iter_errors(package)
    ]
    assert faults == []


def published(release: Release | None, derived: DerivedTender) -> dict[str, Any]:
    """The OCDS release of a derived tender as the database would hand it over."""
    columns = {
        **derived.columns,
        "lifecycle": derived.lifecycle,
        "provenance": derived.provenance,
        "enrichment_status": "enriched" if derived.enriched else "pending",
        "first_seen_at": NOW,
        "last_changed_at": NOW,
        "content_hash": release.hash if release else bytes(32),
    }
    return ocds_release.release(columns, [file._asdict() for file in derived.documents], portal_url=PORTAL)


@cache
def everything() -> list[dict[str, Any]]:
    rows = {row.number: row for row in map(read_row, RAW_ROWS)}
    releases = {release.number: release for release in map(read, RELEASES)}
    return [
        published(releases.get(n), derive(releases.get(n), rows.get(n), now=NOW))
        for n in sorted({*rows, *releases})
    ]


def test_the_release_package_of_all_captures_is_valid() -> None:
    package = packages.release_package(
        everything(),
        uri=f"{BASE}/api/ocds/releases.json",
        base_url=BASE,
        published=NOW,
        next_uri=f"{BASE}/next",
    )
    assert len(package["releases"]) == 2276
    assert_valid(package, "release-package-schema.json")


def test_the_record_package_of_each_capture_is_valid() -> None:
    for release in everything():
        record = packages.record_package(
            [release], uri=f"{BASE}/api/ocds/records/{release['ocid']}", base_url=BASE, published=NOW
        )
        assert_valid(record, "record-package-schema.json")


def test_the_validator_finds_a_fault() -> None:
    broken = {**everything()[0], "date": "yesterday", "tag": ["nonsense"]}
    package = packages.release_package([broken], uri=BASE, base_url=BASE, published=NOW)
    assert len(list(validator("release-package-schema.json").iter_errors(package))) == 2


def test_what_is_extended_is_declared_with_its_type() -> None:
    extended = json.loads(json.dumps(schema("release-schema.json")))
    extended["definitions"]["Tender"]["properties"] |= RELEASE_SCHEMA["definitions"]["Tender"]["properties"]
    extended["properties"] |= RELEASE_SCHEMA["properties"]
    extended["additionalProperties"] = False
    extended["definitions"]["Tender"]["additionalProperties"] = False
    strict = jsonschema_rs.Draft4Validator(extended, validate_formats=True)
    for release in everything():
        assert [error.message for error in strict.iter_errors(release)] == []


def test_a_release_has_corrected_times_no_placeholders_and_guids() -> None:
    [release] = [each for each in everything() if each["ocid"] == "ocds-9t57fa-136831"]
    raw = SINGLE[136831].get("release", SINGLE[136831])
    assert (
        release["tender"]["tenderPeriod"]["endDate"]
        == raw["tender"]["tenderPeriod"]["endDate"][:19] + "+02:00"
    )
    assert "0001-01-01" not in json.dumps(release)
    assert "date" not in release["tender"]["briefing"]
    assert all(len(file["id"]) == 36 for file in release["tender"]["documents"])


def test_the_list_pages_through_all_tenders_in_valid_packages(http: httpx.Client) -> None:
    seen: list[str] = []
    url: str | None = "/api/ocds/releases.json?limit=200"
    while url:
        answer = http.get(url)
        package = answer.json()
        assert_valid(package, "release-package-schema.json")
        assert package["uri"] == str(answer.url)
        assert package["license"] == packages.LICENCE
        assert package["publisher"]["name"] == "National Treasury (South Africa)"
        seen += [release["ocid"] for release in package["releases"]]
        url = package["links"].get("next")
    assert len(seen) == len(set(seen)) == 2276


def test_a_list_that_finds_nothing_is_a_404_because_no_package_may_be_empty(http: httpx.Client) -> None:
    answer = http.get("/api/ocds/releases.json", params={"q": "zzzzzz"})
    assert answer.status_code == 404
    assert answer.json() == {"error": "No published tender fits."}


@pytest.mark.parametrize("number", [136707, 136747, 136831, 165050])
def test_a_record_has_every_content_the_current_view_and_both_compiled(
    http: httpx.Client, number: int
) -> None:
    ocid = f"ocds-9t57fa-{number}"
    package = http.get(f"/api/ocds/records/{ocid}").json()
    assert_valid(package, "record-package-schema.json")
    [record] = package["records"]
    ids = [release["id"] for release in record["releases"]]
    assert len(ids) == len(set(ids)) >= 2
    assert record["compiledRelease"]["tag"] == ["compiled"]
    current = record["releases"][-1]
    assert record["compiledRelease"]["tender"]["title"] == current["tender"]["title"]
    listed = http.get("/api/ocds/releases.json", params={"q": ocid}).json()["releases"]
    assert listed == [current]


def test_the_extension_is_where_the_packages_say(http: httpx.Client) -> None:
    [url] = http.get("/api/ocds/releases.json", params={"limit": 1}).json()["extensions"]
    extension = http.get(url).json()
    assert extension["compatibility"] == ["1.1"]
    assert http.get(url.replace("extension.json", extension["schemas"][0])).json() == RELEASE_SCHEMA


def test_dates_of_a_record_never_fall_when_a_tender_is_dated_back() -> None:
    from app.opendata.contents import Content, releases_of

    def content(day: int, hash_: bytes) -> Content:
        raw = json.loads(json.dumps(RELEASES[0]))
        raw["date"] = f"2025-10-{day:02d}T00:00:00Z"
        derived = derive(read(raw), None, now=NOW)
        columns = {**derived.columns, "lifecycle": "open", "first_seen_at": NOW, "content_hash": hash_}
        return Content(raw, hash_, "id", None, NOW, columns, [])

    first, second = content(9, b"a" * 32), content(3, b"b" * 32)
    current = {**(second.columns or {}), "content_hash": b"c" * 32}
    releases = releases_of([first, second], current, [], portal_url=PORTAL)
    dates = [release["date"] for release in releases]
    assert dates == ["2025-10-09T00:00:00+02:00"] * 3
    record = packages.record_package(releases, uri=BASE, base_url=BASE, published=NOW)
    assert record["records"][0]["compiledRelease"]["date"] == dates[-1]


def test_published_dates_are_south_african() -> None:
    noon = datetime(2026, 8, 14, 12, 0, tzinfo=UTC) + timedelta(hours=11)
    package = packages.release_package([], uri=BASE, base_url=BASE, published=noon)
    assert package["publishedDate"] == "2026-08-15T01:00:00+02:00"
