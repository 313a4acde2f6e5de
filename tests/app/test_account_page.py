"""One's own account over HTTP: a new password, sessions, and nobody else's."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import closing

import httpx
import pytest
import sqlalchemy as sa

from app.auth import sessions
from app.auth.sessions import COOKIE, LoginRefusedError
from app.serving import Serving
from tests.app.conftest import PASSWORDS, csrf_of, log_in
from tests.app.test_accounts import NOW, engine

__all__ = ["engine"]

Browser = Callable[[str], httpx.Client]


def sessions_on(client: httpx.Client) -> list[str]:
    return re.findall(r'name="session" value="([0-9a-f]{64})"', client.get("/admin/account").text)


def test_a_session_is_listed_and_ended_from_another_browser(browser: Browser) -> None:
    here, there = browser("viewer"), browser("viewer")
    before = len(sessions_on(here))
    assert before >= 1
    token = csrf_of(here.get("/admin/account"))
    answer = here.post("/admin/account/sessions/end", data={"csrf": token})
    assert answer.headers["location"] == "/admin/account?done=sessions-ended"
    assert there.get("/admin").status_code == 303
    assert here.get("/admin").status_code == 200
    assert sessions_on(here) == []


def test_nobody_ends_a_session_of_somebody_else(browser: Browser) -> None:
    admin, viewer = browser("admin"), browser("viewer")
    browser("admin")
    (theirs, *_) = sessions_on(admin)
    token = csrf_of(viewer.get("/admin/account"))
    answer = viewer.post("/admin/account/sessions/end", data={"csrf": token, "session": theirs})
    assert answer.status_code == 404
    assert theirs in sessions_on(admin)


@pytest.mark.parametrize(
    ("form", "word"),
    [
        ({"old": "wrong", "new": "a new pass phrase", "again": "a new pass phrase"}, "wrong"),
        ({"old": PASSWORDS["viewer"], "new": "short", "again": "short"}, "too short"),
        ({"old": PASSWORDS["viewer"], "new": "a new pass phrase", "again": "another"}, "two ways"),
    ],
)
def test_a_password_that_is_no_good_is_refused_with_the_reason(
    browser: Browser, form: dict[str, str], word: str
) -> None:
    viewer = browser("viewer")
    answer = viewer.post(
        "/admin/account/password", data={**form, "csrf": csrf_of(viewer.get("/admin/account"))}
    )
    assert answer.status_code == 422
    assert word in answer.text


def test_a_new_password_ends_every_other_session_and_renews_this_one(
    served: Serving, browser: Browser
) -> None:
    admin = browser("admin")
    made = admin.post(
        "/admin/users/add",
        data={"csrf": csrf_of(admin.get("/admin/users")), "username": "sipho", "role": "viewer"},
    )
    found = re.search(r"shown this once: <code>([^<]+)</code>", made.text)
    assert found
    PASSWORDS["sipho"] = found[1]
    try:
        with closing(log_in(served.url, "sipho")) as here, closing(log_in(served.url, "sipho")) as there:
            old_cookie = here.cookies[COOKIE]
            form = {"old": found[1], "new": "a new pass phrase", "again": "a new pass phrase"}
            answer = here.post(
                "/admin/account/password", data={**form, "csrf": csrf_of(here.get("/admin/account"))}
            )
            assert answer.headers["location"] == "/admin/account?done=password-changed"
            assert here.cookies[COOKIE] != old_cookie
            assert here.get("/admin").status_code == 200
            assert there.get("/admin").status_code == 303
            # An admin logs the account out, and gives it another password.
            token = csrf_of(admin.get("/admin/users"))
            assert admin.post("/admin/users/sipho/sessions", data={"csrf": token}).status_code == 303
            assert here.get("/admin").status_code == 303
            given = admin.post("/admin/users/sipho/password", data={"csrf": token})
            assert "shown this once" in given.text
            assert "a new pass phrase" not in given.text
    finally:
        del PASSWORDS["sipho"]


def test_guesses_side_by_side_are_counted_as_if_in_turn(engine: sa.Engine) -> None:
    refusals: list[LoginRefusedError] = []

    def guess() -> None:
        try:
            sessions.check(engine, "thandi", "wrong", ip="10.0.0.1", now=NOW)
        except LoginRefusedError as refusal:
            refusals.append(refusal)

    guesses = [threading.Thread(target=guess) for _ in range(12)]
    for each in guesses:
        each.start()
    for each in guesses:
        each.join()
    assert len(refusals) == 12
    assert sum(not refusal.limited for refusal in refusals) == sessions.MAX_PAIR_FAILURES
