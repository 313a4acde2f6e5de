"""Both hosts, without faults."""

from __future__ import annotations

import gzip
import json
from datetime import date, datetime
from typing import Any

import pytest

from app.replay.calendar import SAST
from app.replay.captures import BUNDLED
from app.replay.shapes import Vocabulary, to_newer, to_older
from tests.replay.asking import API, BUCKET, PAGE, ask, releases_between, still


def _captured(name: str) -> Any:
    path = BUNDLED / name
    return json.loads(gzip.decompress(path.read_bytes()) if name.endswith(".gz") else path.read_bytes())


OLDER: list[dict[str, Any]] = _captured("bucket_open_2022-11-04.json.gz")
NEWER: list[dict[str, Any]] = _captured("paginated_open_2025-09-18.json.gz")["data"]
VOCABULARY = Vocabulary.read(_captured("filter_options.json"))


@pytest.mark.parametrize(
    "query", ["", "?dateFrom=2026-08-14", "?dateTo=2026-08-14", "?dateFrom=x&dateTo=2026-08-14"]
)
def test_the_list_wants_both_dates_and_refuses_in_plain_text(query: str) -> None:
    answer = ask(still(), API + query)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert "yyyy-MM-dd" in answer.text


def test_a_package_of_one_page_is_described_as_the_captured_one() -> None:
    captured = _captured("package_2026-08-14.json")
    app = still(shift="none", clock=lambda: datetime(2026, 8, 14, 19, 13, 26, tzinfo=SAST))
    package = ask(app, f"{API}?PageNumber=1&PageSize=8&dateFrom=2026-08-13&dateTo=2026-08-14").json()
    assert package == captured


def test_a_walk_of_the_list_gives_every_release_of_the_days_once_and_both_days_count() -> None:
    app = still()
    truth = {tender["ocid"]: tender["release"] for tender in app.truth()}
    expected = {
        ocid for ocid, release in truth.items() if "2026-08-12" <= release["date"][:10] <= "2026-08-14"
    }
    walked = releases_between(app, "2026-08-12", "2026-08-14")
    assert len(walked) == len(expected) > 250
    assert {release["ocid"] for release in walked} == expected
    assert all(release == truth[release["ocid"]] for release in walked)


