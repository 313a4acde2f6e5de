"""Reading the members of one JSON object whose every part may be missing or wrong."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypeVar

from ocds import values
from ocds.dates import parse_instant
from ocds.values import UNREADABLE, Unreadable

_T = TypeVar("_T")
_EMPTY: dict[str, Any] = {}
_YEARS = range(1990, 2100)  # the portal is of 2015: 0025, 1900 and 2205 are slips of a form or its defaults
_MOST_MEMBERS = 20_000  # of one array: a captured tender has 1,342 files


class Fields:
    """The members of a JSON object. A missing one is None; an unreadable one is None and noted in
    ``issues``.
    """

    __slots__ = ("_issues", "_path", "raw")

    def __init__(self, raw: dict[str, Any], path: str, issues: list[str]) -> None:
        self.raw = raw
        self._path = path
        self._issues = issues

    def text(self, name: str) -> str | None:
        """One line of text."""
        value = self.raw.get(name)
        if value is None:
            return None
        found = values.text(value)
        if found is UNREADABLE:
            self._note(name, "text")
            return None
        return found

    def word(self, name: str) -> str | None:
        """One line of text in lower case, for vocabularies."""
        found = self.text(name)
        return None if found is None else found.lower()

    def paragraphs(self, name: str) -> str | None:
        """Text of several lines."""
        return self._read(name, values.paragraphs, "text")

    def identifier(self, name: str) -> str | None:
        """An id as text."""
        return self._read(name, values.identifier, "an id")

    def flag(self, name: str) -> bool | None:
        """Yes or no."""
        return self._read(name, values.flag, "yes or no")

    def amount(self, name: str) -> Decimal | None:
        """An amount of money; 0 is None."""
        return self._read(name, values.amount, "an amount")

    def instant(self, name: str) -> datetime | None:
        """An instant; "none" dates are None."""
        return self._read(name, _instant, "a date")

    def day(self, name: str) -> date | None:
        """A South African calendar day."""
        found = self.instant(name)
        return None if found is None else found.date()

    def email(self, name: str) -> str | None:
        """An e-mail address in so far as it has one @ between other characters; the first of several."""
        return self._read(name, values.email, "an e-mail address")

    def telephone(self, name: str) -> str | None:
        """A telephone number as given; one of a single repeated digit is a placeholder."""
        return self._read(name, values.telephone, "a telephone number")

    def url(self, name: str) -> str | None:
        """An http or https address, as given."""
        return self._read(name, values.url, "a web address")

    def texts(self, name: str) -> tuple[str, ...]:
        """The lines of text in an array; a single text counts as an array of one."""
        found = self.raw.get(name)
        members = found if isinstance(found, list) else [] if found is None else [found]
        texts = []
        for position, member in enumerate(members[:_MOST_MEMBERS]):
            text = values.text(member)
            if isinstance(text, str):
                texts.append(text)
            elif text is UNREADABLE:
                self._note(f"{name}/{position}", "text")
        return tuple(texts)

    def member(self, name: str) -> "Fields":
        """The object under ``name``, or one without members."""
        found = self.raw.get(name)
        if not isinstance(found, dict):
            if found is not None:
                self._note(name, "an object")
            found = _EMPTY
        return Fields(found, f"{self._path}{name}.", self._issues)

    def objects(self, name: str) -> "list[Fields]":
        """The objects that are not empty in the array under ``name``; one object counts as an array of
        one.
        """
        found = self.raw.get(name)
        if found is None:
            return []
        if isinstance(found, dict):
            found = [found]
        if not isinstance(found, list):
            self._note(name, "an array")
            return []
        objects = []
        for position, member in enumerate(found[:_MOST_MEMBERS]):
            if isinstance(member, dict):
                if member:
                    objects.append(Fields(member, f"{self._path}{name}/{position}.", self._issues))
            elif member is not None:
                self._note(f"{name}/{position}", "an object")
        return objects

    def _read(self, name: str, reader: Callable[[object], _T | Unreadable | None], wanted: str) -> _T | None:
        value = self.raw.get(name)
        if value is None:
            return None
        found = reader(value)
        if isinstance(found, Unreadable):
            self._note(name, wanted)
            return None
        return found

    def _note(self, name: str, wanted: str) -> None:
        self._issues.append(f"{self._path}{name}: not {wanted}")


def _instant(value: object) -> datetime | Unreadable | None:
    instant = parse_instant(value)
    if instant is not None:
        return instant if instant.year in _YEARS else UNREADABLE
    return None if values.is_no_date(value) else UNREADABLE
