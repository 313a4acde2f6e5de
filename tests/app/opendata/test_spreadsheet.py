"""A streamed sheet: any text comes back as it went, and the file is whole."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.opendata import spreadsheet
from app.opendata.spreadsheet import LONGEST_CELL, TooManyRowsError, sheet

SPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def read(content: bytes) -> list[dict[str, Any]]:
    """The rows, each a cell's address with its value, as a spreadsheet program reads them."""
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        assert book.testzip() is None
        document = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    assert not list(document.iter(f"{SPACE}f"))
    rows = []
    for row in document.iter(f"{SPACE}row"):
        found: dict[str, Any] = {}
        for cell in row.iter(f"{SPACE}c"):
            text = "".join(cell.itertext())
            found[cell.attrib["r"]] = _plain(text) if cell.attrib.get("t") == "inlineStr" else float(text)
        rows.append(found)
    return rows


def _plain(text: str) -> str:
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), text)


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+27 12 345 6789",
        "@cmd",
        " blanks around ",
        "two\nlines\r\nand\ttabs",
        "a <b> & c",
        "\x00\x01\x1f\ufffe\uffff",
        "_x0041_ is not A",
        "más 中文 😀 \u202eabc",
        "x" * LONGEST_CELL,
    ],
)
def test_a_text_comes_back_as_it_went(text: str) -> None:
    [_, row] = read(b"".join(sheet("Tenders", ["a", "b"], [["first", text]], 1)))
    assert row == {"A2": "first", "B2": text}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_text_comes_back_as_it_went(text: str) -> None:
    [_, row] = read(b"".join(sheet("Tenders", ["a"], [[text]], 1)))
    assert row == {"A2": text}


@pytest.mark.parametrize("letter", ["x", "😀"])
def test_a_text_that_no_cell_takes_is_cut_at_excels_limit(letter: str) -> None:
    [_, row] = read(b"".join(sheet("Tenders", ["a"], [[letter * 40_000]], 1)))
    units = len(row["A2"].encode("utf-16-le")) // 2
    assert set(row["A2"]) == {letter}
    assert LONGEST_CELL - 1 <= units <= LONGEST_CELL


def test_numbers_are_numbers_and_nothing_is_no_cell() -> None:
    columns = [f"column {place}" for place in range(28)]
    content = b"".join(sheet("Tenders", columns, [[12, 0.5, None, "", *[None] * 23, "last"]], 1))
    header, row = read(content)
    assert list(header.values()) == columns
    assert row == {"A2": 12.0, "B2": 0.5, "AB2": "last"}
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        assert b'<dimension ref="A1:AB2"/>' in book.read("xl/worksheets/sheet1.xml")


def test_it_begins_before_its_rows_are_known_and_can_be_left() -> None:
    asked = []

    def rows() -> Any:
        try:
            for place in range(100_000):
                asked.append(place)
                yield [f"row {place} {place * 7919 % 1009}"]
        finally:
            asked.append(-1)

    pieces = sheet("Tenders", ["a"], rows(), 100_000)
    next(pieces)
    assert asked == []
    next(pieces)
    assert len(asked) < 20_000
    pieces.close()  # type: ignore[attr-defined]
    assert asked[-1] == -1


def test_more_rows_than_a_sheet_has_are_refused_instead_of_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreadsheet, "MOST_ROWS", 3)
    assert len(read(b"".join(sheet("Tenders", ["a"], [["x"]] * 2, 2)))) == 3
    with pytest.raises(TooManyRowsError, match="take CSV"):
        next(sheet("Tenders", ["a"], [["x"]] * 3, 3))
