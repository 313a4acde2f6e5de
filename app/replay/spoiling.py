"""What each fault does to an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import orjson

from app.replay.answers import PLAIN, TEXT, Answer, View
from app.replay.calendar import JsonObject, move_all
from app.replay.delivery import whole
from app.replay.faults import Verdict

_HTML = "text/html; charset=utf-8"
_TEN_YEARS = 3_650
_PAGE = (
    b"<!DOCTYPE html><html><head><title>eTenders Portal</title></head>"
    b"<body><h1>We are experiencing technical difficulties</h1></body></html>"
)


def refusal(fault: str | None) -> Answer | None:
    """What is answered in place of the answer; None for a fault that is no such refusal."""
    if fault == "500":
        return Answer(b"An error occurred while processing your request.", status=500, content_type=TEXT)
    if fault == "503":
        return Answer(b"Service Unavailable", status=503, content_type=_HTML)
    if fault == "503-retry-after":
        return Answer(b"Service Unavailable", status=503, content_type=_HTML, headers={"retry-after": "1"})
    if fault == "html":
        return Answer(_PAGE, content_type=_HTML)
    return Answer(b"") if fault == "empty" else None


def spoil(answer: Answer, verdict: Verdict) -> Answer:
    """The answer as the fault leaves it."""
    if verdict.fault == "text/plain":
        return replace(answer, content_type=TEXT)
    if verdict.fault == "truncated":
        body = whole(answer)
        return replace(answer, body=body[: max(1, len(body) // 2)])
    return answer


def view_of(verdict: Verdict) -> View:
    """How the portal lists and words its rows under the fault."""
    random = verdict.random

    def keeping(share: float) -> View:
        def select(places: Sequence[int]) -> Sequence[int]:
            return [place for place in places if random.random() < share]

        return View(select=select)

    def in_the_future(row: JsonObject) -> JsonObject:
        moved: JsonObject = orjson.loads(move_all(orjson.dumps(row), _TEN_YEARS))
        return moved

    views = {
        "half": keeping(0.5),
        "vanish": keeping(0.97),
        "nothing": keeping(0.0),
        "future": View(edit=in_the_future),
    }
    return views.get(verdict.fault or "", PLAIN)
