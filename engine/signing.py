"""Signatures of requests and responses, and the keys that a caller may hold."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

import jcs  # type: ignore[import-untyped]
import orjson

MAX_AGE_SECONDS = 300
_PREFIX = re.compile(r"^signkey-\w+-")
_HEADER = re.compile(r"^t=(\d{1,15})&s=([0-9a-f]{64})$")


def bare(key: str) -> str:
    """The key without its `signkey-<env>-` prefix."""
    return _PREFIX.sub("", key)


def hashed(key: str) -> str:
    """What an SDK sends as its bearer token: the SHA-256 of the key's bytes."""
    text = bare(key)
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = text.encode()
    return hashlib.sha256(raw).hexdigest()


def canonical(body: bytes) -> bytes:
    """The body in JSON Canonicalization Scheme; what is no JSON stays as it is."""
    try:
        out = jcs.canonicalize(orjson.loads(body))
    except (ValueError, RecursionError):
        return body
    return out if isinstance(out, bytes) else body


def sign(body: bytes, key: str, stamp: int) -> str:
    """The `x-inngest-signature` of a body sent at a Unix time."""
    mac = hmac.new(bare(key).encode(), body, hashlib.sha256)
    mac.update(str(stamp).encode())
    return f"t={stamp}&s={mac.hexdigest()}"


def verify(body: bytes, header: str | None, keys: Iterable[str], now: float) -> bool:
    """Whether the header signs the body with one of the keys, not more than five minutes ago."""
    found = _HEADER.match(header or "")
    if found is None or abs(now - int(found.group(1))) > MAX_AGE_SECONDS:
        return False
    stamp = int(found.group(1))
    bodies = {body, canonical(body)}
    return any(hmac.compare_digest(sign(each, key, stamp), found.group(0)) for key in keys for each in bodies)


def bearer_is_known(header: str | None, keys: Iterable[str]) -> bool:
    """Whether `Authorization: Bearer …` holds the hash of one of the signing keys.

    JavaScript's SDK leaves the key's prefix before the hash, Python's does not.
    """
    scheme, _, token = (header or "").partition(" ")
    if scheme.lower() != "bearer":
        return False
    given = bare(token.strip()).encode()
    return any(hmac.compare_digest(given, hashed(key).encode()) for key in keys)
