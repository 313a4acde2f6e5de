"""Saved searches: what somebody wants to be told about by mail, tried out before it is saved, and the mails so far."""

from __future__ import annotations

import re
from typing import Annotated, Any

import sqlalchemy as sa
from email_validator import EmailNotValidError, validate_email
from fastapi import APIRouter, Depends, Form, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from ulid import ULID

from app.actions import By, write_note
from app.dependencies import Reading, TheActor, TheCaller, TheRuntime
from app.pages.actions import back
from app.pages.templates import page
from db import alert_deliveries, console, saved_searches
from db.saved_searches import SavedSearch, Wanted

router = APIRouter(prefix="/admin/searches", include_in_schema=False)

PAGE = "/admin/searches"
PREVIEWED = 10
MOST_DAYS = 365
STATUSES = ("open", "closed", "cancelled", "awarded")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


class Asked:
    """The form's fields as they were typed."""

    def __init__(self, given: dict[str, str]) -> None:
        self.given = given

    def wanted(self) -> Wanted:
        """What is searched for. Raises a 422 that names the field."""
        text = {name: value or None for name, value in self.given.items()}
        if text["status"] not in (None, *STATUSES):
            raise HTTPException(422, f"State: {text['status']!r} is none of {', '.join(STATUSES)}.")
        days = text.pop("closing_within_days")
        if days is not None and not (days.isascii() and days.isdigit() and 1 <= int(days) <= MOST_DAYS):
            raise HTTPException(
                422, f"Closing within: {days!r} is not a number of days from 1 to {MOST_DAYS}."
            )
        return Wanted(**text, closing_within_days=int(days) if days else None)


Short = Annotated[str, Query(max_length=200)]
ShortField = Annotated[str, Form(max_length=200)]


def of_query(
    keywords: Short = "",
    province: Short = "",
    category: Short = "",
    buyer: Short = "",
    status: Short = "open",
    closing_within_days: Short = "",
) -> Asked:
    """The fields of a preview."""
    return _asked(locals())


def of_form(
    keywords: ShortField = "",
    province: ShortField = "",
    category: ShortField = "",
    buyer: ShortField = "",
    status: ShortField = "",
    closing_within_days: ShortField = "",
) -> Asked:
    """The fields of a search to be saved."""
    return _asked(locals())


def _asked(fields: dict[str, Any]) -> Asked:
    return Asked({name: _CONTROL.sub(" ", value).strip() for name, value in fields.items()})


@router.get("")
def searches(
    request: Request,
    connection: Reading,
    runtime: TheRuntime,
    actor: TheActor,
    asked: Annotated[Asked, Depends(of_query)],
    preview: bool = False,
) -> HTMLResponse:
    """Whoever is logged in sees their searches, an admin all of them; with `preview`, what would fit now."""
    now = runtime.clock()
    found = saved_searches.page(connection, user_id=None if actor.is_admin else actor.id or "")
    fitting = (
        saved_searches.preview(connection, asked.wanted(), limit=PREVIEWED, now=now) if preview else None
    )
    settings = runtime.settings
    return page(
        request,
        "searches.html",
        searches=found,
        mails=alert_deliveries.of_search(connection, [search.id for search in found]),
        asked=asked.given,
        fitting=fitting,
        choices=console.choices(connection),
        statuses=STATUSES,
        smtp=settings.smtp_host is not None,
        outbox=settings.home / "outbox",
        unsure=settings.alert_when_unsure,
    )


@router.post("/add")
def add(
    runtime: TheRuntime,
    by: TheCaller,
    asked: Annotated[Asked, Depends(of_form)],
    name: Annotated[str, Form(min_length=1, max_length=100)],
    email: Annotated[str, Form(min_length=3, max_length=254)],
    frequency: Annotated[str, Form()] = "daily",
) -> RedirectResponse:
    """Saves a search."""
    wanted = asked.wanted()
    try:
        address = validate_email(email, check_deliverability=False, allow_smtputf8=False).ascii_email or email
    except EmailNotValidError as problem:
        raise HTTPException(422, f"Mail address: {problem}") from None
    rhythm = next((each for each in saved_searches.FREQUENCIES if each == frequency), None)
    if rhythm is None:
        raise HTTPException(422, f"How often: {frequency!r} is neither daily nor weekly.")
    title = _CONTROL.sub(" ", name).strip()
    if not title:
        raise HTTPException(422, "Name: it is empty.")
    with runtime.engine.begin() as connection:
        made = saved_searches.create(
            connection,
            id=str(ULID()).lower(),
            user_id=by.actor.id,
            name=title,
            email=address,
            wanted=wanted,
            frequency=rhythm,
            now=runtime.clock(),
        )
        write_note(connection, runtime, by, "search.create", made.id, {"name": title, **wanted.given()})
    return back(PAGE, "search-saved")


@router.post("/{search_id}/delete")
def delete(runtime: TheRuntime, by: TheCaller, search_id: str) -> RedirectResponse:
    """Deletes a search and what is known of its mails."""
    with runtime.engine.begin() as connection:
        search = _own(connection, by, search_id)
        saved_searches.delete(connection, search.id)
        write_note(connection, runtime, by, "search.delete", search.id, {"name": search.name})
    return back(PAGE, "search-deleted")


@router.post("/{search_id}/active")
def set_active(
    runtime: TheRuntime, by: TheCaller, search_id: str, active: Annotated[bool, Form()]
) -> RedirectResponse:
    """Stops a search, or lets it go on."""
    with runtime.engine.begin() as connection:
        search = _own(connection, by, search_id)
        change = saved_searches.resume if active else saved_searches.unsubscribe
        change(connection, search.id, now=runtime.clock())
        write_note(connection, runtime, by, "search.resume" if active else "search.stop", search.id, {})
    return back(PAGE, "search-resumed" if active else "search-stopped")


@router.post("/{search_id}/mails/{delivery_id}/again")
def send_again(runtime: TheRuntime, by: TheCaller, search_id: str, delivery_id: str) -> RedirectResponse:
    """A person decides that a failed or doubtful mail is sent once more."""
    with runtime.engine.begin() as connection:
        search = _own(connection, by, search_id)
        if not delivery_id.startswith(f"{search.id}.") or not alert_deliveries.send_again(
            connection, delivery_id, now=runtime.clock()
        ):
            raise HTTPException(409, "This mail is not waiting for a decision.")
        write_note(connection, runtime, by, "search.mail-again", delivery_id, {})
    return back(PAGE, "mail-again")


def _own(connection: sa.Connection, by: By, search_id: str) -> SavedSearch:
    """The search, if it is the caller's or the caller is an admin."""
    search = saved_searches.get(connection, search_id)
    mine = search is not None and (by.actor.is_admin or (by.actor.id and search.user_id == by.actor.id))
    if search is None or not mine:
        raise HTTPException(404, f"You have no search {search_id}.")
    return search
