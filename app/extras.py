"""What a process tells to the outside: its log, and, where they are installed and asked for, error reports and traces.

What is off costs nothing: it is not even imported.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from app import logs
from app.inngest_link import event_key, signing_key
from app.settings import Settings

if TYPE_CHECKING:
    from app.tracing import Tracing

log = logging.getLogger("protenders.server")

VERSION = "0.1.0"


def tracing(settings: Settings) -> Tracing | None:
    """Traces to the collector at OTEL_EXPORTER_OTLP_ENDPOINT."""
    if settings.otel_exporter_otlp_endpoint is None:
        return None
    try:
        from app.tracing import Tracing
    except ImportError as missing:
        log.warning(_MISSING, "OTEL_EXPORTER_OTLP_ENDPOINT", missing.name, "no traces")
        return None
    headers = settings.otel_exporter_otlp_headers
    return Tracing.exporting(
        settings.otel_exporter_otlp_endpoint,
        headers.get_secret_value() if headers else "",
        service=settings.otel_service_name,
        version=VERSION,
    )


def set_up_logging(settings: Settings) -> None:
    """The log as the settings want it; what is logged as an error is reported to SENTRY_DSN as well."""
    secrets = known_secrets(settings)
    logs.configure(settings.log_level, settings.log_format, secrets)
    if settings.sentry_dsn is None:
        return
    try:
        from app.error_reports import ErrorReports
    except ImportError as missing:
        log.warning(_MISSING, "SENTRY_DSN", missing.name, "no error reports")
        return
    reports = ErrorReports(
        settings.sentry_dsn.get_secret_value(),
        clean=logs.SecretFilter(secrets).clean,
        environment=settings.app_env or ("production" if settings.production else "development"),
        release=f"protenders@{VERSION}",
    )
    logging.getLogger().addHandler(reports)


def known_secrets(settings: Settings) -> list[str]:
    """Everything that no line may show: the settings' secrets, and the keys that are derived from them."""
    derived = [key.rpartition("-")[2] for key in (signing_key(settings), event_key(settings)) if key]
    return [*settings.secret_values(), *derived]


_MISSING = "%s is set, but the package %s is not installed: %s. Remedy: make setup EXTRAS=yes"
