"""The figures that `protenders bench` prints for people."""

from __future__ import annotations

from app.bench import enriching


def test_the_enrichment_part_derives_every_captured_row_and_says_how_fast() -> None:
    found = enriching.measure()
    assert found["tenders"] == 2268
    assert all(found[name] > 0 for name in ("read", "first", "again"))
    assert f"{found['first']:,.0f} at first sight" in enriching.as_line(found)
