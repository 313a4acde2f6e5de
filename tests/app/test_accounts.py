"""Accounts: passwords, sessions, limits, and the first admin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from app.auth import passwords, sessions
from app.auth.sessions import LoginRefusedError
from db import accounts
from db.accounts_tables import audit_log, users
from db.accounts_tables import sessions as session_rows

NOW = datetime(2026, 8, 14, 12, tzinfo=UTC)
PASSWORD = "correct horse battery"


@pytest.fixture
def engine(db_engine: sa.Engine) -> sa.Engine:
    with db_engine.begin() as connection:
        hashed = passwords.hash_password(PASSWORD)
        accounts.create(connection, username="Thandi ", password_hash=hashed, role="admin", now=NOW)
    return db_engine


def log_in(
    engine: sa.Engine,
    password: str = PASSWORD,
    *,
    name: str = "thandi",
    ip: str = "10.0.0.1",
    at: datetime = NOW,
) -> str:
    return sessions.log_in(engine, name, password, ip=ip, user_agent="test", now=at)


def test_a_login_gives_a_session_and_the_database_never_holds_its_token(engine: sa.Engine) -> None:
    token = log_in(engine, name=" THANDI")
    session = sessions.current(engine, token, now=NOW)
    assert session is not None
    assert (session.user.username, session.user.role) == ("thandi", "admin")
    with engine.connect() as connection:
        rows = connection.execute(sa.select(session_rows)).all()
        audited = connection.execute(sa.select(audit_log.c.action, audit_log.c.actor)).all()
    assert token not in repr(rows)
    assert audited == [("login", "thandi")]


def test_every_login_has_a_new_token_and_its_own_form_token(engine: sa.Engine) -> None:
    first, second = log_in(engine), log_in(engine)
    assert first != second
    assert sessions.csrf_token(first) != sessions.csrf_token(second)


def test_a_session_ends_when_its_time_is_over_or_its_user_leaves(engine: sa.Engine) -> None:
    token = log_in(engine)
    assert sessions.current(engine, token, now=NOW + sessions.LIFETIME) is None
    sessions.log_out(engine, token)
    assert sessions.current(engine, token, now=NOW) is None


@pytest.mark.parametrize("token", [None, "", "unknown", "x" * 10_000])
def test_no_other_token_is_a_session(engine: sa.Engine, token: str | None) -> None:
    assert sessions.current(engine, token, now=NOW) is None


def test_disabling_an_account_ends_its_sessions_at_once(engine: sa.Engine) -> None:
    token = log_in(engine)
    with engine.begin() as connection:
        accounts.set_active(connection, "thandi", active=False)
    assert sessions.current(engine, token, now=NOW) is None
    with pytest.raises(LoginRefusedError, match="wrong"):
        log_in(engine)


def test_a_new_password_ends_the_old_sessions(engine: sa.Engine) -> None:
    token = log_in(engine)
    with engine.begin() as connection:
        accounts.set_password(connection, "thandi", passwords.hash_password("another pass phrase"), now=NOW)
    assert sessions.current(engine, token, now=NOW) is None


def test_an_unknown_name_and_a_wrong_password_read_the_same(engine: sa.Engine) -> None:
    messages = set()
    for name in ("thandi", "nobody"):
        with pytest.raises(LoginRefusedError) as refused:
            log_in(engine, "wrong", name=name)
        messages.add(str(refused.value))
    assert len(messages) == 1


def test_after_five_failures_from_an_address_the_right_password_waits_too(engine: sa.Engine) -> None:
    for _ in range(sessions.MAX_PAIR_FAILURES):
        with pytest.raises(LoginRefusedError):
            log_in(engine, "wrong")
    with pytest.raises(LoginRefusedError, match="15 minutes") as refused:
        log_in(engine)
    assert refused.value.limited
    assert log_in(engine, ip="10.0.0.2")
    assert log_in(engine, at=NOW + sessions.WINDOW + timedelta(seconds=1))


def test_an_address_that_tries_many_names_is_limited(engine: sa.Engine) -> None:
    for number in range(sessions.MAX_ADDRESS_FAILURES):
        with pytest.raises(LoginRefusedError):
            log_in(engine, "wrong", name=f"guess-{number}")
    with pytest.raises(LoginRefusedError, match="15 minutes"):
        log_in(engine)


def test_an_account_that_many_addresses_try_is_limited(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        for number in range(sessions.MAX_ACCOUNT_FAILURES):
            accounts.begin_login(connection, "thandi", f"10.1.0.{number}", now=NOW, keep=timedelta(days=1))
    with pytest.raises(LoginRefusedError, match="15 minutes"):
        log_in(engine, ip="10.9.9.9")


def test_the_first_admin_is_made_once_with_a_password_that_is_told_once(db_engine: sa.Engine) -> None:
    password = sessions.first_admin(db_engine, username="admin", password=None, now=NOW)
    assert password is not None
    assert len(password) >= 20
    assert sessions.first_admin(db_engine, username="admin", password=None, now=NOW) is None
    assert log_in(db_engine, password, name="admin")
    with db_engine.connect() as connection:
        rows = connection.execute(sa.select(users)).all()
    assert len(rows) == 1
    assert password not in repr(rows)


def test_a_given_admin_password_is_not_told_again(db_engine: sa.Engine) -> None:
    assert sessions.first_admin(db_engine, username="admin", password=PASSWORD, now=NOW) is None
    assert log_in(db_engine, name="admin")


def test_two_generated_passwords_differ() -> None:
    assert passwords.generate() != passwords.generate()


@pytest.mark.parametrize(("password", "good"), [("short", False), ("x" * 300, False), ("long enough", True)])
def test_the_length_of_a_password_is_checked(password: str, good: bool) -> None:
    assert (passwords.fault(password) is None) == good
