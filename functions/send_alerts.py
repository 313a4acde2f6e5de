"""send-alerts: tell each saved search that is due about the tenders that are news to it, in one mail.

First the mails are prepared, each in one transaction with the tenders that it tells about and the search's next due
instant; then they are sent one by one, every change of state a commit of its own. Wherever the process dies, the
next run goes on from what is recorded: no tender is told twice, and none is passed over.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from email.errors import MessageError
from functools import partial
from typing import Any

import inngest
import sqlalchemy as sa

from db import alert_deliveries, jobs, saved_searches
from db.alert_deliveries import Delivery
from functions.closing import close_work, on_failure
from functions.digest import compose
from functions.events import ALERTS, AlertsRequested
from functions.mail import MailRefusedError, MailUnavailableError, MailUnknownError, Outcome, Post
from functions.recorder import Json, Kind, Recorder, Step
from functions.resources import Resources
from functions.verdict import of_work

KIND = Kind(function_id="send-alerts", type="ALERTS", retries=3, beside="skip")
CRON = "TZ=Africa/Johannesburg 10 * * * *"

BATCH = 100
SILENT_FOR = timedelta(minutes=10)
"""A mail that was being handed over for so long has lost its process: no server's answer is awaited longer."""

_PROBLEMS = {
    "prepared": "{} could not be sent yet, to be tried again",
    "failed": "{} could not be sent and given up",
    "unknown": "{} handed over and never acknowledged: nobody knows whether they arrived, so they are not "
    "sent again by themselves (see the saved searches)",
}


def build(client: inngest.Inngest, resources: Resources) -> inngest.Function[Any]:
    """The function `send-alerts`, every hour and on request."""

    @client.create_function(
        fn_id=KIND.function_id,
        trigger=[inngest.TriggerCron(cron=CRON), inngest.TriggerEvent(event=ALERTS)],
        retries=KIND.retries,
        on_failure=on_failure(resources, KIND),
    )
    def send_alerts(ctx: inngest.ContextSync) -> Json:
        run = Recorder(ctx, resources, KIND)
        _, goes_on = run.open(AlertsRequested)
        if not goes_on:
            return {"status": "SKIPPED", "jobId": run.job_id}
        run.step("prepare-mails", _prepare)
        number = 1
        while (sent := run.step(f"send-mails-{number}", _send))["more"]:
            number += 1
        counts: dict[str, int] = sent["mails"]
        problems = [
            text.format(_mails(counts[state])) for state, text in _PROBLEMS.items() if counts.get(state)
        ]
        return close_work(run, of_work([*problems, *sent["errors"]], done=_done(counts, sent["place"])))

    return send_alerts


def _prepare(step: Step) -> Json:
    """A mail for every search that is due and has news; without news it is due again the next time."""
    made = 0
    while True:
        step.beat()
        now = step.resources.clock()
        with step.resources.engine.begin() as conn:
            search = saved_searches.take_due(conn, now=now)
            if search is None:
                return {"prepared": made}
            ocids, left_over = saved_searches.news(conn, search, now=now)
            if ocids:
                alert_deliveries.prepare(
                    conn, search, ocids, left_over=left_over, job_id=step.job_id, now=now
                )
                made += 1
            following = saved_searches.next_due(search.frequency, now)
            saved_searches.wait_until(conn, search.id, following)


def _send(step: Step) -> Json:
    """Send what waits; a server that takes no mail at all ends the batch."""
    resources = step.resources
    post = resources.post
    if post is None:
        raise inngest.NonRetriableError("this process was built without a way to send mail")
    now = resources.clock()
    with resources.engine.begin() as conn:
        alert_deliveries.settle_abandoned(
            conn,
            resend=post.mailer.repeatable or post.resend_when_unsure,
            silent_for=timedelta(0) if post.mailer.repeatable else SILENT_FOR,
            job_id=step.job_id,
            now=now,
        )
        waiting = alert_deliveries.due(conn, limit=BATCH, now=now)
    reached = True
    for delivery in waiting:
        step.beat()
        reached = _deliver(step, delivery, post)
        if not reached:
            break
    with resources.engine.begin() as conn:
        mails = alert_deliveries.counts(conn, job_id=step.job_id)
        facts = {"transport": post.mailer.kind, "place": post.mailer.place, **mails}
        jobs.add_metadata(conn, step.job_id, {"mails": facts})
        errors = alert_deliveries.last_errors(conn, step.job_id)
    return {
        "mails": mails,
        "errors": errors,
        "place": post.mailer.place if post.mailer.kind == "folder" else None,
        "more": reached and len(waiting) == BATCH,
    }


def _deliver(step: Step, delivery: Delivery, post: Post) -> bool:
    """Hand over one mail and note what came of it; False when the server takes none at all."""
    engine, clock, job_id = step.resources.engine, step.resources.clock, step.job_id

    def begin() -> bool:
        now = clock()
        try:
            return take(now)
        except sa.exc.OperationalError:
            # Perhaps it was committed: then the mail is ours, and nobody else will send it.
            return take(now)

    def take(now: datetime) -> bool:
        with engine.begin() as conn:
            return alert_deliveries.begin(conn, delivery.id, now=now)

    def done(outcome: Outcome) -> None:
        try:
            note(outcome)
        except sa.exc.OperationalError:
            # It has happened, and this process alone knows: one more try, on another connection.
            note(outcome)

    def note(state: str, error: str | None = None) -> None:
        with engine.begin() as conn:
            alert_deliveries.finish(conn, delivery.id, state, error=error, job_id=job_id, now=clock())

    with engine.connect() as conn:
        tenders = alert_deliveries.contents(conn, delivery.id)
    put_off = partial(alert_deliveries.put_off, delivery=delivery, job_id=job_id)
    try:
        message = compose(delivery, tenders, post, now=clock())
        post.mailer.deliver(message, key=delivery.id, begin=begin, done=done)
    except MailUnavailableError as problem:
        with engine.begin() as conn:
            put_off(conn, error=str(problem), permanent=False, now=clock())
        return False
    except MailRefusedError as problem:
        with engine.begin() as conn:
            put_off(conn, error=str(problem), permanent=problem.permanent, now=clock())
        return True
    except (ValueError, MessageError) as problem:
        # What cannot be put into a mail's form must not stand in the way of the others.
        with engine.begin() as conn:
            put_off(conn, error=f"no mail can be made of it: {problem}", permanent=True, now=clock())
        return True
    except MailUnknownError as problem:
        if post.resend_when_unsure:
            with engine.begin() as conn:
                put_off(conn, error=str(problem), permanent=False, now=clock())
        else:
            note("unknown", str(problem))
    return True


def _done(counts: dict[str, int], folder: str | None) -> str:
    written, sent = counts.get("written", 0), counts.get("sent", 0)
    if written:
        return f"{_mails(written)} written to {folder} and not sent to anybody: SMTP_HOST is not set"
    return f"{_mails(sent)} sent" if sent else "nothing to tell"


def _mails(number: int) -> str:
    return "1 mail" if number == 1 else f"{number} mails"
