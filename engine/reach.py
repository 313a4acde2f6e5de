"""Which addresses the engine may be told to call: an allow-list, so that a registration cannot make it knock at other
doors of the network. Pure.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from urllib.parse import urlsplit

ANY = "*"
# Two readers may see different hosts in an address with these.
_AMBIGUOUS = re.compile(r"[\s\\@\x00-\x20\x7f]")


def refusal(url: str, hosts: Collection[str]) -> str | None:
    """Why an app at this address is not called; None if it may be.

    Those of this machine always may: loopback, and 0.0.0.0, which connects to it and which apps in development give
    as theirs. Others are named in `hosts` as they stand in the address; `*` there means any, but for those that no
    app has: link-local ones (a cloud's metadata service) and multicast.
    """
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return f"url {url[:200]!r} cannot be read"
    if parts.scheme not in ("http", "https") or not host or _AMBIGUOUS.search(url):
        return f"url {url[:200]!r} cannot be called; expected http://host:port/api/inngest"
    address = _address(host)
    if host == "localhost" or (address is not None and (address.is_loopback or address.is_unspecified)):
        return None
    if host in hosts:
        return None
    if ANY in hosts and not _nobodys(host, address):
        return None
    return (
        f"url {url[:200]!r} is not on the list of apps that may be called; add {host!r} to ENGINE_APP_HOSTS"
    )


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def _nobodys(host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    if address is None:
        # 0xa9fea9fe, 2852039166, 169.254.43518: other spellings of an IPv4 address, which a resolver would take.
        return re.fullmatch(r"[0-9.]+|0x[0-9a-f.x]*", host) is not None
    return address.is_link_local or address.is_multicast
