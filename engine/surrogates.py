"""Halves of characters in JSON: what cuts a text in the middle of an emoji leaves one, and writes it as `\\ud83d`.

JavaScript and Python write such a text and read it; strict parsers refuse it, and PostgreSQL cannot hold it. As on
Inngest the half becomes U+FFFD.
"""

from __future__ import annotations

import re

_ESCAPE = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)


def mend(body: bytes) -> bytes:
    """The JSON with U+FFFD in place of each half."""
    if b"\\ud" not in body and b"\\uD" not in body:
        return body
    return _ESCAPE.sub(lambda found: b"\\ufffd" if found["half"] is not None else found[0], body)
