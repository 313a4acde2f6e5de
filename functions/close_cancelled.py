"""close-cancelled-jobs: when the engine has cancelled a run, the job log says so."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import inngest

from functions.client import APP_ID
from functions.closing import close_cancelled
from functions.recorder import Json
from functions.resources import Resources

FUNCTION_ID = "close-cancelled-jobs"


def build(
    client: inngest.Inngest, resources: Resources, function_ids: Iterable[str]
) -> inngest.Function[Any]:
    """The function `close-cancelled-jobs`; it hears of cancelled runs of these functions only."""
    ours = " || ".join(f"event.data.function_id == '{APP_ID}-{each}'" for each in function_ids)

    @client.create_function(
        fn_id=FUNCTION_ID,
        trigger=inngest.TriggerEvent(event="inngest/function.cancelled", expression=ours),
        retries=3,
    )
    def close_cancelled_jobs(ctx: inngest.ContextSync) -> Json:
        return ctx.step.run("close-job", close_cancelled, resources, dict(ctx.event.data))

    return close_cancelled_jobs
