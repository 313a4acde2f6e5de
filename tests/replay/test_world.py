"""Tenders that appear, change and are made up."""

from __future__ import annotations

import tracemalloc
from datetime import timedelta
from itertools import islice
from typing import Any

import orjson
import pytest

from app.replay import answers
from app.replay.config import ReplayConfig, ReplayError
from app.replay.stand_in import StandIn, make_app
from tests.replay.asking import API, BUCKET, PAGE, Clock, ask, releases_between, still

RELEASE = f"{API}/release/ocds-9t57fa-"


def _ids(app: StandIn, status: int = 1) -> set[int]:
    return {row["id"] for row in ask(app, f"{BUCKET}?status={status}").json()}


def _release(app: StandIn, number: int) -> dict[str, Any]:
    release: dict[str, Any] = ask(app, f"{RELEASE}{number}").json()
    return release


def test_the_truth_is_what_both_hosts_answer() -> None:
    app = still()
    older = {row["id"]: row for status in (1, 3) for row in ask(app, f"{BUCKET}?status={status}").json()}
    newer = {
        row["id"]: row
        for status in (1, 3)
        for row in ask(app, f"{PAGE}?status={status}&length=9999").json()["data"]
    }
    truth = list(app.truth())
    assert len(truth) == 2_276
    for tender in truth:
        number = int(tender["ocid"].rpartition("-")[2])
        assert (tender["older"], tender["newer"]) == (older.get(number), newer.get(number))
    for tender in truth[::40]:
        assert ask(app, f"{API}/release/{tender['ocid']}").json() == tender["release"]


def test_held_back_tenders_appear_as_the_clock_advances_and_all_of_them_in_the_end() -> None:
    clock = Clock()
    app = make_app(ReplayConfig(clock=clock, hold_back=0.1, publish_over=timedelta(hours=2)))
    seen = [len(list(app.truth()))]
    for _ in range(4):
        clock.pass_by(minutes=30)
        seen.append(len(list(app.truth())))
    assert seen == sorted(set(seen))
    assert 100 < 2_276 - seen[0] < 350
    assert seen[-1] == 2_276


def test_a_held_back_tender_is_a_hole_until_it_appears_in_every_place_at_once() -> None:
    clock = Clock()
    app = make_app(ReplayConfig(clock=clock, hold_back=0.1))
    number = app.world.waiting()[0]
    assert _release(app, number) == {}
    assert number not in _ids(app) | _ids(app, 3)
    clock.pass_by(hours=1)
    release = _release(app, number)
    assert release["tender"]["id"] == str(number)
    listed = releases_between(app, release["date"][:10], release["date"][:10])
    assert release in listed


def test_of_the_late_tenders_some_have_the_day_of_their_appearance_and_some_an_old_date() -> None:
    clock = Clock()
    app = make_app(ReplayConfig(clock=clock, hold_back=0.3))
    late = app.world.waiting()
    clock.pass_by(hours=1)
    dates = [_release(app, number)["date"][:10] for number in late]
    assert dates.count("2026-08-14") > len(late) * 0.4
    assert sum(date < "2026-08-10" for date in dates) > len(late) * 0.2


def test_open_tenders_are_amended_and_redated_as_the_clock_advances() -> None:
    clock = Clock()
    app = make_app(ReplayConfig(clock=clock, churn=0.2))
    before = {tender["ocid"]: tender for tender in app.truth()}
    clock.pass_by(hours=1)
    ask(app, "/home/Download?blobName=x")
    changed = [
        (before[tender["ocid"]], tender)
        for tender in app.truth()
        if tender["release"] != before[tender["ocid"]]["release"]
    ]
    assert 300 < len(changed) < 600
    assert all(old["newer"] != new["newer"] for old, new in changed)
    assert any(old["release"]["date"] != new["release"]["date"] for old, new in changed)


def test_an_amendment_shows_in_both_sources() -> None:
    app = still()
    before, row = _release(app, 134203), app.world.row(app.world.find(134203) or 0)
    app.world.change(134203, "amend")
    app.world.change(134203, "amend")
    after, amended = _release(app, 134203), app.world.row(app.world.find(134203) or 0)
    assert (
        after["tender"]["description"]
        == before["tender"]["description"].rstrip() + " (AMENDMENT 1) (AMENDMENT 2)"
    )
    assert amended["closing_Date"] + "Z" == after["tender"]["tenderPeriod"]["endDate"]
    assert after["tender"]["tenderPeriod"]["endDate"] > before["tender"]["tenderPeriod"]["endDate"]
    assert (after["id"], after["date"]) == (before["id"], before["date"])
    assert len({document["supportDocumentID"] for document in amended["supportDocument"]}) == 2 + len(
        row["supportDocument"]
    )


