"""Schedules: a cron trigger's event, and pausing what it would start."""

from __future__ import annotations

from typing import Any

import inngest

from tests.engine.trial import Trial, case


@case
async def a_cron_trigger_with_a_zone_is_registered_and_invocable(trial: Trial) -> None:
    @trial.function(trigger=inngest.TriggerCron(cron="TZ=Africa/Johannesburg 7,37 * * * *"))
    async def scheduled(ctx: Any) -> str:
        return str(ctx.event.name)

    @trial.function()
    async def caller(ctx: Any) -> Any:
        return await ctx.step.invoke("now", function=scheduled)

    await trial.serve()
    assert await trial.completed("caller") == "inngest/function.invoked"


@case
async def a_bad_schedule_is_refused_by_name(trial: Trial) -> None:
    @trial.function(trigger=inngest.TriggerCron(cron="61 * * * *"))
    async def impossible(ctx: Any) -> None:
        return None

    answer = await trial.register()
    assert answer.get("ok") is not True
    assert "impossible" in str(answer)
    assert "61" in str(answer)


@case
async def a_bad_expression_is_refused_by_name(trial: Trial) -> None:
    @trial.function(trigger=trial.trigger("x", "event.data.a ==== 1"))
    async def broken(ctx: Any) -> None:
        return None

    answer = await trial.register()
    assert answer.get("ok") is not True
    assert "broken" in str(answer)


@case
async def registering_the_same_again_changes_nothing_and_less_removes(trial: Trial) -> None:
    @trial.function("keep")
    async def kept(ctx: Any) -> str:
        return "kept"

    @trial.function("drop")
    async def dropped(ctx: Any) -> str:
        return "dropped"

    first = await trial.serve()
    again = await trial.serve()
    assert (first["modified"], again["modified"]) == (True, False)
    assert await trial.completed("drop") == "dropped"
    less = await trial.serve(kept)
    assert less["modified"] is True
    event_id = await trial.send("drop")
    assert await trial.completed("keep") == "kept"
    assert await trial.runs(event_id) == []


@case
async def what_we_do_not_serve_is_refused_at_registration(trial: Trial) -> None:
    reply = await trial.http.post(
        "/fn/register",
        json={
            "appname": f"{trial.app_id}-worker",
            "deploy_type": "connect",
            "framework": "connect",
            "sdk": "py:v0.5.19",
            "v": "0.1",
            "url": "ws://127.0.0.1:1/connect",
            "functions": [
                {
                    "id": f"{trial.app_id}-worker-f",
                    "name": "f",
                    "triggers": [{"event": "x"}],
                    "steps": {
                        "step": {
                            "id": "step",
                            "name": "step",
                            "runtime": {"type": "ws", "url": "ws://127.0.0.1:1/connect"},
                        }
                    },
                }
            ],
        },
    )
    assert reply.status_code == 400, reply.text
    assert "connect" in reply.json()["error"].lower()
