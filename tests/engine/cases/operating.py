"""What an operator may do to runs and functions: rerun, rerun from a step, pause, resume."""

from __future__ import annotations

from typing import Any

from tests.engine.trial import Trial, case


@case
async def a_rerun_starts_from_the_beginning_with_the_same_event(trial: Trial) -> None:
    ran: list[str] = []

    @trial.function()
    async def again(ctx: Any) -> Any:
        return await ctx.step.run("first", lambda: ran.append("first") or ctx.event.data["n"])

    await trial.serve()
    run = await trial.outcome("again", {"n": 5})
    reply = await trial.http.post(f"/v1/runs/{run['run_id']}/rerun", json={})
    assert reply.status_code == 200, reply.text
    second = await trial.ended(reply.json()["data"]["run_id"])
    assert second["run_id"] != run["run_id"]
    assert (second["status"], second["output"]) == ("Completed", 5)
    assert ran == ["first", "first"]


@case
async def a_rerun_from_a_step_keeps_what_came_before(trial: Trial) -> None:
    ran: list[str] = []

    @trial.function()
    async def partly(ctx: Any) -> Any:
        first = await ctx.step.run("first", lambda: ran.append("first") or 1)
        second = await ctx.step.run("second", lambda: ran.append("second") or first + 1)
        return await ctx.step.run("third", lambda: ran.append("third") or second + 1)

    await trial.serve()
    run = await trial.outcome("partly")
    assert run["output"] == 3
    ran.clear()
    reply = await trial.http.post(f"/v1/runs/{run['run_id']}/rerun", json={"fromStep": "second"})
    assert reply.status_code == 200, reply.text
    second = await trial.ended(reply.json()["data"]["run_id"])
    assert (second["status"], second["output"]) == ("Completed", 3)
    assert ran == ["second", "third"]


@case
async def a_rerun_of_an_unknown_run_or_step_is_refused(trial: Trial) -> None:
    @trial.function()
    async def simple(ctx: Any) -> None:
        await ctx.step.run("only", lambda: None)

    await trial.serve()
    run = await trial.outcome("simple")
    assert (await trial.http.post("/v1/runs/01M8487M42NCB3XMW3NRW7PDGV/rerun", json={})).status_code == 404
    refused = await trial.http.post(f"/v1/runs/{run['run_id']}/rerun", json={"fromStep": "no-such-step"})
    assert refused.status_code in {400, 404}
    assert "no-such-step" in refused.text


@case
async def a_paused_function_starts_nothing_until_it_is_resumed(trial: Trial) -> None:
    @trial.function()
    async def held(ctx: Any) -> str:
        return "ran"

    await trial.serve()
    function_id = f"{trial.app_id}-held"
    assert (await trial.http.post(f"/v1/functions/{function_id}/pause", json={})).status_code == 200
    paused = await trial.send("held", {"n": 1})
    assert (await trial.http.post(f"/v1/functions/{function_id}/resume", json={})).status_code == 200
    assert await trial.completed("held", {"n": 2}) == "ran"
    for run in await trial.runs(paused):
        assert (await trial.ended(run["run_id"]))["status"] in {"Completed", "Cancelled"}


@case
async def unknown_ids_are_not_found(trial: Trial) -> None:
    missing = "01M8487M42NCB3XMW3NRW7PDGV"
    for path in (f"/v1/runs/{missing}", f"/v1/runs/{missing}/steps", f"/v1/events/{missing}"):
        assert (await trial.http.get(path)).status_code == 404, path
    assert (await trial.http.delete(f"/v1/runs/{missing}")).status_code == 404
    assert (await trial.http.get("/v1/runs/not-a-ulid")).status_code in {400, 404}
    runs = await trial.http.get(f"/v1/events/{missing}/runs")
    assert runs.status_code == 404 or runs.json()["data"] == []


@case
async def the_server_says_that_it_is_there_and_what_it_is(trial: Trial) -> None:
    described = await trial.http.get("/dev")
    assert described.status_code == 200
    assert described.headers["content-type"].startswith("application/json")
    assert described.json()["version"]
