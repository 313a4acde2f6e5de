"""How the stand-in misbehaves: as the real hosts are documented to (docs/replay.md), or by a seed.

What happens to a request depends on nothing but the seed, the URL and how often that URL was asked
before, so a schedule that broke something can be run again. Dates are part of URLs: repeat it with the
same clock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Final

from app.replay.config import parse_faults

REFUSALS: Final = ("500", "503", "503-retry-after", "hang", "drop", "html", "empty")
"""Nothing usable is answered."""
SPOILED: Final = ("truncated", "cut")
"""The answer is begun: ``truncated`` is complete HTTP with half the JSON, ``cut`` loses the connection
half-way.
"""
LIES: Final = ("half", "vanish", "nothing", "future")
"""The portal answers well-formed JSON that is not true: half the rows, a few missing, none, all dates in the
future.
"""
HARMLESS: Final = ("text/plain",)
KINDS: Final = (*REFUSALS, *SPOILED, *LIES, *HARMLESS)

HANG_SECONDS: Final = 120.0
_PORTAL = ("page", "bucket")
_DOCUMENTED: dict[str, dict[str, float]] = {
    "list": {
        "500": 0.03,
        "503": 0.01,
        "503-retry-after": 0.01,
        "hang": 0.01,
        "drop": 0.02,
        "html": 0.01,
        "empty": 0.01,
        "text/plain": 0.3,
    },
    "release": {
        "500": 0.01,
        "503": 0.003,
        "503-retry-after": 0.002,
        "hang": 0.001,
        "drop": 0.005,
        "html": 0.003,
        "empty": 0.003,
        "text/plain": 0.3,
    },
    "page": {"500": 0.02, "503": 0.02, "drop": 0.02, "html": 0.03, "hang": 0.01},
    "bucket": {"500": 0.04, "503": 0.04, "drop": 0.05, "html": 0.08, "cut": 0.06, "hang": 0.03},
    "download": {"500": 0.02},
}
# A URL that failed once seldom fails again, and never a third time: a few retries survive `documented`.
_RELIEF = (1.0, 0.25)


@dataclass(frozen=True)
class ListLies:
    """How far list walks can be believed; all are probabilities but `jitter` (rows) and `cap`.

    `lost` and `repeated` are drawn for each row, `empty_page` for each walk, the others for each page.
    With `open_only` the rows lost are only such as the portal's open bucket shows. `jitter` moves a
    page's offset by up to so many rows. `by_request` cuts pages at the offset of the size asked for
    although fewer rows come, so that rows fall between.
    """

    lost: float = 0.0
    repeated: float = 0.0
    empty_page: float = 0.0
    next_missing: float = 0.0
    next_endless: float = 0.0
    open_only: bool = True
    jitter: int = 0
    by_request: bool = False


_DOCUMENTED_LIES = ListLies(
    lost=0.12, repeated=0.5, empty_page=0.6, next_missing=0.15, next_endless=0.3, open_only=True
)


@dataclass(frozen=True)
class Verdict:
    """What happens to one request: wait `delay` seconds of the real service, then `fault` (None: the plain
    answer).

    `random` is the request's own source for whatever else must be drawn; `churn` says that the tenders
    change first.
    """

    ordinal: int
    delay: float
    fault: str | None
    random: Random
    churn: bool

    def with_fault(self, fault: str) -> Verdict:
        """The same verdict with another fault."""
        return replace(self, fault=fault)


class Mood:
    """One fault schedule: ``none``, ``documented`` or ``seed:N``.

    Documentation and reports differ about ids without a release: under some seeds they answer 404, not 200.
    """

    def __init__(self, faults: str) -> None:
        self.name = faults
        self.seed = parse_faults(faults)
        self.active = faults != "none"
        self._ordinals: Counter[str] = Counter()
        self._rates = _DOCUMENTED if faults == "documented" else {}
        self.lies = _DOCUMENTED_LIES if faults == "documented" else ListLies()
        self._slowness = 1.0
        self._churn = 0.0
        self.holes_are_404 = False
        if self.seed is not None:
            self._draw_rates(dice(f"rates:{self.seed}"))

    def _draw_rates(self, random: Random) -> None:
        def rate(most: float) -> float:
            return random.uniform(0, most) if random.random() < 0.5 else 0.0

        everywhere = (*REFUSALS, *SPOILED, *HARMLESS)
        self._rates = {
            endpoint: {
                kind: rate(0.02 if kind == "hang" else 0.15)
                for kind in (everywhere + LIES if endpoint in _PORTAL else everywhere)
            }
            for endpoint in _DOCUMENTED
        }
        self.lies = ListLies(
            lost=rate(0.4),
            repeated=rate(0.6),
            empty_page=rate(1.0),
            next_missing=rate(0.5),
            next_endless=rate(0.8),
            open_only=random.random() < 0.5,
            jitter=random.randrange(20) if random.random() < 0.5 else 0,
            by_request=random.random() < 0.3,
        )
        self._slowness = random.uniform(0, 2)
        self._churn = rate(0.05)
        self.holes_are_404 = random.random() < 0.3

    def judge(self, endpoint: str, url: str, page: int) -> Verdict:
        """Decide about the next request of a URL; `page` is the page of the list it asks for, from 1."""
        if not self.active:
            return Verdict(0, 0.0, None, dice(url), churn=False)
        ordinal = self._ordinals[url]
        self._ordinals[url] += 1
        random = dice(f"{self.name}:{url}:{ordinal}")
        relief = 1.0
        if self.seed is None:
            relief = _RELIEF[ordinal] if ordinal < len(_RELIEF) else 0.0
        fault = None
        drawn = random.random()
        for kind, rate in self._rates[endpoint].items():
            drawn -= rate if kind in HARMLESS else rate * relief
            if drawn < 0:
                fault = kind
                break
        churn = random.random() < self._churn
        return Verdict(ordinal, self._delay(endpoint, page) * self._slowness, fault, random, churn)

    def _delay(self, endpoint: str, page: int) -> float:
        """Seconds of the real service: page 1 of the list takes 3 s, page 18 takes 32 s."""
        if endpoint == "list":
            return 3 + 1.7 * (min(page, 60) - 1)
        return {"bucket": 5.0, "page": 0.5, "release": 0.2}.get(endpoint, 0.1)


def dice(purpose: str) -> Random:
    """A source of chance that throws the same for the same purpose in every process."""
    return Random(purpose)  # noqa: S311 (repeatable on purpose)


def effective_size(size: int) -> int | None:
    """How many rows a page of the list really holds under faults; None: such a request is never answered."""
    if size >= 20_000:
        return None
    if size >= 10_000:
        return 1_365
    return 50 if 100 <= size < 1_000 else size


def failing_ids(exists: Callable[[int], bool], highest: int) -> list[int]:
    """The ids that always answer 500 under faults: holes about the highest id, where the id frontier is
    walked.
    """
    below = [number for number in range(highest - 1, max(0, highest - 500), -1) if not exists(number)]
    return sorted([*below[:3], highest + 2, highest + 5])
