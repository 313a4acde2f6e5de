"""Secrets stay where they were given: nothing that a server leaves behind has one, whatever happens to it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from app import inngest_link
from app.settings import Settings
from tests.acceptance.processes import PROTENDERS, Process, answers, free_port, protenders, running, wait_for

pytestmark = pytest.mark.acceptance

StandIn = Callable[..., tuple[str, Process]]
MARKER = "zq7mark"
PASSWORD = f"{MARKER} admin pass phrase"
SECRETS = {
    "SECRET_KEY": f"{MARKER}-secret-key-0123456789",
    "ADMIN_PASSWORD": PASSWORD,
    "CRON_SECRET": f"{MARKER}-cron-secret-0123456789",
    "INNGEST_EVENT_KEY": f"{MARKER}-event-key",
    "SMTP_USER": "mailer",
    "SMTP_PASS": f"{MARKER}-smtp-password",
    "ALERT_WEBHOOK_URL": f"http://127.0.0.1:9/hooks/{MARKER}",
    "SENTRY_DSN": f"http://{MARKER}key@127.0.0.1:9/1",
    "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {MARKER}",
}
PAGES = (
    "/admin", "/admin/jobs", "/admin/runs", "/admin/functions", "/admin/events", "/admin/tenders", "/admin/coverage",
    "/admin/enrichment", "/admin/users", "/admin/audit", "/admin/searches", "/api/admin/jobs?limit=50",
    "/api/admin/metrics", "/api/admin/sync/state", "/metrics", "/readyz", "/healthz", "/docs", "/openapi.json",
    "/api/tenders?limit=2", "/dev", "/v1/events", "/nowhere", "/admin/jobs/none", "/admin/runs/none",
)  # fmt: skip


@pytest.fixture
def env(stand_in: StandIn, settings: Callable[..., dict[str, str]]) -> dict[str, str]:
    source, _ = stand_in("--ids", "134180-134230")
    return settings(source) | SECRETS | {
        "APP_ENV": "production",
        "SYNC_CRON": "0 0 1 1 *",
        "ENGINE_RETRY_BASE": "0.01",
        "LOG_LEVEL": "DEBUG",
        "LOG_FORMAT": "json",
        "SMTP_HOST": "127.0.0.1",
        "SMTP_PORT": "9",
        "EMAIL_FROM": "alerts@protenders.example",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
    }  # fmt: skip


def everything(database: sa.Engine) -> Iterator[tuple[str, str]]:
    """Every row of every table, as text."""
    with database.connect() as connection:
        for schema in ("public", "engine"):
            for table in sa.inspect(connection).get_table_names(schema=schema):
                columns = sa.inspect(connection).get_columns(table, schema=schema)
                shown = ", ".join(
                    f"encode({c['name']}, 'escape')" if "BYTEA" in str(c["type"]) else f"{c['name']}::text"
                    for c in columns
                )
                for row in connection.execute(sa.text(f"SELECT {shown} FROM {schema}.{table}")):
                    yield f"{schema}.{table}", " ".join(str(value) for value in row)


def test_no_secret_is_in_the_log_the_database_the_answers_or_what_the_commands_print(
    env: dict[str, str], database_url: str
) -> None:
    keys = Settings(
        _env_file=None,
        app_env="production",
        secret_key=SECRETS["SECRET_KEY"],
        inngest_event_key=SECRETS["INNGEST_EVENT_KEY"],
    )
    signing_key = str(inngest_link.signing_key(keys)).rpartition("-")[2]
    password = sa.make_url(database_url).password
    hidden = [MARKER, signing_key, *([str(password)] if password else [])]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    database = sa.create_engine(database_url)
    said: dict[str, str] = {}
    with running(*PROTENDERS, "serve", "--port", str(port), env=env) as process:
        answers(process, f"{url}/readyz")
        with httpx.Client(base_url=url, timeout=30) as client:
            form = client.get("/admin/login")
            token = re.search(r'name="form_token" value="([^"]+)"', form.text)
            assert token
            fields = {"username": "admin", "password": PASSWORD, "form_token": token[1]}
            assert client.post("/admin/login", data=fields).status_code == 303
            wrong = client.post("/admin/login", data=fields | {"password": PASSWORD + "x"})
            said["a wrong login"] = wrong.text
            event = {"name": "tender/sync.requested", "data": {"triggeredBy": "manual"}}
            sent = client.post(f"/e/{SECRETS['INNGEST_EVENT_KEY']}", json=event)
            assert sent.status_code == 200, sent.text
            said["a wrong key"] = client.post(f"/e/{SECRETS['INNGEST_EVENT_KEY']}x", json=event).text
            bearer = {"Authorization": f"Bearer {SECRETS['CRON_SECRET']}"}
            shim = client.post("/api/cron/alerts-run", headers=bearer)
            assert shim.status_code == 202
            assert re.fullmatch(r"@\d+", shim.headers["Deprecation"])
            assert parsedate_to_datetime(shim.headers["Sunset"]).timestamp() > float(
                shim.headers["Deprecation"][1:]
            )
            assert 'rel="successor-version"' in shim.headers["Link"]
            said["a wrong cron secret"] = client.post(
                "/api/cron/sync", headers={"Authorization": f"Bearer {SECRETS['CRON_SECRET']}x"}
            ).text
            _searches_for_what_cannot_be_mailed(database)
            assert client.post("/api/cron/alerts-run", headers=bearer).status_code == 202
            tried = "SELECT count(*) FROM alert_deliveries WHERE last_error LIKE '%takes no mail%'"
            wait_for("a mail that is not taken", lambda: _scalar(database, tried), seconds=60)
            wait_for("the end of the jobs", lambda: _ended(database, at_least=3), seconds=90)
            bad = {"name": "tender/enrich.requested", "data": {"ocid": 5, "fault": MARKER[:3]}}
            client.post(f"/e/{SECRETS['INNGEST_EVENT_KEY']}", json=bad)
            wait_for("the end of the bad one", lambda: _ended(database, at_least=4), seconds=60)
            said |= {page: client.get(page).text for page in PAGES}
        for command in (("doctor", "--json"), ("db", "url"), ("jobs", "--json")):
            done = protenders(*command, env=env)
            said[" ".join(command)] = done.out + done.err
        assert process.interrupt(20) == 0
    said["the log"] = process.said
    assert '"level": "debug"' in said["the log"]
    assert said["the log"].count("the deprecated route /api/cron/alerts-run was used") == 2
    for table, row in everything(database):
        said[table] = said.get(table, "") + row
    database.dispose()
    assert len(said) > 50
    leaks = [(place, secret[:7]) for place, text in said.items() for secret in hidden if secret in text]
    assert leaks == []


def _searches_for_what_cannot_be_mailed(database: sa.Engine) -> None:
    wait_for(
        "the tenders",
        lambda: _scalar(database, "SELECT count(*) FROM tenders WHERE is_published"),
        seconds=60,
    )
    with database.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO saved_searches (id, name, email, filters, after_arrival)"
                " VALUES ('s', 'all', 'somebody@protenders.example', '{}', 0)"
            )
        )


def _scalar(database: sa.Engine, statement: str) -> int:
    with database.connect() as connection:
        return int(connection.execute(sa.text(statement)).scalar_one())


def _ended(database: sa.Engine, *, at_least: int) -> bool:
    active = "status IN ('QUEUED', 'RUNNING', 'RETRYING')"
    return not _scalar(database, f"SELECT count(*) FROM jobs WHERE {active}") and (
        _scalar(database, "SELECT count(*) FROM jobs") >= at_least
    )


def test_an_error_that_ends_the_process_is_a_record_without_the_secret(tmp_path: Path) -> None:
    script = tmp_path / "crash.py"
    script.write_text(
        "import os\nfrom app.extras import set_up_logging\nfrom app.settings import load\n"
        "set_up_logging(load())\nraise RuntimeError('no login with ' + os.environ['SMTP_PASS'])\n"
    )
    command = (PROTENDERS[0], str(script))
    given = {"SMTP_PASS": SECRETS["SMTP_PASS"], "LOG_FORMAT": "json", "PYTHONPATH": "."}
    with running(*command, env=os.environ | given) as process:
        assert process.popen.wait(30) == 1
    wait_for("its last words", lambda: "RuntimeError" in process.said)
    assert "[secret]" in process.said
    assert MARKER not in process.said
    assert process.said.count("\n") == 1
