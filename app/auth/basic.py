"""HTTP Basic for programs: an account's name and password with each request, limited like the login form."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from fastapi import HTTPException, Request

from app.auth import sessions
from db import accounts

if TYPE_CHECKING:
    from app.auth.protection import Actor
    from app.runtime import Runtime

_REMEMBER = timedelta(seconds=60)
_MOST = 256


class Recent:
    """Credentials that were verified within the last minute, as keyed hashes: argon2 is slow on purpose."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._seen: dict[bytes, datetime] = {}
        self._lock = threading.Lock()

    def knows(self, credentials: str, now: datetime) -> bool:
        """Whether these credentials were right a moment ago."""
        with self._lock:
            verified = self._seen.get(self._digest(credentials))
        return verified is not None and verified > now - _REMEMBER

    def remember(self, credentials: str, now: datetime) -> None:
        """Notes verified credentials."""
        with self._lock:
            if len(self._seen) >= _MOST:
                self._seen.clear()
            self._seen[self._digest(credentials)] = now

    def _digest(self, credentials: str) -> bytes:
        return hmac.new(self._key, credentials.encode(), hashlib.sha256).digest()


def actor(request: Request, runtime: Runtime, credentials: str) -> Actor | None:
    """Who the Authorization header names; None when it is wrong. Raises 429 when the limit is reached."""
    from app.auth.protection import Actor, client_address

    try:
        name, separator, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    if not separator:
        return None
    now = runtime.clock()
    try:
        if runtime.recent_logins.knows(credentials, now):
            with runtime.engine.connect() as connection:
                found = accounts.by_name(connection, name)
            user = found[0] if found is not None and found[0].is_active else None
        else:
            user = sessions.check(runtime.engine, name, password, ip=client_address(request), now=now)
            runtime.recent_logins.remember(credentials, now)
    except sessions.LoginRefusedError as refusal:
        if refusal.limited:
            raise HTTPException(429, str(refusal), headers={"Retry-After": "900"}) from refusal
        return None
    return None if user is None else Actor(name=user.username, role=user.role, via="basic", id=user.id)
