"""Logging in and out. A session is a random token in a cookie; the database knows only its hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from starlette.responses import Response

from app.auth import passwords
from db import accounts, audit
from db.accounts import User

COOKIE = "protenders_session"
LIFETIME = timedelta(hours=12)
WINDOW = timedelta(minutes=15)
MAX_PAIR_FAILURES = 5
MAX_ACCOUNT_FAILURES = 30
MAX_ADDRESS_FAILURES = 20


class LoginRefusedError(Exception):
    """The login failed. `limited` when further attempts are refused for a while."""

    def __init__(self, message: str, *, limited: bool = False) -> None:
        self.limited = limited
        super().__init__(message)


@dataclass(frozen=True)
class Session:
    """Somebody who is logged in, and the token that forms must carry to act for them."""

    user: User
    csrf: str


def token_hash(token: str) -> bytes:
    """What the database keeps of a token."""
    return hashlib.sha256(token.encode()).digest()


def csrf_token(token: str) -> str:
    """The session's form token: derived from the session's own secret, so that nothing else can know it."""
    return hmac.new(token.encode(), b"csrf", hashlib.sha256).hexdigest()


def check(engine: sa.Engine, username: str, password: str, *, ip: str | None, now: datetime) -> User:
    """The account behind name and password. Raises LoginRefusedError; counts the failure and honours the limits."""
    refused = LoginRefusedError("Too many failed logins. Wait 15 minutes and try again.", limited=True)
    with engine.begin() as connection:
        attempt = accounts.begin_login(connection, username, ip, now=now, keep=timedelta(days=30))
        failures = accounts.failed_logins(connection, username, ip, since=now - WINDOW)
        limited = (
            failures.pair > MAX_PAIR_FAILURES
            or failures.account > MAX_ACCOUNT_FAILURES
            or failures.address > MAX_ADDRESS_FAILURES
        )
        if limited:
            # It would prolong the wait of whoever tries again.
            accounts.forget_login(connection, attempt)
        found = accounts.by_name(connection, username)
    if limited:
        raise refused
    # No connection is held while the hash is computed: it takes tens of milliseconds on purpose.
    user, stored = found if found is not None else (None, None)
    if not passwords.verify(stored, password) or user is None or not user.is_active:
        raise LoginRefusedError("The user name or the password is wrong.")
    with engine.begin() as connection:
        accounts.login_succeeded(connection, attempt)
        if stored is not None and passwords.outdated(stored):
            accounts.rehash(connection, user.id, passwords.hash_password(password))
    return user


def log_in(
    engine: sa.Engine, username: str, password: str, *, ip: str | None, user_agent: str | None, now: datetime
) -> str:
    """Starts a session and returns its token, new with every login. Raises LoginRefusedError."""
    user = check(engine, username, password, ip=ip, now=now)
    with engine.begin() as connection:
        token = _begin(connection, user.id, ip=ip, user_agent=user_agent, now=now)
        audit.record(connection, actor=user.username, actor_id=user.id, action="login", ip=ip, now=now)
    return token


def _begin(
    connection: sa.Connection, user_id: str, *, ip: str | None, user_agent: str | None, now: datetime
) -> str:
    token = secrets.token_urlsafe(32)
    accounts.start_session(
        connection,
        token_hash=token_hash(token),
        user_id=user_id,
        now=now,
        lifetime=LIFETIME,
        ip=ip,
        user_agent=user_agent,
    )
    return token


def change_password(
    engine: sa.Engine,
    username: str,
    old: str,
    new: str,
    *,
    ip: str | None,
    user_agent: str | None,
    now: datetime,
) -> str:
    """Gives an account a new password, ends all its sessions and begins a new one, whose token is returned.

    Raises LoginRefusedError when the old password is wrong (it counts as a failed login) or the new one is no good.
    """
    user = check(engine, username, old, ip=ip, now=now)
    fault = passwords.fault(new)
    if fault is not None:
        raise LoginRefusedError(fault)
    hashed = passwords.hash_password(new)
    with engine.begin() as connection:
        accounts.set_password(connection, user.username, hashed, now=now)
        token = _begin(connection, user.id, ip=ip, user_agent=user_agent, now=now)
        audit.record(
            connection,
            actor=user.username,
            actor_id=user.id,
            action="user.password",
            target=user.username,
            ip=ip,
            now=now,
        )
    return token


def set_cookie(answer: Response, token: str, *, secure: bool) -> None:
    """Hands the browser its session."""
    answer.set_cookie(
        COOKIE,
        token,
        max_age=int(LIFETIME.total_seconds()),
        httponly=True,
        samesite="lax",
        secure=secure,
    )


def current(engine: sa.Engine, token: str | None, *, now: datetime) -> Session | None:
    """Who the cookie's token belongs to; None when it is unknown, ended or run out."""
    if not token or len(token) > 200:
        return None
    with engine.connect() as connection:
        user = accounts.user_of_session(connection, token_hash(token), now=now)
    return None if user is None else Session(user=user, csrf=csrf_token(token))


def log_out(engine: sa.Engine, token: str) -> None:
    """Ends the session."""
    with engine.begin() as connection:
        accounts.end_session(connection, token_hash(token))


def first_admin(engine: sa.Engine, *, username: str, password: str | None, now: datetime) -> str | None:
    """Creates the first admin when there is no account. Returns the generated password, to be shown once;
    None when nothing was created or the password was given."""
    with engine.connect() as connection:
        if accounts.any_account(connection):
            return None
    chosen = password or passwords.generate()
    hashed = passwords.hash_password(chosen)
    with engine.begin() as connection:
        user = accounts.create_first(connection, username=username, password_hash=hashed, now=now)
        if user is None:
            return None
        audit.record(connection, actor="start-up", action="user.create", target=user.username, now=now)
    return None if password else chosen
