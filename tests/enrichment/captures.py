"""What both hosts sent, read: the rows of both shapes and the releases, with the tenders derived from them."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from enrichment.derive import DerivedTender, derive
from enrichment.rows import PortalRow, read_row
from ocds.dates import SAST
from ocds.release import Release, read
from tests.ocds.captures import BUCKET, PAGE, RELEASES

NOW = datetime(2022, 11, 4, 12, 0, tzinfo=SAST)
OLD_ROWS: list[dict[str, Any]] = json.loads(BUCKET)
NEW_ROWS: list[dict[str, Any]] = json.loads(PAGE)["data"]
RAW_ROWS = [*OLD_ROWS, *NEW_ROWS]
_LABELLED = Path(__file__).parent / "labelled"


@cache
def rows() -> list[PortalRow]:
    return [read_row(raw) for raw in RAW_ROWS]


@cache
def releases() -> list[Release]:
    return [read(raw) for raw in RELEASES]


@cache
def derived_rows() -> dict[int, DerivedTender]:
    return {row.number: derive(None, row, now=NOW) for row in rows()}


@cache
def derived_releases() -> dict[int, DerivedTender]:
    return {release.number: derive(release, None, now=NOW) for release in releases()}


def labels(name: str) -> list[dict[str, Any]]:
    """The hand-made labels of one field."""
    found: list[dict[str, Any]] = json.loads((_LABELLED / f"{name}.json").read_text())["labels"]
    return found


def row_like(**changes: Any) -> dict[str, Any]:
    """A captured row of the newer shape with some fields changed."""
    return {**NEW_ROWS[0], **changes}
