"""A served app whose database holds all captures, for tests that only read."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa

from app.serving import BackgroundServing, Serving
from app.settings import Settings
from db.engine import make_engine
from tests.app.opendata.stock import save_captures
from tests.conftest import temporary_database


@pytest.fixture(scope="package")
def stocked_database(pg_server: str, template_database: str) -> Iterator[str]:
    """All captures, saved; nothing may be changed in it."""
    with temporary_database(pg_server, template=template_database) as url:
        engine = make_engine(url)
        save_captures(engine)
        engine.dispose()
        yield url


@pytest.fixture(scope="package")
def stocked(stocked_database: str) -> Iterator[sa.Engine]:
    engine = make_engine(stocked_database)
    yield engine
    engine.dispose()


@pytest.fixture(scope="package")
def site(
    pg_server: str, stocked_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    """The app on a copy of the stocked database, without a limit on requests."""
    name = sa.make_url(stocked_database).database
    with temporary_database(pg_server, template=name) as url:
        settings = Settings(
            _env_file=None,
            database_url=url,
            protenders_home=tmp_path_factory.mktemp("home"),
            sync_cron="0 0 1 1 *",
            open_data_requests_per_minute=0,
        )
        with BackgroundServing(settings, source="replay") as serving:
            yield serving


@pytest.fixture(scope="package")
def http(site: Serving) -> Iterator[httpx.Client]:
    """Anybody's client."""
    with httpx.Client(base_url=site.url, timeout=60) as client:
        yield client
