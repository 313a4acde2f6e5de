"""The file by which a command finds the server that runs on the same PROTENDERS_HOME.

It names the address, the process and a token that lets commands of the same user act; it is readable by that user
only, and is believed only when the server at that address answers with the same instance.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import httpx

NAME = "server.json"


@dataclass(frozen=True)
class RunFile:
    """A running server."""

    url: str
    pid: int
    instance: str
    token: str = field(repr=False)


def new_instance(url: str) -> RunFile:
    """The description of this process's server."""
    return RunFile(url=url, pid=os.getpid(), instance=secrets.token_hex(8), token=secrets.token_urlsafe(32))


def shared_instance(url: str, derive: Callable[[str], str]) -> RunFile:
    """The same description in every worker that serves this address, so that a command may meet any of them: its name
    and token are derived from the secret that the workers share."""
    return RunFile(
        url=url, pid=os.getpid(), instance=derive(f"instance {url}")[:16], token=derive("command line token")
    )


@contextmanager
def published(home: Path, server: RunFile) -> Iterator[None]:
    """Keeps the file there while the block runs; leaves another server's newer file alone."""
    path = home / NAME
    home.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{server.pid}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(asdict(server), file)
    temporary.replace(path)
    try:
        yield
    finally:
        current = read(home)
        if current is not None and (current.instance, current.pid) == (server.instance, server.pid):
            path.unlink(missing_ok=True)


def read(home: Path) -> RunFile | None:
    """What the file says, unverified; None when there is none or it is damaged."""
    try:
        return RunFile(**json.loads((home / NAME).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def find(home: Path) -> RunFile | None:
    """The server that runs now; None when there is none (a file left by a killed one does not count)."""
    server = read(home)
    if server is None:
        return None
    try:
        answer = httpx.get(f"{server.url}/healthz", timeout=3, trust_env=False)
        alive = answer.status_code == httpx.codes.OK and answer.json().get("instance") == server.instance
    except (httpx.HTTPError, ValueError):
        return None
    return server if alive else None
