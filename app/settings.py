"""All settings of the program, read once from the environment and `.env`.

`load()` is the only place that looks at the environment; every other room is handed what it needs. A bad value
raises `SettingsError`, whose message names the variable, what is wrong with the value and what to write instead. The
value of a secret never appears in a message, a log line or a `repr`.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import unquote, urlsplit

from cronsim import CronSim, CronSimError
from email_validator import EmailNotValidError, validate_email
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SourceChoice = Literal["live", "replay", "auto"]
EngineMode = Literal["embedded", "dev-server", "inngest"]

DEV_SERVER_ORIGIN = "http://127.0.0.1:8288"
_OFF = frozenset({"", "0", "false", "no", "off"})
_ON = frozenset({"1", "true", "yes", "on"})
_MIN_SECRET = 16


class SettingsError(Exception):
    """A setting cannot be used. `problems` has one sentence per variable, each with its remedy."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class Settings(BaseSettings):
    """The environment, typed. Field names are the variables' names in lower case."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    protenders_home: Path = Path(".protenders")
    app_env: Literal["development", "production", "test"] | None = Field(
        default=None, validation_alias=AliasChoices("APP_ENV", "ENVIRONMENT")
    )

    app_url: str | None = None

    database_url: SecretStr | None = None
    db_pool_size: int = Field(default=10, ge=1, le=200)
    db_max_overflow: int = Field(default=10, ge=0, le=200)
    db_pool_timeout: float = Field(default=30, gt=0, le=600)
    db_pool_recycle: int = Field(default=1800, ge=-1)
    db_pool_pre_ping: bool = True
    db_statement_timeout_ms: int = Field(default=60_000, ge=0)
    db_lock_timeout_ms: int = Field(default=10_000, ge=0)
    db_application_name: str = Field(default="protenders", min_length=1, max_length=60)

    ocds_base_url: str = "https://ocds-api.etenders.gov.za"
    etenders_base_url: str = "https://www.etenders.gov.za"
    enable_enrichment: bool = True
    max_enrichment_per_run: int = Field(default=300, ge=0, le=20_000)
    max_release_fetch_per_run: int = Field(default=300, ge=0, le=20_000)
    rate_limit_delay_ms: int = Field(default=300, ge=0, le=60_000)

    inngest_event_key: SecretStr | None = None
    inngest_signing_key: SecretStr | None = None
    inngest_signing_key_fallback: SecretStr | None = None
    inngest_dev: str | None = None
    inngest_base_url: str | None = None
    sync_cron: str = "7,37 * * * *"
    engine_retry_base: float | None = Field(default=None, gt=0, le=3600)
    engine_app_hosts: str = ""

    secret_key: SecretStr | None = None
    admin_username: str = Field(default="admin", min_length=1, max_length=100)
    admin_password: SecretStr | None = None
    cron_secret: SecretStr | None = None

    open_data_requests_per_minute: int = Field(default=600, ge=0, le=1_000_000)
    open_data_burst: int = Field(default=200, ge=1, le=1_000_000)

    smtp_host: str | None = None
    smtp_port: int = Field(default=587, ge=1, le=65_535)
    smtp_user: str | None = None
    smtp_pass: SecretStr | None = None
    smtp_secure: bool = False
    email_from: str | None = None
    alert_when_unsure: Literal["hold", "resend"] = "hold"
    alert_email: str | None = None
    alert_webhook_url: SecretStr | None = None

    otel_exporter_otlp_endpoint: str | None = None
    otel_exporter_otlp_headers: SecretStr | None = None
    otel_service_name: str = "protenders"
    sentry_dsn: SecretStr | None = None

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["console", "json"] = "console"

    @field_validator("*", mode="before")
    @classmethod
    def _no_comment(cls, value: object) -> object:
        if isinstance(value, str) and value.lstrip().startswith("# "):
            raise ValueError(
                "is a comment, which systemd and Docker take for the value when it stands on its line"
            )
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("log_format", "app_env", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator(
        "ocds_base_url", "etenders_base_url", "inngest_base_url", "app_url", "otel_exporter_otlp_endpoint"
    )
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        return None if value is None else _public(value)

    @field_validator("inngest_dev")
    @classmethod
    def _dev_server(cls, value: str | None) -> str | None:
        if value is None or value.strip().lower() in _OFF:
            return None
        if value.strip().lower() in _ON:
            return DEV_SERVER_ORIGIN
        return _public(value)

    @field_validator("database_url")
    @classmethod
    def _postgres_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            from db.engine import DatabaseUrlError, check_url

            try:
                check_url(value.get_secret_value())
            except DatabaseUrlError as problem:
                raise ValueError(f"is {problem}") from None
        return value

    @field_validator("sync_cron")
    @classmethod
    def _cron(cls, value: str) -> str:
        expression = value.removeprefix("TZ=").split(" ", 1)[1] if value.startswith("TZ=") else value
        try:
            CronSim(expression, _ANY_DAY)
        except CronSimError as problem:
            raise ValueError(f"is not a cron expression of five fields ({problem})") from None
        return value

    @field_validator("secret_key", "cron_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < _MIN_SECRET:
            raise ValueError(f"is shorter than {_MIN_SECRET} characters")
        return value

    @field_validator("email_from", "alert_email")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return validate_email(value, check_deliverability=False, allow_smtputf8=False).ascii_email
        except EmailNotValidError:
            raise ValueError("is not a mail address") from None

    @field_validator("alert_webhook_url", "sentry_dsn")
    @classmethod
    def _secret_url(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            _origin(value.get_secret_value())
        return value

    @field_validator("admin_password")
    @classmethod
    def _password_length(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 10:
            raise ValueError("is shorter than 10 characters")
        return value

    @model_validator(mode="after")
    def _together(self) -> Self:
        if self.production and self.secret_key is None:
            raise ValueError(
                "SECRET_KEY is required in production. Remedy: set it to a long random text, for example the "
                "output of `openssl rand -hex 32`."
            )
        if self.smtp_host and not self.email_from:
            raise ValueError(
                "EMAIL_FROM is missing although SMTP_HOST is set. Remedy: set EMAIL_FROM to the address that mails "
                "come from."
            )
        if self.inngest_base_url and not (self.inngest_signing_key or self.inngest_dev):
            raise ValueError(
                "INNGEST_BASE_URL names an Inngest server, but there is no INNGEST_SIGNING_KEY to trust it with. "
                "Remedy: set INNGEST_SIGNING_KEY (and INNGEST_EVENT_KEY), or remove INNGEST_BASE_URL to use the "
                "embedded engine."
            )
        if self.inngest_signing_key and not self.inngest_dev and self.inngest_event_key is None:
            raise ValueError(
                "INNGEST_EVENT_KEY is missing although INNGEST_SIGNING_KEY is set. Remedy: create an event key in "
                "Inngest and set INNGEST_EVENT_KEY to it."
            )
        return self

    @property
    def production(self) -> bool:
        """Whether this is a production installation: APP_ENV says so, or Inngest's signing key is set without
        INNGEST_DEV."""
        if self.app_env is not None:
            return self.app_env == "production"
        return self.inngest_signing_key is not None and self.inngest_dev is None

    @property
    def engine_mode(self) -> EngineMode:
        """Who runs the functions. Anything but "embedded" keeps the embedded engine off."""
        if self.inngest_dev:
            return "dev-server"
        return "inngest" if self.inngest_signing_key else "embedded"

    @property
    def own_sources(self) -> bool:
        """Whether somebody named other hosts than eTenders': those are used, whether they answer or not."""
        names = ("ocds_base_url", "etenders_base_url")
        return any(getattr(self, name) != type(self).model_fields[name].default for name in names)

    @property
    def home(self) -> Path:
        """PROTENDERS_HOME, absolute."""
        return self.protenders_home.expanduser().absolute()

    def source_choice(self, asked: SourceChoice | None) -> SourceChoice:
        """The source to use: production is always live; elsewhere what was asked, by default `auto`."""
        if self.production:
            return "live"
        return asked or "auto"

    def derived_key(self, purpose: str) -> str:
        """A hexadecimal key for one purpose, from SECRET_KEY (or this process's own random one)."""
        root = self.secret_key.get_secret_value() if self.secret_key else _PROCESS_SECRET
        return hmac.new(root.encode(), purpose.encode(), hashlib.sha256).hexdigest()

    def secret_values(self) -> list[str]:
        """Every secret's value, for the log filter that keeps them out of the logs: also the password within a URL."""
        values = [getattr(self, name) for name in type(self).model_fields]
        found = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        passwords = [password for value in found if (password := _password_in(value))]
        return [*found, *passwords, *(unquote(password) for password in passwords)]


