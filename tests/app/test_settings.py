"""Settings: read once, checked with a remedy, never shown."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.settings import DEV_SERVER_ORIGIN, Settings, SettingsError, load

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("DB_POOL_SIZE", "many", "integer"),
        ("DB_POOL_SIZE", "0", "greater than or equal to 1"),
        ("DATABASE_URL", "mysql://u:hidden-password@h/d", "not a PostgreSQL URL"),
        ("DATABASE_URL", "postgresql://u:hidden-password@h:port/d", "not a PostgreSQL URL"),
        ("DATABASE_URL", "postgresql://u:hidden-password@[::1/d", "not a PostgreSQL URL"),
        ("DATABASE_URL", "postgresql://u:hidden-password@h/d?colour=red", "libpq does not know"),
        ("DATABASE_URL", "postgresql://u:to@hidden-password@h/d", "written %40"),
        ("SYNC_CRON", "61 * * * *", "not a cron expression"),
        ("SYNC_CRON", "every day", "not a cron expression"),
        ("SECRET_KEY", "too-short", "shorter than 16"),
        ("SECRET_KEY", "# openssl rand -hex 32", "is a comment"),
        ("SECRET_KEY", "            # openssl rand -hex 32", "is a comment"),  # as Docker has it
        ("ADMIN_PASSWORD", "# unset: generated and printed once", "is a comment"),
        ("CRON_SECRET", "too-short", "shorter than 16"),
        ("ADMIN_PASSWORD", "too-short", "shorter than 10"),
        ("INNGEST_DEV", "ftp://x", "not an http or https URL"),
        ("OCDS_BASE_URL", "etenders.gov.za", "not an http or https URL"),
        ("OCDS_BASE_URL", "http://etenders.gov.za:https", "not an http or https URL"),
        ("INNGEST_BASE_URL", "http://ada:hidden-password@inngest.example", "would show"),
        ("INNGEST_DEV", "http://ada:hidden-password@127.0.0.1:8288", "would show"),
        ("ALERT_WEBHOOK_URL", "http://hooks.example:hidden-password/", "not an http or https URL"),
        ("SENTRY_DSN", "http://[::1/hidden-password", "not an http or https URL"),
        ("LOG_FORMAT", "xml", "console"),
        ("APP_ENV", "staging", "development"),
        ("MAX_ENRICHMENT_PER_RUN", "-1", "greater than or equal to 0"),
    ],
)
def test_a_bad_value_names_the_variable_the_fault_and_the_remedy(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, fault: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load(_env_file=None)
    message = str(caught.value)
    assert message.startswith(name)
    assert fault in message
    assert "Remedy: " in message
    assert "hidden-password" not in message
    assert "too-short" not in message


def test_every_bad_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_POOL_SIZE", "x")
    monkeypatch.setenv("SMTP_PORT", "0")
    with pytest.raises(SettingsError) as caught:
        load(_env_file=None)
    assert len(caught.value.problems) == 2


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("SECRET_KEY", "")
    settings = load(_env_file=None)
    assert settings.database_url is None
    assert settings.secret_key is None


def test_dot_env_is_read_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text("DB_POOL_SIZE=3\nRATE_LIMIT_DELAY_MS=7\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("RATE_LIMIT_DELAY_MS", "9")
    settings = load(_env_file=file)
    assert (settings.db_pool_size, settings.rate_limit_delay_ms) == (3, 9)


def test_the_signing_key_alone_makes_it_production_with_inngest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNGEST_SIGNING_KEY", "signkey-prod-" + "ab" * 32)
    monkeypatch.setenv("INNGEST_EVENT_KEY", "an-event-key")
    with pytest.raises(SettingsError, match="SECRET_KEY is required in production"):
        load(_env_file=None)
    monkeypatch.setenv("SECRET_KEY", "0123456789abcdef")
    settings = load(_env_file=None)
    assert settings.production
    assert settings.engine_mode == "inngest"
    assert settings.source_choice("replay") == "live"


def test_inngest_dev_is_no_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNGEST_SIGNING_KEY", "signkey-prod-" + "ab" * 32)
    monkeypatch.setenv("INNGEST_DEV", "1")
    settings = load(_env_file=None)
    assert not settings.production
    assert (settings.engine_mode, settings.inngest_dev) == ("dev-server", DEV_SERVER_ORIGIN)


@pytest.mark.parametrize("value", ["0", "false", ""])
def test_inngest_dev_can_be_switched_off(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("INNGEST_DEV", value)
    assert load(_env_file=None).engine_mode == "embedded"


def test_an_inngest_server_without_a_key_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INNGEST_BASE_URL", "http://inngest.internal:8288")
    with pytest.raises(SettingsError, match="INNGEST_SIGNING_KEY"):
        load(_env_file=None)


def test_no_secret_shows_in_the_settings_text() -> None:
    settings = Settings(
        _env_file=None,
        secret_key="a-very-secret-value",
        database_url="postgres://u:db-password@h/d",
        smtp_pass="mail-password",
        admin_password="admin-password",
    )
    for text in (repr(settings), str(settings), settings.model_dump_json()):
        assert not re.search("very-secret|db-password|mail-password|admin-password", text)
    assert "a-very-secret-value" in settings.secret_values()


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("postgresql://user:pass%40word@host:5432/data", "pass@word"),
        ("postgresql://user:pass/word@host/data", "pass/word"),
        ("postgresql://user:pass:word@[::1]:5432/data?sslmode=require", "pass:word"),
    ],
)
def test_the_password_of_the_database_is_a_secret_of_its_own(url: str, password: str) -> None:
    assert password in Settings(_env_file=None, database_url=url).secret_values()


@pytest.mark.parametrize(
    "url", ["postgresql://data:data@host/data", "postgresql:///data?host=/run/postgresql"]
)
def test_a_password_that_everybody_knows_masks_nothing_else(url: str) -> None:
    assert Settings(_env_file=None, database_url=url).secret_values() == [url]


def test_the_example_names_every_variable_and_sets_none() -> None:
    example = (ROOT / ".env.example").read_text()
    named = set(re.findall(r"^# ([A-Z_]+)=", example, flags=re.MULTILINE))
    assert named == {name.upper() for name in Settings.model_fields}
    assert not re.search(r"^[A-Z_]+=", example, flags=re.MULTILINE)
    assert not re.search(r"^# [A-Z_]+=.*#", example, flags=re.MULTILINE), "systemd takes it for the value"


def test_keys_for_different_purposes_differ_and_last_as_long_as_the_secret() -> None:
    one = Settings(_env_file=None, secret_key="0123456789abcdef")
    same = Settings(_env_file=None, secret_key="0123456789abcdef")
    other = Settings(_env_file=None, secret_key="another-0123456789")
    assert one.derived_key("a") == same.derived_key("a")
    assert len({one.derived_key("a"), one.derived_key("b"), other.derived_key("a")}) == 3
