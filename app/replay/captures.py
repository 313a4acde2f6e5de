"""Reading captures: files of what the two hosts once answered, the committed ones and those of ``--data
DIR``.

Four forms are known by their content, plain or gzipped: one release, a release package, a page of
``PaginatedTenderOpportunities``, a bucket of ``TenderOpportunities``; and the filter form's vocabularies.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from app.replay.calendar import JsonObject, day_number, stamp_seconds
from app.replay.config import ReplayError
from app.replay.derived import PREFIX
from app.replay.shapes import ADDRESS, SAME_IN_BOTH, Vocabulary, is_older

BUNDLED = Path(__file__).parent / "data"

_OLDER = ("sd", "bf", "bc", "delivery")
_NEWER = ("supportDocument", "briefingSession", "briefingCompulsory", "departmentsID", *ADDRESS)
_DOCUMENT = ("supportDocumentID", "fileName", "extension", "dateModified")


@dataclass(frozen=True, slots=True)
class Template:
    """One captured tender: its row, its release, or both, as compact JSON so that thousands cost little
    memory.

    `published` is its publication day (ordinal), `closes` its closing time (wall seconds), both as
    captured; `newest` is the newest publication day of the capture that decides its shift: the row's,
    else the release's.
    """

    number: int
    row: bytes | None
    release: bytes | None
    published: int
    closes: int
    newest: int


@dataclass(frozen=True)
class Captures:
    """All captured tenders by number, with the vocabulary that the row mapping needs."""

    templates: dict[int, Template]
    vocabulary: Vocabulary


def load(folders: Sequence[Path], *, bundled: bool = True) -> Captures:
    """Read every ``*.json`` and ``*.json.gz`` below the folders, the committed captures first.

    Where two captures hold the same tender, the later publication day wins, then the later file. Raises
    `ReplayError` naming the folder or file, and the item in it, that cannot be used.
    """
    return _read_all(folders, bundled=bundled) if folders or not bundled else _committed()


@cache
def _committed() -> Captures:
    return _read_all([], bundled=True)


def _read_all(folders: Sequence[Path], *, bundled: bool) -> Captures:
    rows: dict[int, tuple[JsonObject, int]] = {}
    releases: dict[int, tuple[JsonObject, int]] = {}
    vocabulary = Vocabulary.read(_read(BUNDLED / "filter_options.json"))
    for path in _files([BUNDLED] if bundled else [], folders):
        content = _read(path)
        if isinstance(content, dict) and "departments" in content:
            vocabulary = Vocabulary.read(content)
            continue
        kind, items = _items(path, content)
        target, check, date = (
            (rows, _check_row, _row_day) if kind == "row" else (releases, _check_release, _release_day)
        )
        numbers = [check(path, place, item) for place, item in enumerate(items)]
        newest = max((date(item) for item in items), default=0)
        for number, item in zip(numbers, items, strict=True):
            known = target.get(number)
            if known is None or date(known[0]) <= date(item):
                target[number] = (item, newest)
    if not rows and not releases:
        raise ReplayError("No captures to serve: the folders of --data hold no release and no portal row.")
    templates = {
        number: _template(number, rows.get(number), releases.get(number))
        for number in sorted({*rows, *releases})
    }
    return Captures(templates, vocabulary)


def _files(first: list[Path], folders: Iterable[Path]) -> Iterator[Path]:
    yield from (path for folder in first for path in _below(folder))
    for folder in folders:
        if not folder.is_dir():
            raise ReplayError(f"--data {folder}: there is no such folder.")
        found = _below(folder)
        if not found:
            raise ReplayError(f"--data {folder}: the folder holds no .json or .json.gz file.")
        yield from found


def _below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.name.endswith((".json", ".json.gz")))


def _read(path: Path) -> Any:
    try:
        body = path.read_bytes()
        return orjson.loads(gzip.decompress(body) if path.suffix == ".gz" else body)
    except (OSError, EOFError, zlib.error, orjson.JSONDecodeError) as error:
        raise ReplayError(f"{path}: cannot be read as JSON ({error}).") from error


def _items(path: Path, content: Any) -> tuple[str, list[Any]]:
    if isinstance(content, dict):
        if isinstance(content.get("releases"), list):
            return "release", content["releases"]
        if isinstance(content.get("data"), list):
            return "row", content["data"]
        if isinstance(content.get("release"), dict):
            return "release", [content["release"]]
        if "ocid" in content:
            return "release", [content]
    if isinstance(content, list):
        return "row", content
    raise ReplayError(
        f"{path}: not a capture. Known forms: one release, a release package, a page of "
        "PaginatedTenderOpportunities, a bucket of TenderOpportunities, the filter options."
    )


def _check_row(path: Path, place: int, row: Any) -> int:
    where = f"{path}: row {place}"
    if not isinstance(row, dict):
        raise ReplayError(f"{where} is no object.")
    shape = _OLDER if is_older(row) else _NEWER
    missing = [key for key in (*SAME_IN_BOTH, *shape) if key not in row]
    if missing:
        raise ReplayError(f"{where} lacks {', '.join(missing)}.")
    if not isinstance(row["id"], int) or row["id"] < 1:
        raise ReplayError(f"{where}: id {row['id']!r} is no tender id.")
    documents = row[shape[0]]
    if not isinstance(documents, list) or not all(
        isinstance(document, dict) and all(isinstance(document.get(key), str) for key in _DOCUMENT)
        for document in documents
    ):
        raise ReplayError(f"{where} (id {row['id']}): {shape[0]} is no list of documents.")
    times = [row["date_Published"], row["closing_Date"]]
    if row["compulsory_briefing_session"] is not None:
        times.append(row["compulsory_briefing_session"])
    times += [document["dateModified"] for document in documents]
    _check_times(f"{where} (id {row['id']})", times)
    return int(row["id"])


def _check_release(path: Path, place: int, release: Any) -> int:
    where = f"{path}: release {place}"
    ocid = release.get("ocid") if isinstance(release, dict) else None
    number = ocid.removeprefix(PREFIX) if isinstance(ocid, str) and ocid.startswith(PREFIX) else ""
    if not number.isdecimal():
        raise ReplayError(f"{where}: ocid {ocid!r} is not like {PREFIX}134203.")
    tender = release.get("tender")
    if not isinstance(tender, dict) or not isinstance(tender.get("tenderPeriod"), dict):
        raise ReplayError(f"{where} ({ocid}) has no tender with a tenderPeriod.")
    _check_times(f"{where} ({ocid})", [release.get("date"), tender["tenderPeriod"].get("endDate")])
    return int(number)


def _check_times(where: str, times: list[Any]) -> None:
    for time in times:
        try:
            stamp_seconds(time)
        except (ValueError, TypeError) as error:
            raise ReplayError(f"{where}: {error}.") from error


def _row_day(row: JsonObject) -> int:
    return day_number(stamp_seconds(row["date_Published"]))


def _release_day(release: JsonObject) -> int:
    return day_number(stamp_seconds(release["date"]))


def _template(
    number: int, row: tuple[JsonObject, int] | None, release: tuple[JsonObject, int] | None
) -> Template:
    published, closes, newest = 0, 0, 0
    if release is not None:
        published, newest = _release_day(release[0]), release[1]
        closes = stamp_seconds(release[0]["tender"]["tenderPeriod"]["endDate"])
    if row is not None:
        published, newest = _row_day(row[0]), row[1]
        closes = stamp_seconds(row[0]["closing_Date"])
    return Template(
        number=number,
        row=orjson.dumps(row[0]) if row else None,
        release=orjson.dumps(release[0]) if release else None,
        published=published,
        closes=closes,
        newest=newest,
    )
