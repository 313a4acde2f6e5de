"""Identifiers: ULIDs, the event ids that a sender's seed determines, and the ids derived from names."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import time
import uuid

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_TRIPLES = [a + b + c for a in _ALPHABET for b in _ALPHABET for c in _ALPHABET]
_NAMESPACE = uuid.UUID("6f3d8f0a-53a5-5c0e-9d58-2f4c1e7a9b10")
_ENTROPY_BITS = 80
_ENTROPY_BYTES = 10
_MAX_MS = 1 << 48

ENVIRONMENT_ID = "00000000-0000-4000-b000-000000000000"


def _encode(value: int) -> str:
    """130 bits as 26 characters of Crockford's base 32, three characters at a time."""
    table, mask = _TRIPLES, 32767
    high, low = value >> 75, value & ((1 << 75) - 1)
    return (
        f"{table[high >> 45][1:]}{table[(high >> 30) & mask]}{table[(high >> 15) & mask]}{table[high & mask]}"
        f"{table[low >> 60]}{table[(low >> 45) & mask]}{table[(low >> 30) & mask]}{table[(low >> 15) & mask]}"
        f"{table[low & mask]}"
    )


class _Monotonic:
    """ULIDs that rise within a millisecond, so that what is made first sorts first."""

    def __init__(self) -> None:
        self._last = 0

    def next(self, ms: int) -> int:
        if self._last >> _ENTROPY_BITS == ms:
            self._last += 1
        else:
            # The top bit stays free, so that counting up never reaches the next millisecond.
            entropy = int.from_bytes(os.urandom(_ENTROPY_BYTES)) >> 1
            self._last = (ms << _ENTROPY_BITS) | entropy
        return self._last


_monotonic = _Monotonic()


def ulid(ms: int | None = None) -> str:
    """A new ULID, of now or of the given millisecond. To be called from one thread."""
    return _encode(_monotonic.next(time.time_ns() // 1_000_000 if ms is None else ms))


def is_ulid(text: str) -> bool:
    """Whether the text has the form of a ULID."""
    return len(text) == 26 and all(character in _ALPHABET for character in text)


def ulid_floor(ms: int) -> str:
    """The smallest ULID of a millisecond: a bound for range queries."""
    return _encode(max(ms, 0) << _ENTROPY_BITS)


def seeded(seed: str, count: int) -> list[str] | None:
    """The ids of `count` events sent with `x-inngest-event-id-seed: <ms>,<base64 of 10 bytes>`.

    The first event adds 1 to the seed's entropy, the second 2 and so on, so a repeated request gets the same
    ids. A malformed seed gives None.
    """
    stamp, _, encoded = seed.partition(",")
    if not stamp.isascii() or not stamp.isdigit() or len(stamp) > 15:
        return None
    try:
        entropy = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(entropy) != _ENTROPY_BYTES or int(stamp) >= _MAX_MS:
        return None
    base = int.from_bytes(entropy)
    mask = (1 << _ENTROPY_BITS) - 1
    high = int(stamp) << _ENTROPY_BITS
    return [_encode(high | ((base + n) & mask)) for n in range(1, count + 1)]


def app_id(name: str) -> uuid.UUID:
    """The id of an app, the same wherever and whenever it registers."""
    return uuid.uuid5(_NAMESPACE, f"app:{name}")


def function_id(slug: str) -> uuid.UUID:
    """The id of a function, from `<app id>-<function id>`."""
    return uuid.uuid5(_NAMESPACE, f"function:{slug}")


def job_id(run_id: str, step_id: str, ended: int) -> str:
    """The id of a queue job: the same for every attempt at one step of one run."""
    return hashlib.blake2b(f"{run_id}.{step_id}.{ended}".encode(), digest_size=8).hexdigest()
