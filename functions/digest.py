"""The mail of an alert: what is new for one search, as text and as HTML, with a way to stop it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape
from typing import Any
from urllib.parse import quote

from db.alert_deliveries import Delivery
from functions.mail import Post
from ocds.dates import SAST


def compose(delivery: Delivery, tenders: Sequence[Any], post: Post, *, now: datetime) -> EmailMessage:
    """The mail. Its Message-ID depends on the delivery alone, so that a repeat can be known as one."""
    name = " ".join(delivery.search_name.split())
    number = f"{len(tenders)} new tender{'' if len(tenders) == 1 else 's'}"
    stop = f"{post.base_url}/unsubscribe/{post.unsubscribe_token(delivery.search_id)}"
    message = EmailMessage()
    message["From"] = post.sender
    message["To"] = delivery.sent_to
    message["Subject"] = f"{number}: {name}"
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{delivery.id}@{post.sender.rpartition('@')[2]}>"
    message["List-Unsubscribe"] = f"<{stop}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message["Auto-Submitted"] = "auto-generated"
    shown = [_Shown(tender, post.base_url) for tender in tenders]
    more = f"{delivery.left_over} more fit; they come with the next mail." if delivery.left_over else ""
    message.set_content(_as_text(name, number, shown, more, stop), cte="quoted-printable")
    message.add_alternative(_as_html(name, number, shown, more, stop), subtype="html", cte="quoted-printable")
    return message


class _Shown:
    """One tender in words."""

    def __init__(self, tender: Any, base_url: str) -> None:
        self.title = _line(tender.display_title or tender.title or tender.ocid)
        self.link = f"{base_url}/admin/tenders/{quote(tender.ocid)}"
        place = [
            _line(part) for part in (tender.buyer_name, tender.province, tender.detailed_category) if part
        ]
        self.facts = [part for part in (" · ".join(place), _closes(tender.closing_at), tender.ocid) if part]


def _as_text(name: str, number: str, shown: Sequence[_Shown], more: str, stop: str) -> str:
    parts = [f"{number} for your saved search “{name}”."]
    parts += [
        "\n".join([each.title, *(f"  {fact}" for fact in each.facts), f"  {each.link}"]) for each in shown
    ]
    if more:
        parts.append(more)
    parts.append(f"-- \nTimes are South African. No more of these mails: {stop}")
    return "\n\n".join(parts) + "\n"


def _as_html(name: str, number: str, shown: Sequence[_Shown], more: str, stop: str) -> str:
    rows = "".join(
        f'<li style="margin-bottom:1em"><a href="{escape(each.link)}"><b>{escape(each.title)}</b></a><br>'
        f"{'<br>'.join(escape(fact) for fact in each.facts)}</li>\n"
        for each in shown
    )
    return (
        '<!doctype html><html lang="en"><body style="font-family:sans-serif">\n'
        f"<p>{escape(number)} for your saved search “{escape(name)}”.</p>\n<ul>\n{rows}</ul>\n"
        + (f"<p>{escape(more)}</p>\n" if more else "")
        + f'<p><small>Times are South African. <a href="{escape(stop)}">No more of these mails</a></small></p>\n'
        "</body></html>\n"
    )


def _closes(moment: datetime | None) -> str:
    return "" if moment is None else f"closes {moment.astimezone(SAST):%A %d %B %Y, %H:%M}"


def _line(text: str) -> str:
    return " ".join(text.split())
