"""Traces for OpenTelemetry: event → run → step → requests to the hosts and SQL statements, all in one trace.

No context travels with an event or between processes. The ids of a trace, of its event's span and of its runs' spans
are derived from the event's id and the run's: so every process, under any engine and after any restart, adds to the
same trace, and neither the functions nor the engine know of it.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import sqlalchemy as sa
from fastapi import Request, Response
from fastapi.routing import APIRoute
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from ulid import ULID

from app.endpoint import Handler
from functions.resources import Attempt
from ocds.gate import Gate

log = logging.getLogger("protenders.tracing")

_CLOSE_SECONDS = 1.0
_SPANS = "protenders.spans"
_STATEMENT = re.compile(r"\s*(\w+)(?:.*?\b(?:FROM|INTO|UPDATE|JOIN)\s+([\w.]+))?", re.DOTALL | re.IGNORECASE)


def _number(purpose: str, identifier: str, size: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{purpose}:{identifier}".encode()).digest()[:size], "big") or 1


class Tracing:
    """Makes the spans of one process."""

    def __init__(
        self,
        processor: SpanProcessor,
        *,
        service: str,
        version: str,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._processor = processor
        self._clock_ns = clock_ns
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": service, "service.version": version}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("protenders", version)

    @classmethod
    def exporting(cls, endpoint: str, headers: str, *, service: str, version: str) -> Tracing:
        """To a collector at this origin, by OTLP over HTTP."""
        pairs = [pair.partition("=") for pair in headers.split(",") if "=" in pair]
        exporter = OTLPSpanExporter(
            endpoint=f"{endpoint}/v1/traces",
            headers={name.strip(): value.strip() for name, _, value in pairs},
        )
        return cls(BatchSpanProcessor(exporter), service=service, version=version)

    def close(self) -> None:
        """Send what is left, for a moment at most: no collector may delay the end of a process."""
        ending = threading.Thread(target=self._provider.shutdown, name="last-spans", daemon=True)
        ending.start()
        ending.join(_CLOSE_SECONDS)

    # -- the derived spans ---

    def _context(self, event_id: str, span_id: int) -> SpanContext:
        trace_id = _number("trace", event_id, 16)
        # Derived from the id as well, where a sampler goes by that: a trace is kept whole or not at all.
        kept = (
            self._provider.sampler.should_sample(None, trace_id, "run").decision is Decision.RECORD_AND_SAMPLE
        )
        flags = TraceFlags(TraceFlags.SAMPLED if kept else TraceFlags.DEFAULT)
        return SpanContext(trace_id, span_id, is_remote=True, trace_flags=flags)

    def _event(self, event_id: str) -> SpanContext:
        return self._context(event_id, _number("event", event_id, 8))

    def _run(self, event_id: str, run_id: str) -> SpanContext:
        return self._context(event_id, _number("run", run_id, 8))

    def _put(
        self, name: str, context: SpanContext, parent: SpanContext | None, kind: SpanKind, **span: Any
    ) -> None:
        """A span whose ids are given, which the SDK's tracer cannot make, straight into the processor."""
        if context.trace_flags.sampled:
            made = ReadableSpan(
                name,
                context=context,
                parent=parent,
                kind=kind,
                resource=self._provider.resource,
                instrumentation_scope=InstrumentationScope("protenders"),
                **span,
            )
            self._processor.on_end(made)

    def accepted(self, events: list[tuple[str, str]]) -> None:
        """Events, by id and name, have been taken in by whoever runs the functions."""
        now = self._clock_ns()
        for event_id, name in events:
            self._put(
                f"event {name}",
                self._event(event_id),
                None,
                SpanKind.PRODUCER,
                start_time=now,
                end_time=now,
                attributes={"messaging.message.id": event_id, "messaging.destination.name": name},
            )

    def answered(self, function: str, call: Any, response: Response) -> None:
        """An invocation was answered; if that ended its run, the run's span is complete."""
        no_retry = response.headers.get("x-inngest-no-retry", "").lower() == "true"
        ctx, event = call["ctx"], call["event"]
        failed = response.status_code not in (200, 206)
        if response.status_code == 206 or (
            failed and not no_retry and ctx["attempt"] + 1 < (ctx.get("max_attempts") or 1)
        ):
            return
        run_id, event_id = str(ctx["run_id"]), str(event.get("id") or "")
        # Nobody sent what the engine itself makes: schedules and system events.
        sent = not str(event.get("name", "")).startswith("inngest/")
        self._put(
            f"run {function}",
            self._run(event_id, run_id),
            self._event(event_id) if sent else None,
            SpanKind.CONSUMER,
            start_time=_begin_of(run_id, self._clock_ns()),
            end_time=self._clock_ns(),
            attributes={"protenders.function": function, "protenders.run": run_id},
            status=Status(StatusCode.ERROR) if failed else Status(StatusCode.OK),
        )

    def noticing(self, answer: Handler) -> Handler:
        """A handler of invocations that notices how runs end."""

        async def noticed(request: Request) -> Response:
            response = await answer(request)
            if request.method == "POST":
                try:
                    function = request.query_params.get("fnId", "?")
                    self.answered(function, orjson.loads(await request.body()), response)
                except (ValueError, LookupError, TypeError, AttributeError) as problem:
                    log.debug("no span for an invocation: %s", problem)
            return response

        return noticed

    @property
    def route_class(self) -> type[APIRoute]:
        """Routes whose handlers notice it."""
        noticing = self.noticing

        class Noticed(APIRoute):
            def get_route_handler(self) -> Any:
                return noticing(super().get_route_handler())

        return Noticed

    # -- within a step ---

    @contextmanager
    def step(self, attempt: Attempt) -> Iterator[None]:
        """The span of one attempt of a step; whatever it asks and stores meanwhile hangs under it."""
        parent = trace.set_span_in_context(NonRecordingSpan(self._run(attempt.event_id, attempt.run_id)))
        attributes: dict[str, str | int] = {
            "protenders.function": attempt.function_id,
            "protenders.run": attempt.run_id,
            "protenders.job": attempt.job_id,
            "protenders.attempt": attempt.number,
        }
        name = f"step {attempt.step}"
        # The SDK would note the error's words, which may hold anything.
        with self._tracer.start_as_current_span(
            name, parent, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                yield
            except BaseException as problem:
                span.set_status(StatusCode.ERROR, type(problem).__name__)
                raise

    def gate(self, inner: Gate) -> Gate:
        """The same gate; what passes through it leaves a span."""
        return _TracedGate(inner, self._tracer, self._clock_ns)

    def watch(self, engine: sa.Engine) -> None:
        """A span for every statement that a step sends: which kind on which table, never its text or values."""

        def begin(conn: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
            if trace.get_current_span().get_span_context().is_valid:
                found = _STATEMENT.match(statement)
                name = " ".join(part for part in found.groups() if part) if found else "SQL"
                span = self._tracer.start_span(
                    name[:100], kind=SpanKind.CLIENT, attributes={"db.system.name": "postgresql"}
                )
                conn.info.setdefault(_SPANS, []).append(span)

        def end(conn: sa.Connection, *_: Any) -> None:
            if conn.info.get(_SPANS):
                conn.info[_SPANS].pop().end()

        def fail(failure: sa.engine.ExceptionContext) -> None:
            conn = failure.connection
            if conn is not None and not conn.invalidated and conn.info.get(_SPANS):
                span = conn.info[_SPANS].pop()
                span.set_status(StatusCode.ERROR, type(failure.original_exception).__name__)
                span.end()

        sa.event.listen(engine, "before_cursor_execute", begin)
        sa.event.listen(engine, "after_cursor_execute", end)
        sa.event.listen(engine, "handle_error", fail)


class _TracedGate:
    def __init__(self, inner: Gate, tracer: trace.Tracer, clock_ns: Callable[[], int]) -> None:
        self._inner = inner
        self._tracer = tracer
        self._clock_ns = clock_ns

    def enter(self, host: str) -> None:
        self._inner.enter(host)

    def leave(self, host: str, *, ok: bool, seconds: float, status: int | None) -> None:
        if trace.get_current_span().get_span_context().is_valid:
            now = self._clock_ns()
            span = self._tracer.start_span(
                "GET",
                kind=SpanKind.CLIENT,
                start_time=now - int(seconds * 1e9),
                attributes={"http.request.method": "GET", "server.address": host},
            )
            if status is not None:
                span.set_attribute("http.response.status_code", status)
            if not ok:
                span.set_status(StatusCode.ERROR)
            span.end(now)
        self._inner.leave(host, ok=ok, seconds=seconds, status=status)


def _begin_of(run_id: str, default: int) -> int:
    """When a run was made, in nanoseconds: its id, a ULID, says so to the millisecond."""
    try:
        return int(ULID.from_str(run_id).milliseconds) * 1_000_000
    except ValueError:
        return default
