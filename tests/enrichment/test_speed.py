"""Enrichment keeps up with any sync: thousands of tenders a second on one core."""

from __future__ import annotations

import time

from enrichment.derive import derive
from tests.enrichment.captures import NOW, rows

LEAST_PER_SECOND = 5_000


def test_five_thousand_tenders_a_second() -> None:
    tenders = rows()
    rates = []
    for _ in range(3):
        start = time.process_time()
        for row in tenders:
            derive(None, row, now=NOW)
        rates.append(len(tenders) / (time.process_time() - start))
    assert max(rates) >= LEAST_PER_SECOND, rates
