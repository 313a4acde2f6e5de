"""What may be asked of the tenders, checked: each parameter with its meaning, each fault under its name."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time
from typing import Annotated, Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)
from pydantic_core import PydanticCustomError

from db import tender_cursors
from db.tender_search import LIFECYCLES, MAIN_CATEGORIES, Filters
from enrichment.category import category_of, vocabulary
from enrichment.organ_types import TYPES
from enrichment.province import PROVINCES, province_of
from ocds.dates import SAST

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_BLANK_FOR_PLUS = re.compile(r" (\d{2}:?\d{2})$", re.ASCII)
_SOURCE_STATUSES = ("planning", "planned", "active", "complete", "unsuccessful", "withdrawn")


def _day(text: object) -> date:
    if isinstance(text, date):
        return text
    try:
        if isinstance(text, str) and _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise PydanticCustomError("day", "is not a day; write it as 2026-08-14")


def _instant(text: object) -> datetime:
    if isinstance(text, datetime):
        return text
    try:
        if isinstance(text, str):
            if _DAY.fullmatch(text):
                return datetime.combine(date.fromisoformat(text), time(), SAST)
            parsed = datetime.fromisoformat(_BLANK_FOR_PLUS.sub(r"+\1", text))
            if parsed.tzinfo is not None and "T" in text:
                return parsed
    except ValueError:
        pass
    raise PydanticCustomError(
        "instant", "is not an instant; write a day, or a time with its zone such as 2026-08-14T09:30:00+02:00"
    )


def _one_of(*names: str, read: Callable[[str], str | None] | None = None) -> Any:
    """Text that is one of these names, or that `read` takes for one of them."""

    def check(text: object) -> str:
        given = (read(text) if read else None) or text if isinstance(text, str) else text
        if isinstance(given, str) and given in names:
            return given
        raise PydanticCustomError("one_of", f"is none of: {', '.join(names)}")

    return (BeforeValidator(check), WithJsonSchema({"type": "string", "enum": list(names)}))


def _category(text: str) -> str:
    lowered = text.strip().lower()
    return lowered if lowered in MAIN_CATEGORIES else category_of(text.strip()).name


def _cursor(text: str) -> str:
    try:
        tender_cursors.parse(text)
    except tender_cursors.CursorError as problem:
        raise PydanticCustomError("cursor", str(problem)) from problem
    return text


Day = Annotated[date, BeforeValidator(_day)]
Instant = Annotated[datetime, BeforeValidator(_instant)]
Words = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f]*$")]
Cursor = Annotated[
    str, AfterValidator(_cursor), WithJsonSchema({"type": "string", "pattern": tender_cursors.FORM})
]
Category = Annotated[
    Words,
    AfterValidator(_category),
    WithJsonSchema({"type": "string", "enum": [*MAIN_CATEGORIES, *vocabulary()]}),
]
Province = Annotated[str, *_one_of(*PROVINCES, read=province_of)]
OrganType = Annotated[str, *_one_of(*TYPES)]
Lifecycle = Annotated[str, *_one_of(*LIFECYCLES)]
Status = Annotated[str, *_one_of(*dict.fromkeys((*LIFECYCLES, *_SOURCE_STATUSES)))]


class Asked(BaseModel):
    """The filters that every form of the tenders takes. A name that is not among them is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    q: Words | None = Field(
        None,
        description='Words that must all occur in number, title, buyer or description; `"a phrase"`, `or` and '
        "`-not` as in a web search; or an ocid.",
        examples=["road maintenance -gravel"],
    )
    province: Province | None = Field(None, description="The province of delivery; National is one.")
    category: Category | None = Field(
        None,
        description="One of the portal's 91 categories by name, or goods, works or services.",
        examples=["Construction"],
    )
    buyer: Words | None = Field(
        None, description="The buyer's id, or its name in any case.", examples=["City of Tshwane"]
    )
    status: Status | None = Field(
        None,
        description="open, closed, cancelled or awarded as derived from both sources and the clock; any other value "
        "is the source's own word.",
    )
    lifecycle: Lifecycle | None = Field(None, description="open, closed, cancelled or awarded.")
    organ_of_state_type: OrganType | None = Field(None, description="The kind of organ of state that buys.")
    published_from: Day | None = Field(None, description="Published on this South African day or later.")
    published_to: Day | None = Field(None, description="Published on this South African day or earlier.")
    closing_before: Day | None = Field(None, description="Closing before this South African day begins.")
    closing_after: Day | None = Field(None, description="Closing after this South African day has ended.")
    changed_since: Instant | None = Field(
        None,
        description="Added or changed at this instant or later: a day, or a time with its zone.",
        examples=["2026-08-14", "2026-08-14T09:30:00+02:00"],
    )

    @field_validator("published_to", mode="after")
    @classmethod
    def _in_order(cls, value: date | None, info: ValidationInfo) -> date | None:
        start = info.data.get("published_from")
        if value is not None and start is not None and value < start:
            raise PydanticCustomError("order", "is before published_from")
        return value

    def filters(self) -> Filters:
        """The same as the database takes them."""
        return Filters(**{name: getattr(self, name) for name in Asked.model_fields})


class AskedPage(Asked):
    """The filters, and which page of what fits."""

    limit: int = Field(50, ge=1, le=200, description="How many tenders a page has at most.")
    cursor: Cursor | None = Field(None, description="`next` of the page before; leave it out to begin.")
    facets: bool | None = Field(
        None, description="Whether to count; without it, on the first page only.", examples=[True]
    )


class AskedReleases(Asked):
    """The filters, and which page of the releases that fit."""

    limit: int = Field(100, ge=1, le=200, description="How many releases a package has at most.")
    cursor: Cursor | None = Field(
        None, description="As in the `next` link of the package before; leave it out to begin."
    )


def once_each(request: Request) -> None:
    """Refuses a parameter that is given twice: the answer to only one of both would look like the answer to both."""
    names = [name for name, _ in request.query_params.multi_items()]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise fault(doubled[0], "is given more than once")


def of_form(request: Request) -> Filters:
    """The filters of a form that was sent: a field left empty does not restrict, and its other fields are not ours."""
    given = {
        name: value for name, value in request.query_params.items() if name in Asked.model_fields and value
    }
    try:
        return Asked.model_validate(given).filters()
    except ValidationError as problem:
        raise RequestValidationError(
            [{**error, "loc": ("query", *error["loc"])} for error in problem.errors()]
        ) from None


def fault(name: str, message: str) -> RequestValidationError:
    """An answer 422 that names the parameter."""
    error: dict[str, Any] = {"type": "value_error", "loc": ("query", name), "msg": message, "input": None}
    return RequestValidationError([error])
