"""The OCDS API's two calls, in every shape that has been seen."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from ocds.client import OcdsClient
from ocds.errors import UpstreamError
from tests.ocds.captures import PACKAGE, SINGLE
from tests.ocds.host import Host, Script, answer, answer_json

OCID = "ocds-9t57fa-136707"
BARE = SINGLE[136707]
DAY = date(2026, 8, 14)


def page(host: Host, value: Any) -> Any:
    host.will(answer_json(value))
    return OcdsClient(host.url).list_page(DAY, DAY, page=1, page_size=50)


def release(host: Host, *scripts: Script) -> dict[str, Any] | None:
    host.will(*scripts)
    return OcdsClient(host.url).release(OCID)


def test_the_list_is_asked_by_page_and_day(host: Host) -> None:
    host.will(answer_json(PACKAGE))
    got = OcdsClient(host.url).list_page(date(2026, 8, 13), DAY, page=3, page_size=100)
    assert host.targets == [
        "/api/OCDSReleases?PageNumber=3&PageSize=100&dateFrom=2026-08-13&dateTo=2026-08-14"
    ]
    assert got.releases == PACKAGE["releases"]
    assert not got.has_next


@pytest.mark.parametrize(
    ("links", "has_next"),
    [
        ({"next": "https://ocds-api.etenders.gov.za/api/OCDSReleases?PageNumber=2"}, True),
        ({"next": ""}, False),
        ({"next": None}, False),
        ({"prev": "x"}, False),
        (None, False),
        ([], False),
        ("x", False),
    ],
)
def test_the_next_link_is_passed_on_for_what_it_is_worth(host: Host, links: Any, has_next: bool) -> None:
    assert page(host, {"releases": [], "links": links}).has_next is has_next


def test_odd_releases_in_a_page_are_passed_on_as_they_are(host: Host) -> None:
    odd = [None, "text", 5, {}, {"ocid": 3}, BARE]
    assert page(host, {"releases": odd}).releases == odd


def test_a_null_list_is_an_empty_page(host: Host) -> None:
    assert page(host, {"releases": None}).releases == []


@pytest.mark.parametrize(
    "value", [{}, [], [BARE], "releases", None, 3, {"releases": {}}, {"releases": "none"}]
)
def test_json_that_is_no_package_is_an_upstream_error(host: Host, value: Any) -> None:
    with pytest.raises(UpstreamError, match="expected a release package, got"):
        page(host, value)


def test_a_missing_date_parameter_would_be_told_in_the_hosts_words(host: Host) -> None:
    host.will(answer(b"dateFrom and dateTo are required", 400, content_type="text/plain"))
    with pytest.raises(UpstreamError, match=r"answered 400 .*are required"):
        OcdsClient(host.url).list_page(DAY, DAY, page=1, page_size=50)


def test_a_release_is_asked_by_ocid(host: Host) -> None:
    assert release(host, answer_json(BARE)) == BARE
    assert host.targets == [f"/api/OCDSReleases/release/{OCID}"]


@pytest.mark.parametrize(
    "wrapped",
    [
        {"release": BARE},
        {"releases": [BARE]},
        {"releases": [SINGLE[136747], BARE]},
    ],
)
def test_a_release_is_taken_out_of_its_wrapper(host: Host, wrapped: Any) -> None:
    assert release(host, answer_json(wrapped)) == BARE


@pytest.mark.parametrize("value", [{}, {"release": None}, {"release": {}}, {"releases": []}])
def test_an_id_never_published_is_a_hole(host: Host, value: Any) -> None:
    assert release(host, answer_json(value)) is None


@pytest.mark.parametrize("body", [b"", b'{"title": "Not Found"}', b"Release not found"])
def test_a_404_is_a_hole_as_well(host: Host, body: bytes) -> None:
    assert release(host, answer(body, 404)) is None


def test_a_404_web_page_is_no_hole_but_a_site_that_moved(host: Host) -> None:
    with pytest.raises(UpstreamError, match="answered 404 with an HTML"):
        release(host, answer(b"<html><body>IIS</body></html>", 404))


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        [BARE],
        5,
        "x",
        {"release": [BARE]},
        {"releases": [SINGLE[136747], SINGLE[136831]]},
        {"message": "An error has occurred."},
    ],
)
def test_json_that_is_no_release_is_an_upstream_error(host: Host, value: Any) -> None:
    with pytest.raises(UpstreamError, match="expected a release, got"):
        release(host, answer_json(value))


def test_another_tenders_release_is_not_taken(host: Host) -> None:
    with pytest.raises(
        UpstreamError, match="expected the release ocds-9t57fa-136707, not ocds-9t57fa-136747"
    ):
        release(host, answer_json(SINGLE[136747]))


def test_a_release_whose_ocid_cannot_be_read_is_left_to_the_reader(host: Host) -> None:
    odd = {**BARE, "ocid": 12}
    assert release(host, answer_json(odd)) == odd


def test_an_ocid_cannot_lead_to_another_path(host: Host) -> None:
    host.will(answer_json({}))
    OcdsClient(host.url).release("../x?y#z")
    assert host.targets == ["/api/OCDSReleases/release/..%2Fx%3Fy%23z"]


def test_a_base_address_with_a_path_keeps_it(host: Host) -> None:
    host.will(answer_json({}))
    client = OcdsClient(f"{host.url}/mirror/")
    client.release(OCID)
    client.close()
    assert host.targets == [f"/mirror/api/OCDSReleases/release/{OCID}"]
