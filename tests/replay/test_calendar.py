"""The stand-in's calendar."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.replay import captures
from app.replay.calendar import (
    SAST,
    display_time,
    instant_of,
    move,
    move_all,
    stamp,
    stamp_seconds,
    wall_seconds,
)
from app.replay.config import ReplayConfig, ReplayError
from app.replay.stand_in import make_app
from tests.replay.asking import API, MORNING, Clock, ask, still

moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
days = st.integers(-5_000, 5_000)


@given(moments)
def test_wall_seconds_and_instants_are_the_same_thing(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    assert instant_of(wall_seconds(moment)) == whole
    assert stamp_seconds(stamp(wall_seconds(moment), zulu=True)) == wall_seconds(moment)


@given(moments, days)
def test_moving_a_time_keeps_its_hour_and_its_precision(moment: datetime, by: int) -> None:
    text = moment.replace(tzinfo=None).isoformat()
    moved = move(text, by)
    assert moved[10:] == text[10:]
    assert date.fromisoformat(moved[:10]) - date.fromisoformat(text[:10]) == timedelta(days=by)
    assert move(moved, -by) == text


@given(st.text(), moments, days)
def test_times_move_and_texts_about_times_do_not(text: str, moment: datetime, by: int) -> None:
    time = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {
        "none": "0001-01-01T00:00:00Z",
        "text": f'{text} "{time}" ',
        "many": [time, {"deep": time[:-1]}],
        "day": time[:10],
    }
    moved = json.loads(move_all(json.dumps(body).encode(), by))
    later = move(time, by)
    assert moved == body | {"many": [later, {"deep": later[:-1]}]}


def test_what_is_no_time_is_refused() -> None:
    for text in ("", "2025-09-18", "18/09/2025 11:00", "2025-13-01T00:00:00"):
        with pytest.raises(ValueError):  # noqa: PT011 (datetime words the reason)
            stamp_seconds(text)


def test_a_false_z_is_south_african_time() -> None:
    assert stamp_seconds("2025-10-13T11:00:00Z") == stamp_seconds("2025-10-13T11:00:00")
    assert instant_of(stamp_seconds("2025-10-13T11:00:00Z")) == datetime(2025, 10, 13, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 8, 14, 9, 0, tzinfo=SAST),
        datetime(2026, 8, 13, 22, 30, tzinfo=UTC),
        datetime(2024, 2, 29, 12, 0, tzinfo=SAST),
    ],
)
def test_the_newest_day_of_every_capture_becomes_the_south_african_day_of_the_start(now: datetime) -> None:
    app = still(now)
    today = now.astimezone(SAST).date().isoformat()
    newest = {}
    for tender in app.truth():
        capture = "rows" if tender["newer"] else "releases"
        number = int(tender["ocid"].rpartition("-")[2])
        capture += " 2022" if number < 100_000 else " later"
        newest[capture] = max(newest.get(capture, ""), tender["release"]["date"][:10])
    assert newest == dict.fromkeys(("rows 2022", "rows later", "releases later"), today)


def test_the_calendar_stays_when_the_day_ends() -> None:
    clock = Clock()
    app = make_app(ReplayConfig(clock=clock))
    before = ask(app, f"{API}/release/ocds-9t57fa-134203").json()
    clock.pass_by(days=3)
    assert ask(app, f"{API}/release/ocds-9t57fa-134203").json() == before


def test_shifting_by_weeks_keeps_the_weekdays() -> None:
    captured = {tender["ocid"]: tender["release"]["date"] for tender in still(shift="none").truth()}
    for tender in still(shift="weeks").truth():
        moved = date.fromisoformat(tender["release"]["date"][:10])
        original = date.fromisoformat(captured[tender["ocid"]][:10])
        assert moved.weekday() == original.weekday()
        assert moved <= MORNING.date()


def test_every_date_of_a_tender_moves_by_the_same_days_and_its_id_stays() -> None:
    captured = {tender["ocid"]: tender for tender in still(shift="none").truth()}
    for tender in still(shift=100).truth():
        original = captured[tender["ocid"]]
        assert tender["release"]["id"] == f"{tender['ocid']}-{tender['release']['date'][:10]}"
        body = json.loads(move_all(json.dumps(original["release"]).encode(), 100))
        assert tender["release"] | {"id": body["id"]} == body
        if tender["older"]:
            assert tender["older"]["cd"] == display_time(move(original["older"]["closing_Date"], 100))


def test_a_shift_that_means_nothing_is_refused() -> None:
    with pytest.raises(ReplayError, match="auto, weeks, none or a number of days"):
        ReplayConfig(shift="yesterday")


def test_the_captures_are_read_within_a_second() -> None:
    start = datetime.now(UTC)
    assert len(captures.load([captures.BUNDLED], bundled=False).templates) == 2_276
    assert datetime.now(UTC) - start < timedelta(seconds=1)
