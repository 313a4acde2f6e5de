"""The vocabularies and tables of this room; README.md says where each is from."""

from functools import cache
from importlib.resources import files


def read_data(name: str) -> bytes:
    """The bytes of one of this package's data files."""
    return (files(__name__) / name).read_bytes()


@cache
def word_list(section: str) -> frozenset[str]:
    """The words under a heading of ``words.txt``."""
    found: set[str] = set()
    current = ""
    for line in read_data("words.txt").decode().splitlines():
        if line.startswith("["):
            current = line.strip("[]")
        elif current == section and not line.startswith("#"):
            found.update(line.split())
    return frozenset(found)
