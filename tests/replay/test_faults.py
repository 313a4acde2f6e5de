"""Misbehaving as documented, and by seed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from app.replay.config import ReplayConfig, ReplayError
from app.replay.faults import KINDS, Mood, effective_size
from app.replay.stand_in import StandIn
from tests.replay.asking import API, BUCKET, PAGE, Failures, ask, persistently, releases_between, still

WINDOW = "dateFrom=2026-08-12&dateTo=2026-08-14"
URLS = [
    *(f"{API}?PageNumber={page}&PageSize=50&{WINDOW}" for page in range(1, 6)),
    *(f"{API}/release/ocds-9t57fa-{number}" for number in range(134_203, 134_213)),
    f"{PAGE}?draw=1&start=0&length=50&status=1",
    f"{BUCKET}?status=1",
]


def _what_happens(app: StandIn, path: str) -> tuple[Any, ...]:
    try:
        answer = ask(app, path)
    except ConnectionError as error:
        return (str(error),)
    return answer.status_code, answer.headers["content-type"], answer.content


@pytest.mark.parametrize("mood", ["documented", "seed:1", "seed:2", "seed:77"])
def test_the_same_mood_does_the_same_to_the_same_requests_in_any_order(mood: str) -> None:
    forward, backward = still(faults=mood), still(faults=mood)
    first = {(url, again): _what_happens(forward, url) for again in range(3) for url in URLS[:-1]}
    second = {(url, again): _what_happens(backward, url) for again in range(3) for url in reversed(URLS[:-1])}
    if mood == "documented":
        assert first == second
    assert [what[:2] for what in first.values()] == [what[:2] for what in (second[key] for key in first)]


def test_other_seeds_do_other_things() -> None:
    def outcome(seed: int) -> list[Any]:
        app = still(faults=f"seed:{seed}")
        return [_what_happens(app, url)[:2] for url in URLS]

    assert len({str(outcome(seed)) for seed in range(6)}) > 3


def test_every_kind_of_fault_comes_under_some_seed_and_nearly_all_documented_ones_are_rare() -> None:
    kinds: Counter[str | None] = Counter()
    for seed in range(60):
        mood = Mood(f"seed:{seed}")
        for endpoint in ("list", "release", "page", "bucket"):
            kinds.update(mood.judge(endpoint, f"{endpoint}:{n}", 1).fault for n in range(30))
    assert set(KINDS) <= set(kinds)
    documented = Mood("documented")
    failed = sum(
        documented.judge("release", str(n), 1).fault not in (None, "text/plain") for n in range(3_000)
    )
    assert 40 < failed < 160


def test_documented_faults_end_with_the_third_request_of_a_url() -> None:
    app = still(faults="documented")
    failures = Failures()
    for tender in list(app.truth())[::3]:
        assert persistently(app, f"{API}/release/{tender['ocid']}", failures) == tender["release"]
    for day in range(1, 15):
        for page in (1, 2, 3):
            query = f"PageNumber={page}&PageSize=50&dateFrom=2026-08-{day:02}&dateTo=2026-08-14"
            persistently(app, f"{API}?{query}", failures)
    assert failures.by_url
    assert max(failures.by_url.values()) <= 2


def test_a_documented_list_repeats_and_lacks_rows_but_only_such_as_the_open_bucket_shows() -> None:
    app = still(faults="documented")
    published = {
        tender["ocid"]: tender
        for tender in app.truth()
        if "2026-07-20" <= tender["release"]["date"][:10] <= "2026-08-14"
    }
    walked = [release["ocid"] for release in releases_between(app, "2026-07-20", "2026-08-14", size=200)]
    lost = set(published) - set(walked)
    assert len(walked) > len(set(walked))
    assert 0.05 < len(lost) / len(published) < 0.2
    assert {published[ocid]["status"] for ocid in lost} == {1}
    assert all(published[ocid]["older"] for ocid in lost)
    again = {release["ocid"] for release in releases_between(app, "2026-07-20", "2026-08-14", size=1_000)}
    assert not lost <= set(published) - again


def test_short_and_empty_pages_come_before_the_end_and_links_lie() -> None:
    app = still(faults="documented")
    pages = [
        persistently(app, f"{API}?PageNumber={page}&PageSize=50&dateFrom=2026-08-{day:02}&dateTo=2026-08-14")
        for day in range(1, 9)
        for page in range(1, 33)
    ]
    walks = [pages[start : start + 32] for start in range(0, len(pages), 32)]
    empty_in_the_middle = short_in_the_middle = next_missing = next_endless = 0
    for walk in walks:
        counts = [len(package["releases"]) for package in walk]
        end = max(place for place, count in enumerate(counts) if count)
        empty_in_the_middle += counts[:end].count(0)
        short_in_the_middle += sum(0 < count < 50 for count in counts[:end])
        next_missing += sum("next" not in package.get("links", {}) for package in walk[:end])
        next_endless += sum("next" in package.get("links", {}) for package in walk[end + 1 :])
    assert min(empty_in_the_middle, next_missing, next_endless) > 0
    assert short_in_the_middle > 20


@pytest.mark.parametrize(
    ("asked", "answered"), [(50, 50), (100, 50), (200, 50), (1_000, 1_000), (10_000, 1_365)]
)
def test_page_sizes_are_capped_as_observed(asked: int, answered: int) -> None:
    assert effective_size(asked) == answered
    app = still(faults="documented", synthetic=3_000, synthetic_per_day=3_000)
    query = f"PageNumber=1&PageSize={asked}&dateFrom=2026-08-14&dateTo=2026-08-14"
    releases = persistently(app, f"{API}?{query}")["releases"]
    assert answered * 0.8 < len(releases) <= answered


def test_a_page_of_20_000_is_never_answered() -> None:
    app = still(faults="documented")
    for _ in range(4):
        with pytest.raises(ConnectionError):
            ask(app, f"{API}?PageNumber=1&PageSize=20000&{WINDOW}")


def test_a_few_ids_always_fail_and_neither_the_list_nor_the_portal_has_them() -> None:
    app = still(faults="documented")
    known = {tender["ocid"] for tender in app.truth()}
    assert len(app.failing) == 5
    assert {f"ocds-9t57fa-{number}" for number in app.failing}.isdisjoint(known)
    assert max(app.failing) > app.world.numbers[-1] > min(app.failing)
    for number in app.failing:
        for _ in range(5):
            with pytest.raises(AssertionError, match="failed"):
                persistently(app, f"{API}/release/ocds-9t57fa-{number}", attempts=2)
    app.set_faults("none")
    assert ask(app, f"{API}/release/ocds-9t57fa-{app.failing[0]}").json() == {}


@pytest.mark.parametrize("seed", range(12))
def test_when_faults_stop_everything_is_there_again(seed: int) -> None:
    app = still(faults=f"seed:{seed}", hold_back=0.05, ids=(39_000, 170_000))
    for url in URLS * 2:
        _what_happens(app, url)
    app.set_faults("none")
    truth = {tender["ocid"]: tender for tender in app.truth()}
    rows = {f"ocds-9t57fa-{row['id']}": row for row in ask(app, f"{BUCKET}?status=1").json()}
    assert rows == {
        ocid: tender["older"] for ocid, tender in truth.items() if tender["older"] and tender["status"] == 1
    }
    listed = {release["ocid"]: release for release in releases_between(app, "2026-08-12", "2026-08-14")}
    assert all(truth[ocid]["release"] == release for ocid, release in listed.items())


def test_tenders_change_between_requests_under_some_seed() -> None:
    changed = 0
    for seed in range(10):
        app = still(faults=f"seed:{seed}", ids=(134_000, 135_000))
        before = list(app.truth())
        for number in range(60):
            _what_happens(app, f"{API}/release/ocds-9t57fa-{134_203 + number}")
        changed += list(app.truth()) != before
    assert changed > 1


def test_pages_further_back_take_longer() -> None:
    mood = Mood("documented")
    seconds = [mood.judge("list", str(page), page).delay for page in (1, 18)]
    assert seconds == pytest.approx([3, 32], abs=0.5)


@pytest.mark.parametrize("faults", ["", "all", "seed", "seed:", "seed:x", "seed:-1", "Documented"])
def test_a_mood_that_does_not_exist_is_refused_with_the_choice(faults: str) -> None:
    with pytest.raises(ReplayError, match="choose none, documented or seed:N"):
        ReplayConfig(faults=faults)
