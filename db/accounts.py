"""People's accounts, their sessions, and the count of failed logins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from ulid import ULID

from db.accounts_tables import login_attempts, sessions, users

ROLES = ("viewer", "admin")


@dataclass(frozen=True)
class User:
    """An account. `role` is "admin" or "viewer"."""

    id: str
    username: str
    role: str
    is_active: bool
    created_at: datetime
    last_login_at: datetime | None
    email: str | None = None


_COLUMNS = (
    users.c.id,
    users.c.username,
    users.c.role,
    users.c.is_active,
    users.c.created_at,
    users.c.last_login_at,
    users.c.email,
)


def normal_name(username: str) -> str:
    """How a user name is stored and compared: trimmed, in lower case."""
    return username.strip().lower()


def create(
    connection: sa.Connection, *, username: str, password_hash: str, role: str, now: datetime
) -> User | None:
    """Adds an account; None when the name is taken."""
    statement = (
        pg.insert(users)
        .values(
            id=str(ULID()),
            username=normal_name(username),
            password_hash=password_hash,
            role=role,
            created_at=now,
            password_changed_at=now,
        )
        .on_conflict_do_nothing(index_elements=[users.c.username])
        .returning(*_COLUMNS)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else User(*row)


def create_first(
    connection: sa.Connection, *, username: str, password_hash: str, now: datetime
) -> User | None:
    """Adds an admin when there is no account at all; None when there is one. Safe in several processes at once."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext("protenders.first_admin"))))
    if connection.execute(sa.select(sa.exists().select_from(users))).scalar_one():
        return None
    return create(connection, username=username, password_hash=password_hash, role="admin", now=now)


def any_account(connection: sa.Connection) -> bool:
    """Whether anybody can log in at all."""
    return bool(connection.execute(sa.select(sa.exists().select_from(users))).scalar_one())


def all_users(connection: sa.Connection) -> Sequence[User]:
    """Every account, by name."""
    return [User(*row) for row in connection.execute(sa.select(*_COLUMNS).order_by(users.c.username))]


def by_name(connection: sa.Connection, username: str) -> tuple[User, str] | None:
    """The account and its password hash."""
    statement = sa.select(*_COLUMNS, users.c.password_hash).where(users.c.username == normal_name(username))
    row = connection.execute(statement).one_or_none()
    return None if row is None else (User(*row[:-1]), row[-1])


def name_of(connection: sa.Connection, user_id: str) -> str | None:
    """The user name of an account; None when there is none with this id."""
    return connection.execute(sa.select(users.c.username).where(users.c.id == user_id)).scalar()


def set_role(connection: sa.Connection, username: str, role: str) -> User | None:
    """Changes the role; None when there is no such account."""
    return _change(connection, username, role=role)


def set_active(connection: sa.Connection, username: str, *, active: bool) -> User | None:
    """Enables or disables the account; disabling ends its sessions at once."""
    user = _change(connection, username, is_active=active)
    if user is not None and not active:
        end_all_sessions(connection, user.id)
    return user


def set_password(
    connection: sa.Connection, username: str, password_hash: str, *, now: datetime
) -> User | None:
    """Changes the password and ends the account's sessions."""
    user = _change(connection, username, password_hash=password_hash, password_changed_at=now)
    if user is not None:
        end_all_sessions(connection, user.id)
    return user


def rehash(connection: sa.Connection, user_id: str, password_hash: str) -> None:
    """Stores the same password under newer hashing parameters."""
    connection.execute(sa.update(users).where(users.c.id == user_id).values(password_hash=password_hash))


def active_admins(connection: sa.Connection) -> int:
    """How many accounts can administer. Locks them, so that two changes cannot remove the last one together."""
    statement = sa.select(users.c.id).where(users.c.role == "admin", users.c.is_active).with_for_update()
    return len(connection.execute(statement).all())


def _change(connection: sa.Connection, username: str, **values: object) -> User | None:
    statement = (
        sa.update(users)
        .where(users.c.username == normal_name(username))
        .values(**values)
        .returning(*_COLUMNS)
    )
    row = connection.execute(statement).one_or_none()
    return None if row is None else User(*row)


def start_session(
    connection: sa.Connection,
    *,
    token_hash: bytes,
    user_id: str,
    now: datetime,
    lifetime: timedelta,
    ip: str | None,
    user_agent: str | None,
) -> None:
    """Records a login; sessions that have run out are removed on the way."""
    connection.execute(sa.delete(sessions).where(sessions.c.expires_at < now))
    connection.execute(
        sa.insert(sessions).values(
            token_hash=token_hash,
            user_id=user_id,
            created_at=now,
            last_seen_at=now,
            expires_at=now + lifetime,
            ip=ip,
            user_agent=(user_agent or "")[:300],
        )
    )
    connection.execute(sa.update(users).where(users.c.id == user_id).values(last_login_at=now))


_SEEN_EVERY = timedelta(minutes=5)


