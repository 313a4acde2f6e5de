"""The engine's behaviour as a list of cases, driven through the real SDK and seen through the REST routes.

`ALL` is what `test_cases.py` runs for every combination of embedded or stand-alone engine with synchronous or
asynchronous functions.
"""

from __future__ import annotations

from tests.engine.cases import (
    asking,
    batching,
    cancelling,
    errors,
    events,
    flow_control,
    invoking,
    limits,
    middleware,
    operating,
    parallel,
    scheduling,
    steps,
    waiting,
)
from tests.engine.trial import CASES as ALL

__all__ = [
    "ALL",
    "asking",
    "batching",
    "cancelling",
    "errors",
    "events",
    "flow_control",
    "invoking",
    "limits",
    "middleware",
    "operating",
    "parallel",
    "scheduling",
    "steps",
    "waiting",
]
