"""Identifiers: ``ocds-9t57fa-<n>`` is the ocid, ``<n>`` the API's tender id and the portal's row id."""

import re

PREFIX = "ocds-9t57fa-"
MAX_NUMBER = 2_147_483_647  # fits PostgreSQL's integer; the source stood at 166 392 in August 2026

_OCID = re.compile(r"\s*ocds-9t57fa-([1-9][0-9]{0,9})\s*", re.ASCII | re.IGNORECASE)


def ocid_of(number: int) -> str:
    """The ocid of a tender number; ValueError outside 1 … MAX_NUMBER."""
    if not 1 <= number <= MAX_NUMBER:
        raise ValueError(f"a tender number lies between 1 and {MAX_NUMBER}, not at {number}")
    return f"{PREFIX}{number}"


def number_of(ocid: str) -> int | None:
    """The tender number in an ocid, whatever its case and blanks around it; None where it is none of ours."""
    match = _OCID.fullmatch(ocid)
    if match is None:
        return None
    number = int(match[1])
    return number if number <= MAX_NUMBER else None
