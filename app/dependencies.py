"""What route handlers ask for: the runtime, who is acting, and a connection."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import sqlalchemy as sa
from fastapi import Depends, Request

from app.actions import By
from app.auth.protection import Actor, client_address
from app.runtime import Runtime


def runtime_of(request: Request) -> Runtime:
    """The started runtime."""
    runtime: Runtime = request.app.state.runtime
    return runtime


def actor_of(request: Request) -> Actor:
    """Who acts; the guard has put it there."""
    actor: Actor = request.state.actor
    return actor


def by_of(request: Request) -> By:
    """Who acts, and from where, for the audit log."""
    return By(actor=actor_of(request), ip=client_address(request))


@contextmanager
def snapshot(runtime: Runtime) -> Iterator[sa.Connection]:
    """A connection that sees the database as it is at its first question, whatever happens meanwhile; it reads only."""
    engine = runtime.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with engine.connect() as connection:
        yield connection


def reading(request: Request) -> Iterator[sa.Connection]:
    """A connection for one consistent read."""
    with snapshot(runtime_of(request)) as connection:
        yield connection


TheRuntime = Annotated[Runtime, Depends(runtime_of)]
TheActor = Annotated[Actor, Depends(actor_of)]
TheCaller = Annotated[By, Depends(by_of)]
Reading = Annotated[sa.Connection, Depends(reading)]
