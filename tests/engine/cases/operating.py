"""What an operator may do to runs and functions: rerun, rerun from a step, pause, resume."""

from __future__ import annotations

from typing import Any

import httpx
import inngest

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
async def a_rerun_takes_edited_input(trial: Trial) -> None:
    ran: list[str] = []

    @trial.function()
    async def edited(ctx: Any) -> Any:
        first = await ctx.step.run("first", lambda: ran.append("first") or ctx.event.data["n"])
        second = await ctx.step.run("second", lambda: ran.append("second") or ctx.event.data["n"])
        return [first, second, ctx.event.name]

    await trial.serve()
    name = trial.name("edited")
    run = await trial.outcome("edited", {"n": 1})
    assert run["output"] == [1, 1, name]
    ran.clear()
    path = f"/v1/runs/{run['run_id']}/rerun"
    partly = await trial.http.post(path, json={"fromStep": "second", "input": {"n": 2}})
    assert (await trial.ended(partly.json()["data"]["run_id"]))["output"] == [1, 2, name]
    assert ran == ["second"]
    whole = await trial.http.post(path, json={"input": {"n": 3}})
    assert (await trial.ended(whole.json()["data"]["run_id"]))["output"] == [3, 3, name]
    refused = await trial.http.post(path, json={"input": 5})
    assert refused.status_code in {400, 409}
    assert "object" in refused.text


@case
async def failed_runs_are_counted_first_and_then_replayed(trial: Trial) -> None:
    healthy: list[int] = []

    @trial.function(retries=0)
    async def patient(ctx: Any) -> str:
        if not healthy:
            message = "not yet"
            raise RuntimeError(message)
        return "recovered"

    await trial.serve()
    for number in range(3):
        await trial.failed("patient", {"n": number})
    healthy.append(1)
    assert await trial.completed("patient", {"n": 9}) == "recovered"
    wanted = {"app_id": trial.app_id, "function_id": "patient", "if": "event.data.n > 0"}
    counted = await trial.http.post("/v1/replays", json={**wanted, "dry_run": True})
    assert (counted.status_code, counted.json()["data"]["count"]) == (200, 2)
    replayed = await trial.http.post("/v1/replays", json=wanted)
    assert replayed.status_code == 201
    run_ids = replayed.json()["data"]["run_ids"]
    assert len(run_ids) == 2
    for run_id in run_ids:
        assert (await trial.ended(run_id))["output"] == "recovered"


@case
async def pausing_may_cancel_hold_or_let_go_on(trial: Trial) -> None:
    @trial.function()
    async def various(ctx: Any) -> str:
        await ctx.step.sleep("nap", ctx.event.data["ms"])
        return "woke"

    await trial.serve()
    function_id = f"{trial.app_id}-various"
    ends = {}
    for choice, ms in (("continue", 300), ("hold", 1500), ("cancel", 60_000)):
        run_id = (await trial.run_of(await trial.send("various", {"ms": ms})))["run_id"]
        paused = await trial.http.post(f"/v1/functions/{function_id}/pause", json={"runs": choice})
        assert paused.status_code == 200, paused.text
        if choice == "continue":
            ends[choice] = (await trial.ended(run_id))["status"]
        resumed = await trial.http.post(f"/v1/functions/{function_id}/resume", json={})
        assert resumed.status_code == 200, resumed.text
        ends[choice] = (await trial.ended(run_id))["status"]
    assert ends == {"continue": "Completed", "hold": "Completed", "cancel": "Cancelled"}
    bad = await trial.http.post(f"/v1/functions/{function_id}/pause", json={"runs": "explode"})
    assert (bad.status_code, "explode" in bad.text) == (400, True)


@case
async def a_function_is_known_by_its_own_id_while_one_app_has_it(trial: Trial) -> None:
    name = f"lone-{trial.app_id}"

    @trial.function(fn_id=name)
    async def lone(ctx: Any) -> None:
        await ctx.step.sleep("nap", 1)

    await trial.serve()
    for act in ("pause", "resume"):
        reply = await trial.http.post(f"/v1/functions/{name}/{act}", json={})
        assert reply.json()["data"]["id"] == f"{trial.app_id}-{name}", reply.text


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


@case
async def a_rerun_keeps_to_its_singleton(trial: Trial) -> None:
    gate = trial.gate()

    @trial.function(singleton=inngest.Singleton(mode="skip"))
    async def solitary(ctx: Any) -> None:
        if ctx.event.data["n"] == 2:
            await gate.passed()

    @trial.function(singleton=inngest.Singleton(mode="cancel"))
    async def newest_only(ctx: Any) -> None:
        if ctx.event.data["n"] == 2:
            await ctx.step.sleep("sleep", 60_000)

    await trial.serve()

    async def rerun(run: dict[str, Any]) -> httpx.Response:
        return await trial.http.post(f"/v1/runs/{run['run_id']}/rerun", json={})

    ended = await trial.outcome("solitary", {"n": 1})
    busy = await trial.run_of(await trial.send("solitary", {"n": 2}))
    await trial.until(gate.reached.is_set, "the second run")
    refused = await rerun(ended)
    assert refused.status_code == 400
    assert f"is a singleton, and its run {busy['run_id']} has not ended" in refused.json()["error"]
    gate.open()
    await trial.ended(busy["run_id"])
    again = (await rerun(ended)).json()["data"]["run_id"]
    assert (await trial.ended(again))["status"] == "Completed"

    ended = await trial.outcome("newest_only", {"n": 1})
    busy = await trial.run_of(await trial.send("newest_only", {"n": 2}))
    again = (await rerun(ended)).json()["data"]["run_id"]
    assert (await trial.ended(again))["status"] == "Completed"
    assert (await trial.ended(busy["run_id"]))["status"] == "Cancelled"
