"""Big state and the limits: what is too big for a request is fetched, what is over a limit fails by name."""

from __future__ import annotations

import datetime as dt
from typing import Any

from tests.engine.trial import Trial, case

MIB = 1024 * 1024


@case
async def state_too_big_for_a_request_is_fetched_by_the_sdk(trial: Trial) -> None:
    ran: list[str] = []

    @trial.function(retries=0)
    async def heavy(ctx: Any) -> int:
        total = 0
        for number in range(10):
            text = await ctx.step.run(
                f"step-{number}", lambda number=number: ran.append(f"step-{number}") or "a" * MIB
            )
            total += len(text)
        return total

    await trial.serve()
    run = await trial.outcome("heavy", within=60.0)
    assert run["output"] == 10 * MIB
    assert ran == [f"step-{number}" for number in range(10)]
    actions = await trial.http.get(f"/v0/runs/{run['run_id']}/actions")
    assert actions.status_code == 200
    assert len(actions.json()) == 10
    batch = await trial.http.get(f"/v0/runs/{run['run_id']}/batch")
    assert [each["name"] for each in batch.json()] == [trial.name("heavy")]


@case
async def a_steps_output_over_its_limit_fails_the_run_by_name(trial: Trial) -> None:
    @trial.function(retries=0)
    async def oversized(ctx: Any) -> None:
        await ctx.step.run("big", lambda: "a" * (4 * MIB + 1024))

    await trial.serve()
    error = await trial.failed("oversized")
    assert "4 MiB" in error["message"] or str(4 * MIB) in error["message"]


@case
async def more_steps_than_the_limit_fail_the_run_by_name(trial: Trial) -> None:
    @trial.function(retries=0)
    async def endless(ctx: Any) -> None:
        await ctx.group.parallel(tuple((lambda n=n: ctx.step.sleep(f"s{n}", 60_000)) for n in range(1001)))

    await trial.serve()
    error = await trial.failed("endless")
    assert "1000" in error["message"].replace(",", "").replace(" ", "")


@case
async def a_sleep_longer_than_a_year_fails_the_run_by_name(trial: Trial) -> None:
    @trial.function(retries=0)
    async def eternal(ctx: Any) -> None:
        await ctx.step.sleep("forever", dt.timedelta(days=400))

    await trial.serve()
    error = await trial.failed("eternal")
    assert "366" in error["message"]
