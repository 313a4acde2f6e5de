"""The pool: which URLs it takes, what each connection is told, what happens when it is empty."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa

from db.engine import DatabaseUrlError, PoolSettings, make_engine, normalise, psycopg_dsn


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"])
def test_every_usual_spelling_of_a_postgresql_url_works(scheme: str) -> None:
    url = f"{scheme}://ada:p%40ss@db.example:5433/tenders?sslmode=require"
    rest = "://ada:p%40ss@db.example:5433/tenders?sslmode=require"
    assert normalise(url).render_as_string(hide_password=False) == "postgresql+psycopg" + rest
    address, _, options = psycopg_dsn(url).partition("?")
    assert address == "postgresql" + rest.partition("?")[0]
    assert "sslmode=require" in options.split("&")


@pytest.mark.parametrize(
    "url", ["mysql://ada:hunter2@db/x", "hunter2", "", "postgresql://ada:hunter2@db:port/x"]
)
def test_another_url_is_refused_without_repeating_its_password(url: str) -> None:
    with pytest.raises(DatabaseUrlError) as caught:
        make_engine(url)
    assert "postgresql://" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_every_connection_has_the_settings(database_url: str) -> None:
    pool = PoolSettings(statement_timeout_ms=1234, lock_timeout_ms=567, application_name="protenders-test")
    engine = make_engine(database_url, pool)
    with engine.connect() as connection:
        names = ("statement_timeout", "lock_timeout", "timezone", "application_name")
        shown = {name: connection.execute(sa.text(f"SHOW {name}")).scalar_one() for name in names}
    engine.dispose()
    assert shown == {
        "statement_timeout": "1234ms",
        "lock_timeout": "567ms",
        "timezone": "UTC",
        "application_name": "protenders-test",
    }


def test_an_error_does_not_repeat_the_values_of_its_statement(database_url: str) -> None:
    engine = make_engine(database_url)
    with engine.connect() as connection, pytest.raises(sa.exc.DataError) as caught:
        connection.execute(sa.text("SELECT :hash, 1 / 0"), {"hash": "$argon2id$kept-to-itself"})
    engine.dispose()
    assert "1 / 0" in str(caught.value)
    assert "kept-to-itself" not in str(caught.value)


def test_options_of_the_url_are_kept_and_win(database_url: str) -> None:
    url = normalise(database_url).update_query_dict({"options": "-c work_mem=2MB -c lock_timeout=99"})
    engine = make_engine(url)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SHOW work_mem")).scalar_one() == "2MB"
        assert connection.execute(sa.text("SHOW lock_timeout")).scalar_one() == "99ms"
        assert connection.execute(sa.text("SHOW timezone")).scalar_one() == "UTC"
    engine.dispose()


def test_a_connection_notices_a_silent_other_end_unless_its_url_has_a_mind_of_its_own(
    database_url: str,
) -> None:
    patient = normalise(database_url).update_query_dict({"tcp_user_timeout": "0", "connect_timeout": "77"})
    for url, silence, connecting in ((database_url, "20000", "10"), (patient, "0", "77")):
        engine = make_engine(url)
        with engine.connect() as pooled, psycopg.connect(psycopg_dsn(url)) as own:
            given = [pooled.connection.driver_connection, own]
            for connection in given:
                assert isinstance(connection, psycopg.Connection)
                known = {option.keyword: option.val for option in connection.pgconn.info}
                values = {name.decode(): value.decode() for name, value in known.items() if value is not None}
                assert values["tcp_user_timeout"] == silence
                assert values["connect_timeout"] == connecting
                assert int(values["keepalives_idle"]) <= 10
        engine.dispose()


def test_a_server_that_only_reads_is_not_connected_to(database_url: str) -> None:
    replica = normalise(database_url).update_query_dict({"options": "-c default_transaction_read_only=on"})
    engine = make_engine(replica)
    with pytest.raises(sa.exc.OperationalError, match="read-only"):
        engine.connect()
    engine.dispose()


def test_an_empty_pool_says_so_after_its_timeout(database_url: str) -> None:
    engine = make_engine(database_url, PoolSettings(size=1, max_overflow=0, timeout=0.05))
    with engine.connect(), pytest.raises(sa.exc.TimeoutError):
        engine.connect()
    with engine.connect() as connection:
        assert connection.execute(sa.select(1)).scalar_one() == 1
    engine.dispose()


def test_a_connection_killed_by_the_server_is_replaced_before_use(database_url: str) -> None:
    engine = make_engine(database_url, PoolSettings(size=1, max_overflow=0))
    with engine.connect() as connection:
        victim = connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
    other = make_engine(database_url)
    with other.connect() as connection:
        connection.execute(sa.text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": victim})
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT pg_backend_pid()")).scalar_one() != victim
    engine.dispose()
    other.dispose()
