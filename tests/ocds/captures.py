"""What eTenders really sent (docs/data.md, "Captures")."""

from __future__ import annotations

import gzip
import json
from importlib.resources import files
from typing import Any

_DATA = files("app.replay") / "data"
BUCKET = gzip.decompress((_DATA / "bucket_open_2022-11-04.json.gz").read_bytes())
PAGE = gzip.decompress((_DATA / "paginated_open_2025-09-18.json.gz").read_bytes())
PACKAGE: dict[str, Any] = json.loads((_DATA / "package_2026-08-14.json").read_bytes())
SINGLE: dict[int, Any] = {
    number: json.loads((_DATA / f"ocds-9t57fa-{number}.json").read_bytes())
    for number in (136707, 136747, 136831, 165050)
}
RELEASES: list[dict[str, Any]] = [
    *(single.get("release", single) for single in SINGLE.values()),
    *PACKAGE["releases"],
]
