"""All tenders as files, over HTTP and from the command line."""

from __future__ import annotations

import csv
import gc
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import psutil
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from app.cli.main import app as command_line
from app.opendata.downloads import AT_A_TIME, Downloads
from app.opendata.formats import FORMATS, TABLE_COLUMNS, harmless
from app.opendata.origin import Origin
from db.engine import make_engine
from db.tender_search import Filters, Stream
from tests.app.opendata.stock import multiply
from tests.app.opendata.test_ocds import assert_valid
from tests.app.opendata.test_search import everything
from tests.conftest import temporary_database
from tests.enrichment.captures import NOW

ORIGIN = Origin("https://tenders.example/a", "https://tenders.example", "https://www.etenders.gov.za", NOW)
MIB = 1024 * 1024


def table(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def cells(content: bytes) -> list[list[Any]]:
    """The sheet's rows; formulas would be `f` elements."""
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        sheet = ElementTree.fromstring(book.read("xl/worksheets/sheet1.xml"))
    assert not list(sheet.iter(f"{space}f"))
    return [["".join(cell.itertext()) for cell in row.iter(f"{space}c")] for row in sheet.iter(f"{space}row")]


def test_jsonl_is_the_search_a_line_a_tender(http: httpx.Client) -> None:
    answer = http.get("/api/tenders.jsonl", params={"province": "Limpopo"})
    assert answer.headers["content-type"].startswith("application/jsonl")
    assert [json.loads(line) for line in answer.text.splitlines()] == everything(http, province="Limpopo")


def test_csv_has_the_same_tenders_in_the_same_order(http: httpx.Client) -> None:
    answer = http.get("/api/tenders.csv", params={"province": "Limpopo"})
    assert answer.headers["content-disposition"].endswith('.csv"')
    rows = table(answer.content)
    tenders = everything(http, province="Limpopo")
    assert [row["ocid"] for row in rows] == [tender["ocid"] for tender in tenders]
    assert tuple(rows[0]) == TABLE_COLUMNS
    assert [row["documents"].split() for row in rows] == [
        [file["url"] for file in tender["documents"]] for tender in tenders
    ]
    assert {row["description"].removeprefix("'") for row in rows} == {
        tender["description"] or "" for tender in tenders
    }


def test_xlsx_has_the_same_tenders_and_no_formula(http: httpx.Client) -> None:
    answer = http.get("/api/tenders.xlsx", params={"province": "Limpopo"})
    sheet = cells(answer.content)
    assert tuple(sheet[0]) == TABLE_COLUMNS
    with zipfile.ZipFile(io.BytesIO(answer.content)) as book:
        assert f'{len(sheet)}"/>'.encode() in book.read("xl/worksheets/sheet1.xml")[:400]
    assert [row[0] for row in sheet[1:]] == [
        tender["ocid"] for tender in everything(http, province="Limpopo")
    ]


def test_a_thousand_files_fill_their_cell_with_whole_addresses(http: httpx.Client) -> None:
    [row] = table(http.get("/api/tenders.csv", params={"q": "ocds-9t57fa-35901"}).content)
    [tender] = everything(http, q="ocds-9t57fa-35901")
    addresses = [file["url"] for file in tender["documents"]]
    shown = row["documents"].split()
    assert len(addresses) == int(row["document_count"]) > len(shown) > 100
    assert shown == addresses[: len(shown)]
    assert len(row["documents"]) <= 32_767 < len(row["documents"]) + 1 + len(addresses[len(shown)])

    sheet = cells(http.get("/api/tenders.xlsx", params={"q": "ocds-9t57fa-35901"}).content)
    assert sheet[1][-1] == row["documents"]


@pytest.mark.parametrize("text", ["=1+1", "+27 12 345 6789", "-1", "@cmd", "\tx", "\rx"])
def test_what_a_spreadsheet_would_run_is_shown_as_text(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("separator", [";", "\n", "\r\n", "\t"])
def test_nor_is_it_run_where_a_spreadsheet_of_another_country_begins_a_cell(separator: str) -> None:
    assert harmless(f"pumps{separator}=1+1; - 2") == f"pumps{separator}'=1+1; - 2"


@pytest.mark.parametrize("value", ["supply of =", "one; two - three\nfour", 12, -3.5, None, ""])
def test_what_a_spreadsheet_would_not_run_stays_as_it_is(value: Any) -> None:
    assert harmless(value) is value


@pytest.fixture
def many(pg_server: str, stocked_database: str) -> Iterator[sa.Engine]:
    """12,000 tenders."""
    with temporary_database(pg_server, template=sa.make_url(stocked_database).database) as url:
        engine = make_engine(url)
        multiply(engine, total=12_000)
        yield engine
        engine.dispose()


def test_an_export_takes_no_more_memory_for_more_tenders(many: sa.Engine) -> None:
    process = psutil.Process()

    def peak(name: str, filters: Filters) -> tuple[int, int]:
        gc.collect()
        before = highest = process.memory_info().rss
        written = 0
        with many.connect() as connection:
            for chunk in FORMATS[name].write(Stream(connection, filters), ORIGIN):
                written += len(chunk)
                highest = max(highest, process.memory_info().rss)
        return highest - before, written

    for name in FORMATS:
        peak(name, Filters(province="Limpopo"))
        extra, written = peak(name, Filters())
        assert written > 3 * MIB
        assert extra < 20 * MIB, f"{name} took {extra / MIB:.1f} MiB"


@pytest.mark.parametrize("name", FORMATS)
def test_a_download_that_is_left_gives_its_connection_and_its_place_back(many: sa.Engine, name: str) -> None:
    downloads = Downloads(many)
    for _ in range(2 * AT_A_TIME):
        answer = downloads.start(FORMATS[name], Filters(), ORIGIN, {})
        assert many.pool.checkedout() == 1  # type: ignore[attr-defined]
        answer._end()
        assert many.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_more_downloads_than_are_allowed_at_a_time_are_refused(many: sa.Engine) -> None:
    downloads = Downloads(many)
    running = [downloads.start(FORMATS["jsonl"], Filters(), ORIGIN, {}) for _ in range(AT_A_TIME)]
    with pytest.raises(Exception, match="Too many exports") as refusal:
        downloads.start(FORMATS["jsonl"], Filters(), ORIGIN, {})
    assert refusal.value.status_code == 503  # type: ignore[attr-defined]
    for each in running:
        each._end()


@pytest.fixture
def run(stocked_database: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `protenders export` on the stocked database."""
    monkeypatch.setenv("DATABASE_URL", stocked_database)

    def export(*arguments: str) -> Any:
        return CliRunner().invoke(command_line, ["export", *arguments])

    return export


def test_the_command_line_writes_a_valid_ocds_package(run: Any, tmp_path: Path) -> None:
    target = tmp_path / "tenders.json"
    outcome = run("--format", "ocds", "--out", str(target))
    assert outcome.exit_code == 0, outcome.output
    package = json.loads(target.read_bytes())
    assert len(package["releases"]) == 2276
    assert_valid(package, "release-package-schema.json")
    assert [file.name for file in tmp_path.iterdir()] == ["tenders.json"]


def test_the_command_line_writes_no_ocds_package_without_a_release(run: Any, tmp_path: Path) -> None:
    outcome = run("--format", "ocds", "--out", str(tmp_path / "x.json"), "--q", "zzzzzz")
    assert outcome.exit_code != 0
    assert "no tender fits" in f"{outcome.output}{outcome.exception}"
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_writes_what_http_sends(run: Any, http: httpx.Client, tmp_path: Path) -> None:
    for name in ("jsonl", "csv"):
        target = tmp_path / name
        outcome = run("--format", name, "--out", str(target), "--status", "cancelled", "--q", "supply")
        assert outcome.exit_code == 0, outcome.output
        assert target.read_bytes() == http.get(f"/api/tenders.{name}?status=cancelled&q=supply").content


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--format", "pdf"], "--format pdf"),
        (["--format", "csv", "--province", "Narnia"], "--province Narnia"),
        (["--format", "csv", "--published-from", "soon"], "--published-from soon"),
        (["--format", "csv", "--out", "/no/such/folder/x.csv"], "--out /no/such/folder/x.csv"),
    ],
)
def test_the_command_line_names_the_option_that_cannot_be_used(
    run: Any, arguments: list[str], named: str
) -> None:
    outcome = run(*arguments)
    assert outcome.exit_code != 0
    assert named in f"{outcome.output}{outcome.exception}"
