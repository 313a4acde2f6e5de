"""A spreadsheet of one sheet as a stream, so that it arrives while it is made and can be left at any moment.

XlsxWriter, as every library of its kind, hands a file over when it is complete. It makes the workbook around the rows
here; the rows go into the archive as they come.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import xlsxwriter
from xlsxwriter.utility import xl_col_to_name

LONGEST_CELL = 32_767
"""Excel's limit, in UTF-16 units; a longer text is cut."""
MOST_ROWS = 1_048_576

_SHEET = "xl/worksheets/sheet1.xml"
_DIMENSION = re.compile(r"<dimension [^>]*/>")
# What XML cannot say is written as _xHHHH_ (ECMA-376, ST_Xstring), and so is what already looks like that.
_UNSPEAKABLE = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9a-fA-F]{4}_)")


class TooManyRowsError(ValueError):
    """More rows than a sheet can have."""


def sheet(name: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], number: int) -> Iterator[bytes]:
    """The file in pieces. Text stays text, whatever it begins with; numbers are numbers; None and "" are no cell.

    `number` is how many rows there will be: readers that go row by row trust what the sheet says of its size.
    Raises TooManyRowsError when a sheet cannot have so many.
    """
    if number >= MOST_ROWS:
        message = f"a sheet has at most {MOST_ROWS} rows; narrow the search, or take CSV"
        raise TooManyRowsError(message)
    letters = _letters(len(columns))
    parts, before, after = _around_the_rows(name, f"A1:{letters[-1]}{number + 1}")
    sink = _Sink()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
        with archive.open(_SHEET, "w") as file:
            file.write(before + _row(1, letters, columns))
            yield sink.taken()
            for line, cells in enumerate(rows, start=2):
                file.write(_row(line, letters, cells))
                if sink.held:
                    yield sink.taken()
            file.write(after)
    yield sink.taken()


class _Sink:
    """Takes what the archive writes until it is sent; it cannot be sought in, which the archive then respects."""

    def __init__(self) -> None:
        self.held: list[bytes] = []

    def write(self, data: bytes) -> int:
        self.held.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Nothing is open."""

    def taken(self) -> bytes:
        taken = b"".join(self.held)
        self.held.clear()
        return taken


def _around_the_rows(name: str, extent: str) -> tuple[dict[str, bytes], bytes, bytes]:
    """The workbook's other files, and the sheet's text before and after its rows."""
    whole = io.BytesIO()
    with xlsxwriter.Workbook(whole, {"in_memory": True}) as book:
        book.add_worksheet(name).freeze_panes(1, 1)
    with zipfile.ZipFile(whole) as archive:
        parts = {part: archive.read(part) for part in archive.namelist()}
    text = _DIMENSION.sub(f'<dimension ref="{extent}"/>', parts.pop(_SHEET).decode())
    before, after = text.split("<sheetData/>")
    return parts, f"{before}<sheetData>".encode(), f"</sheetData>{after}".encode()


@lru_cache(maxsize=4)
def _letters(count: int) -> tuple[str, ...]:
    return tuple(xl_col_to_name(place) for place in range(count))


def _row(line: int, letters: Sequence[str], cells: Sequence[Any]) -> bytes:
    parts = [f'<row r="{line}">']
    for letter, value in zip(letters, cells, strict=True):
        if isinstance(value, str):
            if value:
                parts.append(
                    f'<c r="{letter}{line}" t="inlineStr"><is><t xml:space="preserve">{_text(value)}</t></is></c>'
                )
        elif value is not None:
            parts.append(f'<c r="{letter}{line}"><v>{value!r}</v></c>')
    parts.append("</row>\n")
    return "".join(parts).encode()


def _text(value: str) -> str:
    if 2 * len(value) > LONGEST_CELL:
        value = value.encode("utf-16-le")[: 2 * LONGEST_CELL].decode("utf-16-le", "ignore")
    if _UNSPEAKABLE.search(value):
        value = _UNSPEAKABLE.sub(lambda found: f"_x{ord(found.group()):04X}_", value)
    return value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
