"""The functions' resources, made from the settings: the only place where settings become clients and limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from app import unsubscribing
from app.settings import Settings
from app.source import Source
from enrichment.client import PortalClient
from functions.gate import PostgresGate
from functions.mail import FolderMailer, Mailer, Post, SmtpMailer
from functions.resources import Limits, Resources, unwatched
from ocds.client import OcdsClient
from ocds.gate import Gate

if TYPE_CHECKING:
    from app.tracing import Tracing


@contextmanager
def resources(
    settings: Settings,
    source: Source,
    engine: sa.Engine,
    clock: Callable[[], datetime],
    *,
    base_url: str,
    tracing: Tracing | None = None,
) -> Iterator[Resources]:
    """Clients of the chosen source, the pool, the limits, the way mails go; the clients are closed at the end.

    `base_url` is where links in mails lead, unless APP_URL says otherwise.
    """
    # A stand-in in this process needs no politeness.
    delay = 0 if source.stand_in is not None else settings.rate_limit_delay_ms
    pause = 0.2 if source.kind == "live" else 0.0
    # A sync's few questions take longer than any distance between them; a history's many are kept apart.
    apart = delay / 1000 if source.kind == "live" else 0.0
    plain: Gate = PostgresGate(engine, background_spacing=apart, pause=pause)
    spaced: Gate = PostgresGate(engine, spacing=delay / 1000, pause=pause)
    if tracing is not None:
        plain, spaced = tracing.gate(plain), tracing.gate(spaced)
    ocds = OcdsClient(source.ocds_url, gate=plain)
    portal = PortalClient(source.portal_url, delay_ms=delay, gate=spaced)
    try:
        yield Resources(
            engine=engine,
            ocds=ocds,
            portal=portal,
            clock=clock,
            source=source.kind,
            limits=Limits(
                enable_enrichment=settings.enable_enrichment,
                max_enrichment_per_run=settings.max_enrichment_per_run,
                max_release_fetch_per_run=settings.max_release_fetch_per_run,
            ),
            post=post(settings, settings.app_url or base_url),
            watched=unwatched if tracing is None else tracing.step,
        )
    finally:
        ocds.close()
        portal.close()


def post(settings: Settings, base_url: str) -> Post:
    """How mails go out: by SMTP, or into a folder under PROTENDERS_HOME while SMTP_HOST is not set."""
    mailer: Mailer = FolderMailer(folder=settings.home / "outbox")
    if settings.smtp_host:
        password = settings.smtp_pass
        mailer = SmtpMailer(
            host=settings.smtp_host,
            port=settings.smtp_port,
            user=settings.smtp_user,
            password=password.get_secret_value() if password else None,
            secure=settings.smtp_secure,
        )
    return Post(
        mailer=mailer,
        sender=settings.email_from or "protenders@localhost",
        base_url=base_url,
        unsubscribe_token=partial(unsubscribing.token_of, settings),
        resend_when_unsure=settings.alert_when_unsure == "resend",
    )