@pytest.mark.parametrize("number", [134203, 136707])
def test_a_redated_tender_has_a_new_day_and_other_documents_under_its_old_ocid(number: int) -> None:
    app = still()
    app.world.advance(5 * 86_400)
    before = _release(app, number)
    app.world.change(number, "redate")
    after = _release(app, number)
    assert after["ocid"] == before["ocid"]
    assert after["date"] == "2026-08-19T00:00:00Z"
    assert after["id"] == f"{before['ocid']}-2026-08-19"
    assert after["tender"]["documents"][0]["id"] != before["tender"]["documents"][0]["id"]
    assert after["tender"]["documents"][0]["title"] == before["tender"]["documents"][0]["title"]
    assert after in releases_between(app, "2026-08-19", "2026-08-19")
    assert before["ocid"] not in {
        r["ocid"] for r in releases_between(app, before["date"][:10], before["date"][:10])
    }


def test_a_cancelled_tender_changes_its_bucket_and_its_status() -> None:
    app = still()
    app.world.change(134203, "cancel")
    assert 134203 in _ids(app, 4) - _ids(app, 1)
    assert _release(app, 134203)["tender"]["status"] == "cancelled"


@pytest.mark.parametrize("number", [134203, 136707])
def test_an_award_has_one_supplier_and_no_date(number: int) -> None:
    app = still()
    app.world.change(number, "award")
    release = _release(app, number)
    (award,) = release["awards"]
    assert (award["status"], len(award["suppliers"]), "date" in award) == ("active", 1, False)
    assert award["value"]["amount"] > 0
    assert release["tender"]["status"] == "complete"
    assert _ids(app, 2) == ({134203} if number == 134203 else set())


def test_a_vanished_row_leaves_its_release_and_can_come_back() -> None:
    app = still()
    release = _release(app, 134203)
    app.world.change(134203, "vanish")
    assert 134203 not in _ids(app)
    assert _release(app, 134203) == release
    app.world.change(134203, "restore")
    assert 134203 in _ids(app)


def test_only_ids_of_the_range_are_served() -> None:
    app = still(ids=(134_000, 136_800))
    numbers = [int(tender["ocid"].rpartition("-")[2]) for tender in app.truth()]
    assert 100 < len(numbers) < 202
    assert min(numbers) == 134_026
    assert max(numbers) == 136_747
    assert _release(app, 132162) == {}
    with pytest.raises(ReplayError, match="no tender has such an id"):
        still(ids=(200_000, 200_001))


def test_synthetic_tenders_have_ids_of_their_own_with_holes_and_dates_up_to_today() -> None:
    app = still(synthetic=5_000, synthetic_per_day=100)
    truth = list(app.truth())
    numbers = [int(tender["ocid"].rpartition("-")[2]) for tender in truth]
    assert len(numbers) == len(set(numbers)) == 5_000
    assert numbers == [number for number in range(1, numbers[-1] + 1) if number % 54]
    days = [tender["release"]["date"][:10] for tender in truth]
    assert days == sorted(days)
    assert days[-1] == "2026-08-14"
    assert len(set(days)) == 50
    guids = [
        document["supportDocumentID"] for tender in truth for document in tender["newer"]["supportDocument"]
    ]
    assert len(guids) == len(set(guids))
    assert {tender["status"] for tender in truth} == {1, 3}
    assert list(islice(still(synthetic=5_000, synthetic_per_day=100).truth(), 50)) == truth[:50]


def test_synthetic_tenders_begin_with_the_first_id_of_the_range() -> None:
    app = still(synthetic=100, ids=(300_000, 400_000))
    assert _release(app, 300_000)["ocid"] == "ocds-9t57fa-300000"
    assert _release(app, 1) == {}


def test_many_tenders_need_a_few_megabytes_and_a_whole_bucket_of_them_is_made_piece_by_piece() -> None:
    still(synthetic=1)
    tracemalloc.start()
    app = still(synthetic=50_000)
    body = answers.bucket(app.world, {"status": "3"}).body
    assert not isinstance(body, bytes)
    for chunk in islice(body, 20):
        assert len(chunk) < 2_000_000
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20_000_000
    assert len(app.world.bucket(3)) + len(app.world.bucket(1)) == 50_000


def test_a_streamed_bucket_is_one_array_of_all_its_rows() -> None:
    app = still(synthetic=3_000, synthetic_per_day=10)
    body = ask(app, f"{BUCKET}?status=3").content
    assert len(orjson.loads(body)) == len(app.world.bucket(3)) > 2_000