def load(**overrides: Any) -> Settings:
    """The settings of this process. Raises SettingsError naming every variable that cannot be used."""
    try:
        return Settings(**overrides)
    except ValidationError as problem:
        raise SettingsError([_sentence(dict(error)) for error in problem.errors()]) from None


def _origin(value: str) -> str:
    try:
        parts = urlsplit(value.strip())
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("is not an http or https URL")
    return value.strip().rstrip("/")


def _public(value: str) -> str:
    """A URL that logs and pages may show."""
    origin = _origin(value)
    if "@" in urlsplit(origin).netloc:
        raise ValueError("is a URL with a user's name or password in it, which logs and pages would show")
    return origin


def _password_in(url: str) -> str | None:
    """The password within a URL, unless it is one that its own name gives away and that would mask half of the log."""
    person, _, place = url.partition("://")[2].rpartition("@")
    user, _, password = person.partition(":")
    return None if password in {"", user, place.partition("/")[2].partition("?")[0]} else password


def _sentence(error: Mapping[str, Any]) -> str:
    location = error["loc"]
    message = str(error["msg"]).removeprefix("Value error, ")
    if not location:
        return message
    name = str(location[0]).upper()
    if name == "ENVIRONMENT":
        name = "APP_ENV"
    fault = (
        message
        if message.startswith(("is ", "names "))
        else f"is not usable: {message[:1].lower()}{message[1:]}"
    )
    remedy = _REMEDIES.get(name, f"correct {name} or remove it to use the default (see .env.example)")
    return f"{name} {fault}. Remedy: {remedy}."


