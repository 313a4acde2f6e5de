"""How times, numbers and progress read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app import words


def test_an_instant_is_shown_in_south_african_time_with_its_zone() -> None:
    assert words.instant(datetime(2026, 8, 14, 22, 30, tzinfo=UTC)) == "2026-08-15 00:30:00 SAST"
    assert words.day(datetime(2026, 8, 14, 22, 30, tzinfo=UTC)) == "2026-08-15"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234567, "1\u202f234\u202f567"), (None, "–"), (12.34, "12.3"), (-1200, "-1\u202f200")],
)
def test_numbers_have_thin_spaces(value: float | None, text: str) -> None:
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (340, "340 ms"),
        (4_200, "4.2 s"),
        (185_000, "3 min 05 s"),
        (timedelta(hours=2, minutes=10), "2 h 10 min"),
        (-5, "0 ms"),
    ],
)
def test_durations_are_readable(value: float | timedelta | None, text: str) -> None:
    assert words.duration(value) == text


def test_progress_says_how_far_of_how_much() -> None:
    assert words.progress_text({"phase": "pages", "done": 3, "total": 7}) == "pages: 3 of 7"
    assert words.progress_text({"done": 1200}) == "done: 1\u202f200"
    assert words.progress_text({"done": 1, "total": 2, "position": 7, "etaSeconds": 90}) == (
        "done: 1 of 2, about 1 minute left"
    )
    assert words.progress_text(None) == ""
    assert words.progress_share({"done": 9, "total": 7}) == 1.0
    assert words.progress_share({"done": 3, "total": 0}) is None