def test_links_lead_from_page_to_page_and_end_with_the_last() -> None:
    query = "PageSize=100&dateFrom=2026-08-13&dateTo=2026-08-14"
    app = still()
    first = ask(app, f"{API}?PageNumber=1&{query}").json()
    total = len(releases_between(app, "2026-08-13", "2026-08-14"))
    last_page = -(-total // 100)
    last = ask(app, f"{API}?PageNumber={last_page}&{query}").json()
    assert list(first["links"]) == ["next"]
    assert "PageNumber=2&" in first["links"]["next"]
    assert list(last["links"]) == ["prev"]
    beyond = ask(app, f"{API}?PageNumber={last_page + 1}&{query}").json()
    assert beyond["releases"] == []


def test_the_release_api_answers_a_captured_release_bare_and_unchanged() -> None:
    app = still(shift="none")
    for number in (136707, 136747, 136831):
        captured = _captured(f"ocds-9t57fa-{number}.json")
        assert ask(app, f"{API}/release/ocds-9t57fa-{number}").json() == captured
    wrapped = _captured("ocds-9t57fa-165050.json")
    assert ask(app, f"{API}/release/ocds-9t57fa-165050").json() == wrapped["release"]


@pytest.mark.parametrize(
    "ocid", ["ocds-9t57fa-3", "ocds-9t57fa-999999", "ocds-9t57fa-", "nonsense", "134203x"]
)
def test_an_id_without_a_release_answers_an_empty_object(ocid: str) -> None:
    answer = ask(still(), f"{API}/release/{ocid}")
    assert answer.status_code == 200
    assert answer.json() == {}


def test_the_whole_bucket_is_answered_as_it_was_captured_in_2022() -> None:
    app = still(datetime(2022, 11, 4, 9, 0, tzinfo=SAST), shift="none", ids=(1, 100_000))
    assert ask(app, f"{BUCKET}?status=1").json() == OLDER


def test_the_page_is_answered_as_it_was_captured_in_2025() -> None:
    app = still(datetime(2025, 9, 18, 18, 0, tzinfo=SAST), shift="none", ids=(130_000, 135_000))
    page = ask(app, f"{PAGE}?draw=1&start=0&length=200&status=1").json()
    assert page == {"draw": 1, "recordsTotal": 200, "recordsFiltered": 200, "data": NEWER}


def test_a_row_of_either_shape_has_the_other_shape_s_fields_and_survives_the_way_back() -> None:
    for row in OLDER:
        newer = to_newer(row, VOCABULARY)
        assert set(newer) == set(NEWER[0])
        assert to_older(newer) == row
    for row in NEWER:
        older = to_older(row)
        assert list(older) == list(OLDER[0])
        again = to_newer(older, VOCABULARY)
        differing = {key for key in row if again[key] != row[key]}
        assert differing <= {
            *("validity", "eSubmission", "twoEnvelopeSubmission", "username", "briefingSession"),
            *("briefingCompulsory", "departmentsID", "departments", "streetname", "surburb", "town", "code"),
        }


def test_an_older_row_gets_the_ids_that_the_filter_form_gives_to_its_names() -> None:
    row = next(row for row in OLDER if row["department"] == "Tygerburg Hospital")
    newer = to_newer(row, VOCABULARY)
    assert (newer["departmentsID"], newer["provincesID"]) == (743, 3)
    assert newer["provinces"] == {"provincesID": 3, "name": "Western Cape"}


def test_pages_of_a_bucket_are_newest_first_whatever_is_searched_and_do_not_overlap() -> None:
    app = still()
    rows: list[dict[str, Any]] = []
    for start in range(0, 2_400, 200):
        page = ask(app, f"{PAGE}?draw=7&start={start}&length=200&status=1&search[value]=TBH").json()
        assert page["draw"] == 7
        rows += page["data"]
    assert page["recordsTotal"] == page["recordsFiltered"] == len(rows)
    assert len({row["id"] for row in rows}) == len(rows) > 2_000
    days = [row["date_Published"] for row in rows]
    assert days == sorted(days, reverse=True)
    assert {row["id"] for row in rows} == {row["id"] for row in ask(app, f"{BUCKET}?status=1").json()}


def test_a_tender_moves_to_the_closed_bucket_at_the_midnight_after_its_closing_time() -> None:
    app = still()
    open_rows = {row["id"]: row for row in ask(app, f"{BUCKET}?status=1").json()}
    closing = {number for number, row in open_rows.items() if row["closing_Date"] == "2026-08-14T11:00:00"}
    assert len(closing) > 100
    app.world.advance(24 * 3600)
    still_open = {row["id"] for row in ask(app, f"{BUCKET}?status=1").json()}
    closed = {row["id"]: row for row in ask(app, f"{BUCKET}?status=3").json()}
    assert closing.isdisjoint(still_open)
    assert closing <= set(closed)
    assert {row["status"] for row in closed.values()} == {"Closed"}


def test_nothing_is_awarded_or_cancelled_in_the_captures() -> None:
    app = still()
    assert ask(app, f"{BUCKET}?status=2").json() == []
    assert ask(app, f"{PAGE}?status=4").json()["recordsTotal"] == 0


def test_paths_are_found_in_any_case_and_only_get_is_answered() -> None:
    app = still()
    assert ask(app, "/home/tenderopportunities?STATUS=2").json() == []
    assert ask(app, "/API/ocdsreleases/RELEASE/ocds-9t57fa-136707").json()["ocid"] == "ocds-9t57fa-136707"
    assert ask(app, BUCKET, "POST").status_code == 405
    assert ask(app, "/Home/opportunities").status_code == 404


def test_a_download_is_a_small_file_with_the_name_asked_for() -> None:
    app = still()
    answer = ask(app, '/home/Download?blobName=61cce595.pdf&downloadedFileName=RFP "A" – 1.pdf')
    assert answer.headers["content-disposition"] == 'attachment; filename="RFP A ? 1.pdf"'
    assert b"61cce595.pdf" in answer.content
    assert ask(app, "/home/Download").status_code == 404


def test_a_release_and_its_row_agree_about_days_and_times() -> None:
    for tender in still().truth():
        row, release = tender["newer"], tender["release"]
        if row is not None:
            assert release["date"] == row["date_Published"] + "Z"
            assert release["tender"]["tenderPeriod"]["endDate"] == row["closing_Date"] + "Z"
            assert date.fromisoformat(row["date_Published"][:10]) <= date(2026, 8, 14)