_PROCESS_SECRET = secrets.token_hex(32)
_ANY_DAY = datetime(2026, 1, 1)  # noqa: DTZ001 - only to try the expression
_REMEDIES = {
    "DATABASE_URL": "write postgresql://user:password@host:5432/database, or remove it to use the embedded PostgreSQL",
    "SYNC_CRON": "write five fields such as `7,37 * * * *`",
    "SECRET_KEY": "set it to a long random text, for example the output of `openssl rand -hex 32`",
    "CRON_SECRET": "set it to a long random text, for example the output of `openssl rand -hex 32`",
    "ADMIN_PASSWORD": "choose a longer password, or remove it to have one generated and printed once",
    "EMAIL_FROM": "write one address such as alerts@example.org",
    "ALERT_EMAIL": "write one address such as operations@example.org",
    "ALERT_WEBHOOK_URL": "write the URL that takes a JSON document by POST",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "write the collector's address for OTLP over HTTP, such as http://127.0.0.1:4318",
    "SENTRY_DSN": "write the DSN of the project, such as https://key@errors.example.org/1",
    "ALERT_WHEN_UNSURE": "write hold or resend",
    "LOG_LEVEL": "write DEBUG, INFO, WARNING or ERROR",
    "LOG_FORMAT": "write console or json",
    "APP_ENV": "write development, test or production",
    "OCDS_BASE_URL": "write the origin with its scheme, such as https://ocds-api.etenders.gov.za",
    "ETENDERS_BASE_URL": "write the origin with its scheme, such as https://www.etenders.gov.za",
    "INNGEST_DEV": "write the dev server's URL (http://127.0.0.1:8288), 1, or 0",
    "INNGEST_BASE_URL": "write the Inngest server's URL, such as http://127.0.0.1:8288",
}
