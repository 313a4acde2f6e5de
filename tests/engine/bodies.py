"""Write a function's body once, as a coroutine, and run it through either half of the SDK.

The SDK has a synchronous and an asynchronous twin of everything. `synchronous` makes of an asynchronous body
a synchronous one, which calls `StepSync` in the SDK's thread pool: every case proves both halves.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import inngest

Body = Callable[[Any], Coroutine[Any, Any, Any]]


def finish(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never really waits to its end; the SDK's interrupts pass through."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    message = "a case's body may await the context's step and group only"
    raise AssertionError(message)


def plain(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The synchronous form of a step's handler."""
    if not inspect.iscoroutinefunction(handler):
        return handler

    def call(*args: Any, **kwargs: Any) -> Any:
        return finish(handler(*args, **kwargs))

    return call


class StepTwin:
    """`StepSync` with the asynchronous interface."""

    def __init__(self, step: inngest.StepSync) -> None:
        self._step = step

    async def run(self, step_id: str, handler: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self._step.run(step_id, plain(handler), *args, **kwargs)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        method = getattr(self._step, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return method(*args, **kwargs)

        return call


class GroupTwin:
    """`GroupSync` with the asynchronous interface."""

    def __init__(self, group: Any) -> None:
        self._group = group

    async def parallel(self, callables: tuple[Callable[[], Any], ...], **kwargs: Any) -> Any:
        return self._group.parallel(tuple(_called(each) for each in callables), **kwargs)


def _called(each: Callable[[], Any]) -> Callable[[], Any]:
    def call() -> Any:
        return finish(each())

    return call


def synchronous(body: Body) -> Callable[[inngest.ContextSync], Any]:
    """The same body as a plain function over `ContextSync`."""

    def call(ctx: inngest.ContextSync) -> Any:
        twin = dataclasses.replace(
            ctx,
            step=StepTwin(ctx.step),  # type: ignore[arg-type]
            group=GroupTwin(ctx.group),  # type: ignore[arg-type]
        )
        return finish(body(twin))

    return call
