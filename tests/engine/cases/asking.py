"""GraphQL reads as Inngest's own tools make them: a run, its trigger, its steps' outputs, an event's runs."""

from __future__ import annotations

import json
from typing import Any

from tests.engine.trial import Trial, case

RUN = """query GetRun($run_id: String!) {
  run(runID: $run_id) { output status }
  runTrigger(runID: $run_id) { payloads }
}"""
STEPS = """query GetSteps($run_id: String!) {
  run(runID: $run_id) { trace { outputID metadata { kind } childrenSpans { name outputID } } }
}"""
OUTPUT = """query GetOutput($output_id: String!) {
  runTraceSpanOutputByID(outputID: $output_id) { data error { message name stack } }
}"""
RUNS = "query GetRuns($event_id: ID!) { event(query: {eventId: $event_id}) { functionRuns { id } } }"
OLD = """query Old($run_id: ID!) {
  functionRun(query: { functionRunId: $run_id }) { event { raw } id output status history { id stepName } }
}"""
OLD_OUTPUT = """query Old($run_id: ID!, $item: ULID!) {
  functionRun(query: { functionRunId: $run_id }) { historyItemOutput(id: $item) }
}"""


async def ask(trial: Trial, query: str, **variables: Any) -> dict[str, Any]:
    reply = await trial.http.post("/v0/gql", json={"query": query, "variables": variables})
    assert reply.status_code == 200, reply.text
    answer = reply.json()
    assert answer.get("errors") is None, answer
    found: dict[str, Any] = answer["data"]
    return found


@case
async def a_run_can_be_read_with_graphql(trial: Trial) -> None:
    @trial.function(retries=0)
    async def asked(ctx: Any) -> Any:
        await ctx.step.run("first", lambda: {"a": [1, None]})
        await ctx.step.run("same", lambda: 0)
        await ctx.step.run("same", lambda: 1)

        def failing() -> None:
            message = "no"
            raise ValueError(message)

        await ctx.step.run("failing", failing)

    await trial.serve()
    event_id = await trial.send("asked", {"x": 1})
    run_id = (await trial.run_of(event_id))["run_id"]
    await trial.ended(run_id)
    found = await ask(trial, RUN, run_id=run_id)
    assert found["run"]["status"] == "FAILED"
    output = json.loads(found["run"]["output"])
    assert (output["code"], output["name"], output["message"]) == ("step_errored", "ValueError", "no")
    event = json.loads(found["runTrigger"]["payloads"][0])
    assert (event["id"], event["name"], event["data"]) == (event_id, trial.name("asked"), {"x": 1})
    assert event["ts"] > 0
    spans = (await ask(trial, STEPS, run_id=run_id))["run"]["trace"]["childrenSpans"]
    assert [span["name"] for span in spans] == ["first", "same", "same", "failing"]
    outputs = [
        (await ask(trial, OUTPUT, output_id=span["outputID"]))["runTraceSpanOutputByID"] for span in spans
    ]
    assert [each["data"] and json.loads(each["data"]) for each in outputs] == [{"a": [1, None]}, 0, 1, None]
    assert [each["error"] and each["error"]["message"] for each in outputs] == [None, None, None, "no"]
    runs = (await ask(trial, RUNS, event_id=event_id))["event"]["functionRuns"]
    assert [run["id"] for run in runs] == [run_id]


@case
async def the_older_graphql_reads_work_too(trial: Trial) -> None:
    @trial.function()
    async def older(ctx: Any) -> str:
        return str(await ctx.step.run("step", lambda: "out"))

    await trial.serve()
    run = await trial.outcome("older", {"x": 2})
    found = (await ask(trial, OLD, run_id=run["run_id"]))["functionRun"]
    assert (found["id"], found["status"], found["output"]) == (run["run_id"], "COMPLETED", '"out"')
    assert json.loads(found["event"]["raw"])["data"] == {"x": 2}
    assert [item["stepName"] for item in found["history"]] == ["step"]
    item = found["history"][0]["id"]
    old = await ask(trial, OLD_OUTPUT, run_id=run["run_id"], item=item)
    assert json.loads(old["functionRun"]["historyItemOutput"]) == {"data": "out"}


@case
async def a_sleeping_run_is_running_and_a_cancelled_one_cancelled(trial: Trial) -> None:
    @trial.function()
    async def napping(ctx: Any) -> None:
        await ctx.step.sleep("nap", 60_000)

    await trial.serve()
    run_id = (await trial.run_of(await trial.send("napping")))["run_id"]

    async def running() -> bool:
        return (await ask(trial, RUN, run_id=run_id))["run"] == {"status": "RUNNING", "output": None}

    await trial.until(running, "status RUNNING")
    await trial.http.delete(f"/v1/runs/{run_id}")
    assert (await ask(trial, RUN, run_id=run_id))["run"]["status"] == "CANCELLED"


@case
async def a_bad_query_is_an_error_and_an_unknown_run_is_null(trial: Trial) -> None:
    reply = await trial.http.post("/v0/gql", json={"query": "{ nonsense "})
    assert reply.status_code == 200
    assert reply.json()["errors"]
    unknown = await ask(trial, RUN, run_id="01M8487M42NCB3XMW3NRW7PDGV")
    assert unknown == {"run": None, "runTrigger": None}
