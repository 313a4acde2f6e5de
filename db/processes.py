"""Which process holds something, so that others can see whether it still lives."""

from __future__ import annotations

import os
import socket
from functools import cache
from pathlib import Path
from typing import Any

import orjson


@cache
def _machine() -> str:
    """Names where process ids mean the same: host, boot and pid namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        boot, space = "", ""
    return f"{socket.gethostname()}/{boot}/{space}"


def _born(pid: int) -> str | None:
    """When a process started, so that a reused pid is not mistaken for it. None: it is dead, or a zombie."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *rest = text.rpartition(")")[2].split()
    return None if state in ("Z", "X") else rest[18]


def identity() -> str:
    """This process, as others can check that it lives."""
    pid = os.getpid()
    return orjson.dumps({"machine": _machine(), "pid": pid, "born": _born(pid)}).decode()


def is_dead(process: str) -> bool:
    """Whether that process certainly no longer runs. False where it cannot be known from here."""
    try:
        other: dict[str, Any] = orjson.loads(process)
    except orjson.JSONDecodeError:
        return False
    if other.get("born") is None or other.get("machine") != _machine():
        return False
    return _born(int(other["pid"])) != str(other["born"])
