"""Spacing, ids and errors: the small parts."""

from __future__ import annotations

import pickle
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocds.errors import DataError, RejectedRelease, SourceError, UpstreamError
from ocds.gate import NullGate, SpacingGate
from ocds.ids import MAX_NUMBER, number_of, ocid_of


class Clock:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def test_requests_to_one_host_start_an_interval_apart() -> None:
    clock = Clock()
    gate = SpacingGate(0.3, clock=clock, pause=clock.pause)
    starts = []
    for _ in range(4):
        gate.enter("a")
        starts.append(clock.now)
        gate.leave("a", ok=True, seconds=0.0, status=200)
    assert starts == pytest.approx([100.0, 100.3, 100.6, 100.9])


def test_a_host_that_has_rested_is_not_kept_waiting_nor_is_another_one() -> None:
    clock = Clock()
    gate = SpacingGate(0.3, clock=clock, pause=clock.pause)
    gate.enter("a")
    gate.enter("b")
    clock.now += 10
    gate.enter("a")
    assert clock.waits == []


def test_threads_get_starts_of_their_own() -> None:
    waits: list[float] = []
    gate = SpacingGate(1.0, clock=lambda: 0.0, pause=waits.append)
    threads = [threading.Thread(target=gate.enter, args=("a",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(waits) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]


def test_the_null_gate_lets_everything_through() -> None:
    gate = NullGate()
    assert gate.enter("a") is None  # type: ignore[func-returns-value]
    assert gate.leave("a", ok=False, seconds=1.0, status=500) is None  # type: ignore[func-returns-value]


@given(st.integers(1, MAX_NUMBER))
def test_ocid_and_number_are_one_to_one(number: int) -> None:
    assert number_of(ocid_of(number)) == number
    assert number_of(f" {ocid_of(number).upper()} ") == number


@pytest.mark.parametrize("number", [0, -1, MAX_NUMBER + 1])
def test_a_number_that_is_none_has_no_ocid(number: int) -> None:
    with pytest.raises(ValueError, match="lies between 1 and"):
        ocid_of(number)


@pytest.mark.parametrize(
    "ocid",
    ["", "ocds-9t57fa-", "ocds-9t57fa-0", "ocds-9t57fa-01", "ocds-9t57fa--1", "ocds-9t57fa-1.0",
     "ocds-9t57fa-1 2", "ocds-9t57fa-١", "ocds-213czf-1", "136707",
     "ocds-9t57fa-2147483648", "ocds-9t57fa-136707-2025-10-13"],
)  # fmt: skip
def test_what_is_no_ocid_has_no_number(ocid: str) -> None:
    assert number_of(ocid) is None


@given(st.text())
def test_no_text_makes_number_of_raise(text: str) -> None:
    number = number_of(text)
    assert number is None or 1 <= number <= MAX_NUMBER


def test_an_upstream_error_says_who_what_and_when() -> None:
    error = UpstreamError(
        "answered 503 with an empty body", host="h", url="https://h/p", status=503, retry_after=90
    )
    assert str(error) == (
        "h: answered 503 with an empty body (GET https://h/p)."
        " The request is repeated no sooner than 90 s from now, as h asks."
    )
    assert isinstance(error, SourceError)
    assert error.kind == "EXTERNAL_API"


@pytest.mark.parametrize(
    "error",
    [
        UpstreamError("p", host="h", url="u", status=500, retry_after=1.5),
        UpstreamError("p", host="h", url="u"),
        RejectedRelease("r", ocid="o"),
        RejectedRelease("r"),
    ],
)
def test_errors_survive_pickling_with_all_they_know(error: SourceError) -> None:
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), str(copied), copied.__dict__) == (type(error), str(error), error.__dict__)
    assert isinstance(error, DataError) is isinstance(error, RejectedRelease)
