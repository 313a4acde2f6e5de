"""What every answer of the open data can be, for the API's description."""

from __future__ import annotations

from typing import Any

from app.opendata.models import Problem

Responses = dict[int | str, dict[str, Any]]

_VALIDATORS = {
    "ETag": {"description": "Changes when the answer does.", "schema": {"type": "string"}},
    "Last-Modified": {
        "description": "When what is shown last changed; absent while there is no tender.",
        "schema": {"type": "string"},
    },
}
_REFUSED: Responses = {
    304: {"description": "What you have (If-None-Match, If-Modified-Since) is still so."},
    422: {
        "model": Problem,
        "description": "A parameter is unknown or has an impossible value; the text names it.",
    },
    429: {
        "model": Problem,
        "description": "Too many requests from your address.",
        "headers": {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}},
    },
    503: {"model": Problem, "description": "The database does not answer, or too many exports are running."},
}
DATA: Responses = {200: {"headers": _VALIDATORS}, **_REFUSED}
SOME: Responses = {**DATA, 404: {"model": Problem, "description": "No published tender fits."}}
ONE: Responses = {**DATA, 404: {"model": Problem, "description": "There is no such published tender."}}


def file(media_type: str, description: str) -> Responses:
    """The answers of a download."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {200: {"description": description, "content": content, "headers": _VALIDATORS}, **_REFUSED}
