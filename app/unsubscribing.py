"""The signed token in a mail's link: it names one saved search, and nobody can make one up."""

from __future__ import annotations

from itsdangerous import BadSignature, URLSafeSerializer

from app.settings import Settings


def token_of(settings: Settings, search_id: str) -> str:
    """The token that stops this search's mails. It does not run out: old mails must stay stoppable."""
    return str(_serializer(settings).dumps(search_id))


def search_of(settings: Settings, token: str) -> str | None:
    """The search that a token of ours names; None for any other text."""
    try:
        found = _serializer(settings).loads(token)
    except BadSignature:
        return None
    return found if isinstance(found, str) else None


def _serializer(settings: Settings) -> URLSafeSerializer:
    return URLSafeSerializer(settings.derived_key("unsubscribe"), salt="saved search")
