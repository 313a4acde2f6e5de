"""Whose fault a failure is, in the job log's three words, and what people read about it."""

from __future__ import annotations

from typing import Literal

import sqlalchemy as sa

Kind = Literal["EXTERNAL_API", "APPLICATION", "DATA"]


def kind_of(error: BaseException) -> Kind:
    """EXTERNAL_API: a government host; DATA: what it or the caller gave; APPLICATION: us."""
    kind = getattr(error, "kind", None)
    if kind in ("EXTERNAL_API", "DATA"):
        return "EXTERNAL_API" if kind == "EXTERNAL_API" else "DATA"
    return "APPLICATION"


def describe(error: BaseException) -> dict[str, str]:
    """The job log's error: kind, name, message. A database error's message leaves out statement and parameters."""
    message = str(error)
    if isinstance(error, sa.exc.DBAPIError):
        message = f"the database refused: {error.orig}"
    return {"kind": kind_of(error), "name": type(error).__name__, "message": message.strip()[:2000]}
