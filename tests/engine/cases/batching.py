"""Many events, one run: batches by size, by time and by key, and debounce."""

from __future__ import annotations

import datetime as dt
from typing import Any

import inngest

from tests.engine.trial import Trial, case


@case
async def a_batch_starts_when_it_is_full(trial: Trial) -> None:
    @trial.function(batch_events=inngest.Batch(max_size=3, timeout=dt.timedelta(minutes=1)))
    async def full(ctx: Any) -> Any:
        assert ctx.event.id == ctx.events[0].id
        return [each.data["n"] for each in ctx.events]

    await trial.serve()
    ids = await trial.send_many([{"name": trial.name("full"), "data": {"n": n}} for n in range(3)])
    runs = [await trial.run_of(event_id) for event_id in ids]
    assert len({run["run_id"] for run in runs}) == 1
    assert sorted((await trial.ended(runs[0]["run_id"]))["output"]) == [0, 1, 2]
    events = await trial.get(f"/v1/runs/{runs[0]['run_id']}/events")
    assert {each["id"] for each in events} == set(ids)


@case
async def a_batch_that_does_not_fill_starts_at_its_timeout(trial: Trial) -> None:
    @trial.function(batch_events=inngest.Batch(max_size=10, timeout=dt.timedelta(seconds=1)))
    async def partial(ctx: Any) -> Any:
        return len(ctx.events)

    await trial.serve()
    ids = await trial.send_many([{"name": trial.name("partial")} for _ in range(4)])
    run = await trial.run_of(ids[0])
    assert (await trial.ended(run["run_id"]))["output"] == 4


@case
async def a_batchs_key_keeps_groups_apart(trial: Trial) -> None:
    @trial.function(
        batch_events=inngest.Batch(max_size=2, timeout=dt.timedelta(minutes=1), key="event.data.user")
    )
    async def keyed(ctx: Any) -> Any:
        return [[each.data["user"], each.data["n"]] for each in ctx.events]

    await trial.serve()
    users = ["a", "b", "a", "b"]
    ids = await trial.send_many(
        [{"name": trial.name("keyed"), "data": {"user": user, "n": n}} for n, user in enumerate(users)]
    )
    outputs = []
    for event_id in ids[:2]:
        run = await trial.run_of(event_id)
        outputs.append((await trial.ended(run["run_id"]))["output"])
    assert outputs == [[["a", 0], ["a", 2]], [["b", 1], ["b", 3]]]


@case
async def an_event_that_fails_the_batchs_condition_runs_alone(trial: Trial) -> None:
    @trial.function(
        batch_events=inngest.Batch(
            max_size=2, timeout=dt.timedelta(minutes=1), if_exp="event.data.batch == true"
        )
    )
    async def conditional(ctx: Any) -> Any:
        return [each.data["n"] for each in ctx.events]

    await trial.serve()
    ids = await trial.send_many(
        [
            {"name": trial.name("conditional"), "data": {"n": n, "batch": batch}}
            for n, batch in enumerate((True, False, True))
        ]
    )
    outputs = [(await trial.ended((await trial.run_of(each))["run_id"]))["output"] for each in ids]
    assert outputs == [[0, 2], [1], [0, 2]]


@case
async def a_batch_too_big_for_a_request_is_fetched_by_the_sdk(trial: Trial) -> None:
    sizes: list[int] = []

    @trial.function(batch_events=inngest.Batch(max_size=8, timeout=dt.timedelta(minutes=1)), retries=0)
    async def heavy(ctx: Any) -> int:
        sizes.append(sum(len(each.data["text"]) for each in ctx.events))
        return len(ctx.events)

    await trial.serve()
    ids = await trial.send_many(
        [{"name": trial.name("heavy"), "data": {"text": "a" * 1024 * 1024}} for _ in range(8)]
    )
    run = await trial.run_of(ids[0])
    assert (await trial.ended(run["run_id"]))["output"] == 8
    assert sizes == [8 * 1024 * 1024]


@case
async def debounced_events_start_one_run_with_the_last(trial: Trial) -> None:
    @trial.function(debounce=inngest.Debounce(period=dt.timedelta(seconds=1)))
    async def bounced(ctx: Any) -> Any:
        return ctx.event.data["n"]

    await trial.serve()
    ids = await trial.send_many([{"name": trial.name("bounced"), "data": {"n": n}} for n in range(5)])
    run = await trial.run_of(ids[-1])
    assert (await trial.ended(run["run_id"]))["output"] == 4
    for event_id in ids[:-1]:
        assert await trial.runs(event_id) == []


@case
async def debounce_counts_each_key_for_itself(trial: Trial) -> None:
    @trial.function(debounce=inngest.Debounce(period=dt.timedelta(seconds=1), key="event.data.user"))
    async def apart(ctx: Any) -> Any:
        return [ctx.event.data["user"], ctx.event.data["n"]]

    await trial.serve()
    ids = await trial.send_many(
        [
            {"name": trial.name("apart"), "data": {"user": user, "n": n}}
            for n, user in enumerate(("a", "b", "a", "b"))
        ]
    )
    outputs = [(await trial.ended((await trial.run_of(each))["run_id"]))["output"] for each in ids[2:]]
    assert outputs == [["a", 2], ["b", 3]]


@case
async def debounce_ends_at_its_timeout_however_often_events_come(trial: Trial) -> None:
    ran: list[int] = []

    @trial.function(
        debounce=inngest.Debounce(period=dt.timedelta(seconds=1), timeout=dt.timedelta(seconds=2))
    )
    async def pestered(ctx: Any) -> None:
        ran.append(ctx.event.data["n"])

    await trial.serve()
    sent = 0

    async def pester() -> bool:
        nonlocal sent
        await trial.send("pestered", {"n": sent})
        sent += 1
        return bool(ran)

    await trial.until(pester, "a run in spite of events that never stop", within=8)
    assert sent > 1
