"""The vocabularies and tables of this room; README.md says where each is from."""

from importlib.resources import files


def read_data(name: str) -> bytes:
    """The bytes of one of this package's data files."""
    return (files(__name__) / name).read_bytes()
