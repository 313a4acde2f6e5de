"""Passwords: argon2id hashes, and generated passwords for the first admin."""

from __future__ import annotations

import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MIN_LENGTH = 10
MAX_LENGTH = 256

_hasher = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# No l/1, o/0: it is read off a terminal and typed.
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


def generate() -> str:
    """A password of about 95 bits, in groups that can be read aloud."""
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(4))


def fault(password: str) -> str | None:
    """Why this password is refused, as a sentence; None when it is good."""
    if len(password) < MIN_LENGTH:
        return f"The password is too short: use at least {MIN_LENGTH} characters."
    if len(password) > MAX_LENGTH:
        return f"The password is too long: use at most {MAX_LENGTH} characters."
    return None


def hash_password(password: str) -> str:
    """The argon2id hash to store."""
    return _hasher.hash(password)


def verify(stored: str | None, password: str) -> bool:
    """Whether the password fits. Takes as long for an account that does not exist (`stored` is None)."""
    try:
        matches = _hasher.verify(stored or _NOBODY, password[: MAX_LENGTH + 1])
    except (VerificationError, InvalidHashError):
        return False
    return matches and stored is not None


def outdated(stored: str) -> bool:
    """Whether the hash was made with older parameters than today's."""
    return _hasher.check_needs_rehash(stored)


_NOBODY = _hasher.hash(secrets.token_hex(16))
