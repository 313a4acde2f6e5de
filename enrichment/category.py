"""The portal's 91 detailed categories."""

import re
from functools import cache, lru_cache
from typing import NamedTuple

import orjson

from enrichment.data import read_data

_NOT_LETTERS = re.compile(r"[^a-z]+")


class Category(NamedTuple):
    """A category under its name in the vocabulary; ``id`` is None for a name that the vocabulary lacks."""

    id: str | None
    name: str


@lru_cache(maxsize=4096)
def category_of(name: str) -> Category:
    """The vocabulary's entry for a name in whatever case, blanks and punctuation; an unknown name stays as it
    is.
    """
    return _by_key().get(_key(name)) or Category(None, name)


def vocabulary() -> list[str]:
    """The names of all categories."""
    return [category.name for category in _by_key().values()]


def _key(name: str) -> str:
    return _NOT_LETTERS.sub("", name.lower().replace("&", "and"))


@cache
def _by_key() -> dict[str, Category]:
    entries: dict[str, str] = orjson.loads(read_data("categories.json"))
    return {_key(name): Category(number, name) for number, name in entries.items()}
