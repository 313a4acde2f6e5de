"""What `requireEnrichment` holds back is held back everywhere: no route, file, count, record or mail knows of it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from app.serving import BackgroundServing
from app.settings import Settings
from db import saved_searches
from db.engine import make_engine
from db.saved_searches import Wanted
from tests.app.opendata.stock import save_releases
from tests.conftest import temporary_database
from tests.enrichment.captures import NOW
from tests.ocds.captures import SINGLE

OCID, SHOWN = "ocds-9t57fa-136747", "ocds-9t57fa-136707"
WORD = "zeppelinhangar"
CATEGORY = "Airships"


def raw(number: int) -> dict[str, Any]:
    found: dict[str, Any] = copy.deepcopy(SINGLE[number].get("release", SINGLE[number]))
    return found


@pytest.fixture(scope="module")
def engine(pg_server: str, template_database: str) -> Iterator[sa.Engine]:
    """One tender that is published, and one that is not."""
    with temporary_database(pg_server, template=template_database) as url:
        held = raw(136747)
        held["tender"] |= {"description": f"A {WORD}", "category": CATEGORY}
        made = make_engine(url)
        save_releases(made, [raw(136707)])
        save_releases(made, [held], published=False)
        yield made
        made.dispose()


@pytest.fixture(scope="module")
def client(engine: sa.Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    settings = Settings(
        _env_file=None,
        database_url=engine.url.render_as_string(hide_password=False),
        protenders_home=tmp_path_factory.mktemp("home"),
        sync_cron="0 0 1 1 *",
    )
    with (
        BackgroundServing(settings, source="replay") as serving,
        httpx.Client(base_url=serving.url, timeout=60) as client,
    ):
        yield client


def slug(engine: sa.Engine) -> str:
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT slug FROM tenders WHERE NOT is_published")).scalar_one()
    return str(found)


def test_no_address_of_its_own_answers(client: httpx.Client, engine: sa.Engine) -> None:
    for path in ("/api/tenders/{}", "/api/tenders/{}/history", "/api/ocds/records/{}"):
        for key in (OCID, slug(engine)):
            assert client.get(path.format(key)).status_code == 404
        assert client.get(path.format(SHOWN)).status_code == 200


@pytest.mark.parametrize(
    "query", [{}, {"q": WORD}, {"q": OCID}, {"changed_since": "2000-01-01"}, {"published_from": "2025-01-01"}]
)
def test_no_search_and_no_count_finds_it(client: httpx.Client, query: dict[str, str]) -> None:
    page = client.get("/api/tenders", params={**query, "facets": "true"}).json()
    finds = 0 if "q" in query else 1
    assert [tender["ocid"] for tender in page["tenders"]] == [SHOWN] * finds
    assert page["facets"]["counted"] == finds
    assert sum(item["count"] for item in page["facets"]["lifecycle"]) == finds


@pytest.mark.parametrize("path", ["csv", "jsonl", "xlsx"])
def test_no_file_has_it(client: httpx.Client, path: str) -> None:
    content = client.get(f"/api/tenders.{path}").content
    assert content
    assert WORD.encode() not in content
    if path != "xlsx":
        assert SHOWN.encode() in content
        assert OCID.encode() not in content


def test_no_release_package_has_it(client: httpx.Client) -> None:
    package = client.get("/api/ocds/releases.json").json()
    assert [release["ocid"] for release in package["releases"]] == [SHOWN]
    assert client.get("/api/ocds/releases.json", params={"q": WORD}).status_code == 404


def test_a_category_that_it_alone_has_is_not_known(client: httpx.Client, engine: sa.Engine) -> None:
    with engine.begin() as connection:
        changed = connection.execute(
            sa.text("UPDATE tenders SET detailed_category = :name WHERE NOT is_published"), {"name": CATEGORY}
        )
    assert changed.rowcount == 1
    assert client.get("/api/tenders", params={"category": CATEGORY}).status_code == 422


def test_no_alert_tells_of_it(engine: sa.Engine) -> None:
    wanted = Wanted(status=None)
    with engine.begin() as connection:
        search = saved_searches.create(
            connection,
            id="all",
            user_id=None,
            name="all",
            email="all@bidder.example",
            wanted=wanted,
            frequency="daily",
            now=NOW,
        )
        connection.execute(sa.text("UPDATE saved_searches SET after_arrival = -1"))
        early = saved_searches.get(connection, search.id)
        assert early is not None
        assert saved_searches.news(connection, early, now=NOW) == ([SHOWN], 0)
        preview = saved_searches.preview(connection, wanted, limit=9, now=NOW)
    assert [row.ocid for row in preview] == [SHOWN]
