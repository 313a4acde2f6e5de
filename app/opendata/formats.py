"""The tenders as files: JSONL, CSV, XLSX and one OCDS release package, each written row by row in constant memory."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from app.opendata import ocds_release, packages, spreadsheet
from app.opendata.origin import Origin
from db.tender_reads import COLUMNS, Row, as_json, as_values
from db.tender_search import Stream

_NESTED = frozenset({"provenance", "quality"})
TABLE_COLUMNS = (*(column.name for column in COLUMNS if column.name not in _NESTED), "documents")
"""The columns of CSV and XLSX: those of a tender, and the addresses of its files, separated by blanks, as far as a cell
can hold them.

Where each field came from is in JSONL, OCDS and the tender's own page.
"""
# Also where a South African Excel, which takes semicolons for separators and a quoted line for two, begins a cell.
_FORMULA = re.compile(r"\A(?=[=+\-@\t\r])|(?<=[;\t\r\n])(?=[=+\-@])")
_CHUNK = 64 * 1024


class NothingFitsError(ValueError):
    """There is no tender to write, and the format has no form for that."""


@dataclass(frozen=True)
class Format:
    """A form of file: `write` turns tenders into its bytes."""

    name: str
    media_type: str
    suffix: str
    binary: bool
    write: Callable[[Stream, Origin], Iterator[bytes]]


def _jsonl(rows: Stream, origin: Origin) -> Iterator[bytes]:
    del origin
    return _chunks(orjson.dumps(_tender(row), option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def _tender(row: Row) -> dict[str, Any]:
    return {**as_json(row), "documents": row.documents}


def _csv(rows: Stream, origin: Origin) -> Iterator[bytes]:
    """UTF-8 with the mark that makes a spreadsheet read it as such, and lines as RFC 4180 wants them."""
    del origin
    text = io.StringIO()
    writer = csv.writer(text)

    def lines() -> Iterator[bytes]:
        yield b"\xef\xbb\xbf"
        writer.writerow(TABLE_COLUMNS)
        for row in rows:
            writer.writerow([harmless(value) for value in _cells(row)])
            yield text.getvalue().encode()
            text.seek(0)
            text.truncate()
        yield text.getvalue().encode()

    return _chunks(lines())


def harmless(value: Any) -> Any:
    """Text that a spreadsheet would run as a formula gets an apostrophe in front, so that it is shown as text.

    That concerns text that begins with = + - @, a tab or a carriage return, also after a semicolon and in a new line;
    also telephone numbers such as `+27 12 345 6789`. A program that wants the values as they are reads JSONL.
    """
    return _FORMULA.sub("'", value) if isinstance(value, str) else value


def _cells(row: Row) -> list[Any]:
    cells = [_cell(value) for name, value in as_json(row).items() if name not in _NESTED]
    return [*cells, _addresses(row)]


def _addresses(row: Row) -> str:
    """As many whole addresses as fit into a cell; `document_count` says how many files there are.

    The largest tender has 1,342 files. Of a longer cell a spreadsheet makes several rows, and Python's csv an error.
    """
    text = " ".join(file["url"] for file in row.documents if file["url"])
    if len(text) <= spreadsheet.LONGEST_CELL:
        return text
    return text[: max(text.rfind(" ", 0, spreadsheet.LONGEST_CELL + 1), 0)]


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ";".join(value) if isinstance(value, list) else value


def _xlsx(rows: Stream, origin: Origin) -> Iterator[bytes]:
    """One sheet."""
    del origin
    return _chunks(spreadsheet.sheet("Tenders", TABLE_COLUMNS, map(_cells, rows), rows.count()))


def _ocds(rows: Stream, origin: Origin) -> Iterator[bytes]:
    """One release package, its releases written as they come. Raises NothingFitsError before the first byte."""
    package = packages.release_package(
        [], uri=origin.uri, base_url=origin.base_url, published=origin.written_at
    )
    del package["releases"], package["links"]

    def parts() -> Iterator[bytes]:
        head = orjson.dumps(package)[:-1] + b',"releases":['
        separator = b""
        for row in rows:
            release = ocds_release.release(as_values(row), row.documents, portal_url=origin.portal_url)
            yield (separator or head) + orjson.dumps(release)
            separator = b",\n"
        if not separator:
            raise NothingFitsError("no tender fits, and an OCDS package has at least one release")
        yield b"]}\n"

    return _chunks(parts())


def _chunks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces that are worth sending."""
    held: list[bytes] = []
    size = 0
    for part in parts:
        held.append(part)
        size += len(part)
        if size >= _CHUNK:
            yield b"".join(held)
            held.clear()
            size = 0
    if held:
        yield b"".join(held)


FORMATS = {
    each.name: each
    for each in (
        Format("csv", "text/csv; charset=utf-8", "csv", binary=False, write=_csv),
        Format("jsonl", "application/jsonl", "jsonl", binary=False, write=_jsonl),
        Format("ocds", "application/json", "json", binary=False, write=_ocds),
        Format(
            "xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "xlsx",
            binary=True,
            write=_xlsx,
        ),
    )
}