def user_of_session(connection: sa.Connection, token_hash: bytes, *, now: datetime) -> User | None:
    """Who is logged in with this token, if the session and the account are still good; notes now and then that it was
    used."""
    statement = (
        sa.select(*_COLUMNS, sessions.c.last_seen_at)
        .join(sessions, sessions.c.user_id == users.c.id)
        .where(sessions.c.token_hash == token_hash, sessions.c.expires_at > now, users.c.is_active)
    )
    row = connection.execute(statement).one_or_none()
    if row is None:
        return None
    if abs(now - row.last_seen_at) > _SEEN_EVERY:
        seen = sa.update(sessions).where(sessions.c.token_hash == token_hash).values(last_seen_at=now)
        connection.execute(seen)
        connection.commit()
    return User(*row[:-1])


@dataclass(frozen=True)
class UserSession:
    """A login of an account that is still good. `id` is the hexadecimal form of its token's hash."""

    id: str
    created_at: datetime
    last_seen_at: datetime
    expires_at: datetime
    ip: str | None
    user_agent: str | None


def sessions_of(connection: sa.Connection, user_id: str, *, now: datetime) -> Sequence[UserSession]:
    """An account's logins, the newest first."""
    column = sessions.c
    rows = connection.execute(
        sa.select(
            sa.func.encode(column.token_hash, "hex"),
            column.created_at,
            column.last_seen_at,
            column.expires_at,
            column.ip,
            column.user_agent,
        )
        .where(column.user_id == user_id, column.expires_at > now)
        .order_by(column.created_at.desc())
    )
    return [UserSession(*row) for row in rows]


def session_counts(connection: sa.Connection, *, now: datetime) -> dict[str, int]:
    """How many logins each account has that are still good, by the account's id."""
    column = sessions.c
    rows = connection.execute(
        sa.select(column.user_id, sa.func.count()).where(column.expires_at > now).group_by(column.user_id)
    )
    return {row[0]: row[1] for row in rows}


def end_session_of(connection: sa.Connection, user_id: str, session_id: str) -> bool:
    """Logs one of an account's own sessions out; False when it has none of this id."""
    mine = (sessions.c.user_id == user_id) & (sa.func.encode(sessions.c.token_hash, "hex") == session_id)
    return bool(connection.execute(sa.delete(sessions).where(mine)).rowcount)


def end_session(connection: sa.Connection, token_hash: bytes) -> None:
    """Logs one session out."""
    connection.execute(sa.delete(sessions).where(sessions.c.token_hash == token_hash))


def end_all_sessions(connection: sa.Connection, user_id: str, *, but: bytes = b"") -> int:
    """Logs an account out everywhere (but where the token has this hash); how many sessions ended."""
    other = (sessions.c.user_id == user_id) & (sessions.c.token_hash != but)
    return connection.execute(sa.delete(sessions).where(other)).rowcount


@dataclass(frozen=True)
class FailedLogins:
    """Failures within the window: of the account from this address, of the account, of the address."""

    pair: int
    account: int
    address: int


def failed_logins(
    connection: sa.Connection, username: str, ip: str | None, *, since: datetime
) -> FailedLogins:
    """Counts the failed logins that a limit looks at."""
    name = normal_name(username)
    failed = login_attempts.c.succeeded.is_(False) & (login_attempts.c.attempted_at > since)
    mine, here = login_attempts.c.username == name, login_attempts.c.ip == ip
    counts = [
        sa.select(sa.func.count()).where(failed, *conditions).scalar_subquery()
        for conditions in ((mine, here), (mine,), (here,))
    ]
    return FailedLogins(*connection.execute(sa.select(*counts)).one())


def begin_login(
    connection: sa.Connection, username: str, ip: str | None, *, now: datetime, keep: timedelta
) -> int:
    """Notes an attempt, as failed until `login_succeeded` says otherwise; its id. Older ones than `keep` are removed.

    Attempts for one account, and those from one address, follow one another here until the caller commits, so that
    whoever guesses side by side is counted as if he did so in turn.
    """
    name = normal_name(username)[:200]
    for key in (f"protenders.login of {name}", f"protenders.login from {ip}"):
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(key, 0))))
    connection.execute(sa.delete(login_attempts).where(login_attempts.c.attempted_at < now - keep))
    noted = sa.insert(login_attempts).values(username=name, ip=ip, attempted_at=now, succeeded=False)
    return int(connection.execute(noted.returning(login_attempts.c.id)).scalar_one())


def login_succeeded(connection: sa.Connection, attempt: int) -> None:
    """The attempt had the right password."""
    connection.execute(sa.update(login_attempts).where(login_attempts.c.id == attempt).values(succeeded=True))


def forget_login(connection: sa.Connection, attempt: int) -> None:
    """The attempt was refused unheard, and counts for nothing."""
    connection.execute(sa.delete(login_attempts).where(login_attempts.c.id == attempt))
