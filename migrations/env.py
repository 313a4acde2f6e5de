"""What Alembic runs around the migrations.

`db.migrate` hands its locked connection in through the configuration's attributes. A developer who writes a
new migration names the database instead: `alembic -x url=postgresql://… revision --autogenerate -m "…"`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import sqlalchemy as sa
from alembic import context

from db.engine import normalise

SCHEMAS = ("engine",)


def ours(
    name: str | None,
    type_: Literal[
        "schema",
        "table",
        "column",
        "index",
        "unique_constraint",
        "foreign_key_constraint",
        "check_constraint",
    ],
    _parents: object,
) -> bool:
    """Whether Alembic may look at this schema: None is the default one, `public`."""
    return type_ != "schema" or name is None or name in SCHEMAS


def migrate(connection: sa.Connection, models: Sequence[sa.MetaData] = ()) -> None:
    """Run the migrations on this connection, each in a transaction of its own."""
    context.configure(
        connection=connection,
        target_metadata=models,
        include_schemas=True,
        include_name=ours,
        compare_type=True,
        compare_server_default=True,
        transaction_per_migration=True,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    # Only comparing the models with a database needs them; an upgrade does not load the rooms they live in.
    from db.tables import metadata as public
    from engine.schema import metadata as engine

    url = context.get_x_argument(as_dictionary=True).get("url")
    if not url:
        raise SystemExit("name the database: alembic -x url=postgresql://… COMMAND")
    with sa.create_engine(normalise(url)).connect() as own:
        migrate(own, [public, engine])
