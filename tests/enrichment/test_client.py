"""The portal's two endpoints as they answer, and as they fail."""

from __future__ import annotations

import json

import pytest

from enrichment.client import CANCELLED, PortalClient
from ocds.errors import UpstreamError
from tests.enrichment.captures import NEW_ROWS, OLD_ROWS
from tests.ocds.captures import BUCKET, PAGE
from tests.ocds.host import Host, answer, answer_gzip, answer_json


class Turnstile:
    """A gate that notes who passes."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def enter(self, host: str) -> None:
        self.heard.append("enter")

    def leave(self, host: str, *, ok: bool, seconds: float, status: int | None) -> None:
        self.heard.append(f"leave {ok} {status}")


def test_a_bucket_is_every_row_of_it(host: Host) -> None:
    host.will(answer_gzip(BUCKET))
    assert list(PortalClient(host.url, delay_ms=0).bucket()) == OLD_ROWS
    assert host.targets == ["/Home/TenderOpportunities/?status=1"]


def test_the_portal_is_asked_as_its_own_page_asks(host: Host) -> None:
    host.will(answer_json([]))
    assert list(PortalClient(host.url, delay_ms=0).bucket(CANCELLED)) == []
    headers = host.visits[0].headers
    assert host.targets == ["/Home/TenderOpportunities/?status=4"]
    assert headers["x-requested-with"] == "XMLHttpRequest"
    assert headers["referer"] == f"{host.url}/Home/opportunities?id=1"
    assert "ProTenders" in headers["user-agent"]


def test_a_bucket_cut_short_is_no_bucket(host: Host) -> None:
    host.will(answer(BUCKET[: len(BUCKET) // 2]))
    rows = PortalClient(host.url, delay_ms=0).bucket()
    first = next(rows)
    with pytest.raises(UpstreamError):
        list(rows)
    assert first == OLD_ROWS[0]


@pytest.mark.parametrize("body", [b"", b"<html>Down for maintenance</html>", b'{"error": 1}', b"null"])
def test_anything_but_an_array_means_that_the_site_changed_or_is_down(host: Host, body: bytes) -> None:
    host.will(answer(body))
    with pytest.raises(UpstreamError):
        list(PortalClient(host.url, delay_ms=0).bucket())


def test_a_page_has_its_rows_and_the_size_of_the_bucket(host: Host) -> None:
    host.will(answer(PAGE))
    page = PortalClient(host.url, delay_ms=0).page(1, 200, 100)
    assert (page.rows, page.records_total) == (NEW_ROWS, json.loads(PAGE)["recordsTotal"])
    assert host.targets == ["/Home/PaginatedTenderOpportunities?draw=1&start=200&length=100&status=1"]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"data": None, "recordsTotal": 3},
        {"data": [], "recordsTotal": "3"},
        {"data": [], "recordsTotal": True},
    ],
)
def test_a_page_of_another_form_is_an_upstream_error(host: Host, body: object) -> None:
    host.will(answer_json(body))
    with pytest.raises(UpstreamError, match="a page of tenders"):
        PortalClient(host.url, delay_ms=0).page(1, 0, 100)


def test_each_request_passes_the_shared_gate(host: Host) -> None:
    host.will(answer_json([]), answer(b"", 503))
    gate = Turnstile()
    client = PortalClient(host.url, gate=gate, delay_ms=0)
    assert list(client.bucket()) == []
    with pytest.raises(UpstreamError):
        client.page(1, 0, 10)
    assert gate.heard == ["enter", "leave True 200", "enter", "leave False 503"]
    client.close()
