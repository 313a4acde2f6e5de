"""South African wall-clock time out of whatever the sources write."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocds.dates import SAST, day_of, parse_day, parse_instant


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=SAST)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2025-10-14T15:56:41Z", at(2025, 10, 14, 15, 56, 41)),
        ("2025-10-14T15:56:41", at(2025, 10, 14, 15, 56, 41)),
        ("2025-10-14t15:56:41z", at(2025, 10, 14, 15, 56, 41)),
        ("2025-10-14T15:56:41+00:00", at(2025, 10, 14, 15, 56, 41)),
        ("2025-10-14T15:56:41-00:00", at(2025, 10, 14, 15, 56, 41)),
        ("2025-10-14T15:56:41+02:00", at(2025, 10, 14, 15, 56, 41)),
        ("2025-10-14T15:56:41+0200", at(2025, 10, 14, 15, 56, 41)),
        ("2025-10-14T15:56:41-05:30", at(2025, 10, 14, 23, 26, 41)),
        ("2022-11-03T06:19:42.7Z", at(2022, 11, 3, 6, 19, 42, 700_000)),
        ("2022-11-03T06:19:42.7726145", at(2022, 11, 3, 6, 19, 42, 772_614)),
        ("2025-10-14T15:56", at(2025, 10, 14, 15, 56)),
        ("2025-10-14", at(2025, 10, 14)),
        (" 2025-10-14 15:56 \r\n", at(2025, 10, 14, 15, 56)),
        ("2025/10/14", at(2025, 10, 14)),
        ("2025/1/4 9:05", at(2025, 1, 4, 9, 5)),
        ("Friday, 02 December 2022 - 11:00", at(2022, 12, 2, 11)),
        ("Friday, 04 November 2022", at(2022, 11, 4)),
        ("Monday, 04 November 2022", at(2022, 11, 4)),  # a wrong weekday does not make the date wrong
        ("2 Dec 2022 11:00:30", at(2022, 12, 2, 11, 0, 30)),
        ("02 SEPT. 2022", at(2022, 9, 2)),
        ("2024-02-29T00:00:00Z", at(2024, 2, 29)),
    ],
)
def test_digits_mean_south_african_time(text: str, instant: datetime) -> None:
    got = parse_instant(text)
    assert got == instant
    assert got is not None
    assert got.utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize(
    "nothing",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00",
        "0001-01-01T00:00:00+02:00",
        "0002-01-01T00:00:00+12:00",
        "0000-00-00",
        "9999-12-31T23:59:59.9999999",
        "2025-02-30",
        "2023-02-29",
        "2025-13-01",
        "2025-10-14T25:00:00",
        "2025-10-14T11:60:00",
        "2025-10-14T11:00:00+02:75",
        "2025-10-14T11:00:00+99:00",
        "02/12/2022",
        "31 Smarch 2022",
        "2025-10-14T",
        "2025-10-14T15:56:41 SAST",
        "٢٠٢٥-١٠-١٤",
        "tomorrow",
        "N/A",
        "<not available>",
        "",
        " ",
        "1" * 10_000,
        None,
        0,
        1.5,
        True,
        1_760_457_401,
        [],
        {},
        b"2025-10-14",
    ],
)
def test_none_and_garbage_give_nothing(nothing: object) -> None:
    assert parse_instant(nothing) is None
    assert parse_day(nothing) is None


@given(st.text() | st.none() | st.integers() | st.floats() | st.lists(st.text()))
def test_no_value_makes_it_raise(value: object) -> None:
    got = parse_instant(value)
    assert got is None or got.tzinfo is not None


CLOCK = r"[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,7})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"


@given(st.from_regex(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}({CLOCK})?", fullmatch=True))
def test_nothing_shaped_like_a_date_makes_it_raise(text: str) -> None:
    got = parse_instant(text)
    assert got is None or got.utcoffset() == timedelta(hours=2)


instants = st.datetimes(datetime(1900, 1, 1), datetime(9998, 12, 31))  # noqa: DTZ001 - wall-clock digits


@given(instants, st.sampled_from(["", "Z", "+00:00", "+02:00"]))
def test_what_is_written_as_the_source_writes_it_is_read_back(wall: datetime, zone: str) -> None:
    assert parse_instant(wall.isoformat() + zone) == wall.replace(tzinfo=SAST)
    assert parse_day(wall.isoformat() + zone) == wall.date()
    minute = wall.replace(second=0, microsecond=0, tzinfo=SAST)
    assert parse_instant(f"{wall:%A, %d %B} {wall.year} - {wall:%H:%M}") == minute


@given(instants, st.integers(-14 * 60, 14 * 60).filter(bool))
def test_any_other_offset_is_believed(wall: datetime, minutes: int) -> None:
    moment = wall.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    got = parse_instant(moment.isoformat())
    assert got == moment or moment.astimezone(SAST).year == 9999


def test_a_day_is_the_south_african_one() -> None:
    assert day_of(datetime(2026, 8, 13, 21, 59, 59, tzinfo=UTC)) == date(2026, 8, 13)
    assert day_of(datetime(2026, 8, 13, 22, 0, tzinfo=UTC)) == date(2026, 8, 14)
    assert parse_day("2026-08-14T00:00:00Z") == date(2026, 8, 14)
    with pytest.raises(ValueError, match="no time zone"):
        day_of(datetime(2026, 8, 13))  # noqa: DTZ001 - that is the point
