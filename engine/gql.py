"""The GraphQL reads that Inngest's tools make of a server: a run, its trigger and steps, an event's runs."""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

import orjson
from graphql import GraphQLSchema, build_schema, graphql

_SCHEMA = """
scalar ULID
scalar Time
scalar Any

input EventQuery { workspaceId: ID = "local", eventId: ID! }
input FunctionRunQuery { workspaceId: ID = "local", functionRunId: ID! }

type Query {
  run(runID: String!): Run
  runTrigger(runID: String!): RunTrigger
  runTraceSpanOutputByID(outputID: String!): SpanOutput
  event(query: EventQuery!): Event
  functionRun(query: FunctionRunQuery!): FunctionRun
}

type Run {
  id: ULID!
  status: String!
  output: String
  eventName: String
  queuedAt: Time
  startedAt: Time
  endedAt: Time
  trace: Span
}

type Span {
  name: String!
  status: String!
  attempts: Int
  stepOp: String
  stepID: String
  outputID: String
  queuedAt: Time
  startedAt: Time
  endedAt: Time
  childrenSpans: [Span!]!
  metadata: [Metadata!]!
}

type Metadata { kind: String!, scope: String!, values: Any }
type SpanOutput { data: String, input: String, error: StepError }
type StepError { message: String!, name: String, stack: String }

type RunTrigger {
  IDs: [ULID!]!
  eventName: String
  payloads: [String!]!
  isBatch: Boolean!
}

type Event { id: ID!, name: String, raw: String, functionRuns: [FunctionRun!]! }

type FunctionRun {
  id: ID!
  status: String!
  output: String
  startedAt: Time
  finishedAt: Time
  event: Event
  history: [HistoryItem!]!
  historyItemOutput(id: ULID!): String
}

type HistoryItem { id: ULID!, stepName: String }
"""

Json = dict[str, Any]


class Reads(Protocol):
    """What the REST routes answer, as Python: None, or nothing, where nothing is known by that id."""

    async def run(self, run_id: str) -> Json | None: ...

    async def steps(self, run_id: str) -> list[Json]: ...

    async def events(self, run_id: str) -> list[Json]: ...

    async def runs_of_event(self, event_id: str) -> list[Json]: ...


@cache
def _schema() -> GraphQLSchema:
    return build_schema(_SCHEMA)


class GraphQL:
    """Answers GraphQL requests from the same reads as the REST routes."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    async def answer(self, request: object) -> Json:
        """The response to `{"query": …, "variables": …}`: `data`, and `errors` only if there are any."""
        asked = request if isinstance(request, dict) else {}
        query, variables = asked.get("query"), asked.get("variables")
        if not isinstance(query, str):
            return {"data": None, "errors": [{"message": "the body needs a query, a text"}]}
        result = await graphql(
            _schema(),
            query,
            root_value={
                "run": self._run,
                "runTrigger": self._trigger,
                "runTraceSpanOutputByID": self._span_output,
                "event": self._event,
                "functionRun": self._function_run,
            },
            variable_values=variables if isinstance(variables, dict) else None,
        )
        answer: Json = {"data": result.data}
        if result.errors:
            answer["errors"] = [error.formatted for error in result.errors]
        return answer

    async def _run(self, _: object, runID: str) -> Json | None:  # noqa: N803
        run = await self._reads.run(runID)
        if run is None:
            return None

        async def trace(_: object) -> Json:
            steps = await self._reads.steps(runID)
            return {
                **_times(run),
                "name": str(run["function_id"]),
                "status": _status(run),
                "outputID": _output_id(runID, ""),
                "childrenSpans": [_span(runID, step) for step in steps],
                "metadata": [],
            }

        return {
            **_times(run),
            "id": runID,
            "status": _status(run),
            "output": _text(run["output"]) if run["ended_at"] else None,
            "trace": trace,
        }

    async def _trigger(self, _: object, runID: str) -> Json | None:  # noqa: N803
        events = await self._reads.events(runID)
        if not events:
            return None
        return {
            "IDs": [event["id"] for event in events],
            "eventName": events[0]["name"],
            "payloads": [_payload(event) for event in events],
            "isBatch": len(events) > 1,
        }

    async def _span_output(self, _: object, outputID: str) -> Json | None:  # noqa: N803
        run_id, _dot, step_id = outputID.partition(".")
        if not step_id:
            run = await self._reads.run(run_id)
            return None if run is None else {"data": _text(run["output"])}
        step = await self._step(run_id, step_id)
        if step is None:
            return None
        return {"data": None if step["error"] else _text(step["output"]), "error": step["error"]}

    async def _step(self, run_id: str, step_id: str) -> Json | None:
        steps = await self._reads.steps(run_id)
        return next((step for step in steps if step["id"] == step_id), None)

    async def _event(self, _: object, query: Json) -> Json:
        async def function_runs(_: object) -> list[Json]:
            return [self._as_function_run(run) for run in await self._reads.runs_of_event(query["eventId"])]

        return {"id": query["eventId"], "functionRuns": function_runs}

    async def _function_run(self, _: object, query: Json) -> Json | None:
        run = await self._reads.run(query["functionRunId"])
        return None if run is None else self._as_function_run(run)

    def _as_function_run(self, run: Json) -> Json:
        run_id = run["run_id"]

        async def event(_: object) -> Json | None:
            events = await self._reads.events(run_id)
            return {"id": events[0]["id"], "raw": _payload(events[0])} if events else None

        async def history(_: object) -> list[Json]:
            return [{"id": step["id"], "stepName": step["name"]} for step in await self._reads.steps(run_id)]

        async def item_output(_: object, id: str) -> str | None:  # noqa: A002
            step = await self._step(run_id, id)
            if step is None:
                return None
            return _text({"error": step["error"]} if step["error"] else {"data": step["output"]})

        return {
            "id": run_id,
            "status": _status(run),
            "output": _text(run["output"]) if run["ended_at"] else None,
            "startedAt": run["run_started_at"],
            "finishedAt": run["ended_at"],
            "event": event,
            "history": history,
            "historyItemOutput": item_output,
        }


def _status(run: Json) -> str:
    status: str = run["status"]
    return "QUEUED" if status == "Scheduled" else status.upper()


def _times(run: Json) -> Json:
    return {"queuedAt": run["run_started_at"], "startedAt": run["run_started_at"], "endedAt": run["ended_at"]}


def _span(run_id: str, step: Json) -> Json:
    return {
        "name": step["name"],
        "status": _status(step),
        "attempts": step["attempts"],
        "stepOp": step["op"],
        "stepID": step["id"],
        "outputID": _output_id(run_id, step["id"]),
        "queuedAt": step["queued_at"],
        "startedAt": step["started_at"],
        "endedAt": step["ended_at"],
        "childrenSpans": [],
        "metadata": [],
    }


def _output_id(run_id: str, step_id: str) -> str:
    return f"{run_id}.{step_id}"


def _text(value: object) -> str:
    return orjson.dumps(value).decode()


def _payload(event: Json) -> str:
    kept = {
        key: event[key] for key in ("id", "name", "data", "ts", "user", "v") if event.get(key) is not None
    }
    return orjson.dumps(kept).decode()
