"""A served app on real PostgreSQL with the recorded stand-in, and clients that log in as people do."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from app.auth import passwords
from app.runtime import utc_now
from app.serving import BackgroundServing, Serving
from app.settings import Settings
from db import accounts
from tests.conftest import temporary_database

PASSWORDS = {"admin": "the admin's pass phrase", "viewer": "the viewer's pass phrase"}
HASHES = {role: passwords.hash_password(text) for role, text in PASSWORDS.items()}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable or `.env` of the developer reaches a test."""
    import os

    for name in list(os.environ):
        if name.lower() in Settings.model_fields or name in {"APP_ENV", "ENVIRONMENT"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("PROTENDERS_HOME", str(tmp_path / "home"))


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """A command's logging set-up ends with its test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def add_accounts(serving: Serving) -> None:
    """One admin and one viewer."""
    with serving.runtime.engine.begin() as connection:
        for role, hashed in HASHES.items():
            accounts.create(connection, username=role, password_hash=hashed, role=role, now=utc_now())


@pytest.fixture(scope="module")
def served(
    pg_server: str, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    """The whole app on a free port, for a module's tests together."""
    with temporary_database(pg_server, template=template_database) as url:
        settings = Settings(
            _env_file=None,
            database_url=url,
            protenders_home=tmp_path_factory.mktemp("home"),
            sync_cron="0 0 1 1 *",
        )
        with BackgroundServing(settings, source="replay") as serving:
            add_accounts(serving)
            yield serving


def csrf_of(page: httpx.Response) -> str:
    """The form token of a page."""
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page.text)
    assert found, page.text[:2000]
    return found[1]


def log_in(url: str, role: str) -> httpx.Client:
    """A browser's worth of cookies for this account."""
    client = httpx.Client(base_url=url, timeout=20)
    form = client.get("/admin/login")
    token = re.search(r'name="form_token" value="([^"]+)"', form.text)
    assert token
    answer = client.post(
        "/admin/login",
        data={"username": role, "password": PASSWORDS[role], "form_token": token[1], "next": "/admin/jobs"},
    )
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/admin/jobs"
    return client


@pytest.fixture
def browser(served: Serving) -> Iterator[Callable[[str], httpx.Client]]:
    """Logs in as `admin` or `viewer`."""
    opened: list[httpx.Client] = []

    def open_as(role: str) -> httpx.Client:
        opened.append(log_in(served.url, role))
        return opened[-1]

    yield open_as
    for client in opened:
        client.close()


@pytest.fixture
def anybody(served: Serving) -> Iterator[httpx.Client]:
    """A client without an account."""
    with httpx.Client(base_url=served.url, timeout=20) as client:
        yield client
