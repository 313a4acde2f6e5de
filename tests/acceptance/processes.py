"""Real `protenders` processes for the acceptance tests: start, wait on a condition, kill, look into the database."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")
PROTENDERS = [sys.executable, "-m", "app.cli"]
ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(what: str, look: Callable[[], T | None], *, seconds: float = 60.0) -> T:
    """What `look` gives as soon as it is true-ish; fails with `what` after the deadline."""
    pause = threading.Event()
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        seen = look()
        if seen:
            return seen
        pause.wait(0.02)
    raise AssertionError(f"not within {seconds:g} s: {what}")


def environment(**settings: str) -> dict[str, str]:
    """The caller's environment without anything that would configure the app by accident."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(
            ("INNGEST_", "DATABASE_URL", "OCDS_", "ETENDERS_", "PROTENDERS_", "ADMIN_", "SMTP_")
        )
    }
    return {**kept, "PYTHONUNBUFFERED": "1", **settings}


@dataclass
class Process:
    """One child process in a session of its own, its output kept for the failure message."""

    popen: subprocess.Popen[str]
    output: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.popen.stdout is not None
        self.output.extend(iter(self.popen.stdout.readline, ""))

    @property
    def said(self) -> str:
        return "".join(self.output)

    def kill(self) -> None:
        """SIGKILL, to the process alone: its children see what they would see in a real crash."""
        self.popen.kill()
        self.popen.wait(10)

    def interrupt(self, seconds: float = 10) -> int:
        self.popen.send_signal(signal.SIGINT)
        return self.popen.wait(seconds)


@contextmanager
def running(*command: str, env: dict[str, str], cwd: Path = ROOT) -> Iterator[Process]:
    """A command in the background; whatever is left of it is killed at the end."""
    process = Process(
        subprocess.Popen(
            command,
            env=env,
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    )
    try:
        yield process
    finally:
        if process.popen.poll() is None:
            process.kill()


def answers(process: Process, url: str, *, seconds: float = 40) -> None:
    """Wait until `url` answers 200; fails at once when the process has died."""

    def look() -> bool:
        if process.popen.poll() is not None:
            raise AssertionError(f"ended with {process.popen.returncode}:\n{process.said[-4000:]}")
        try:
            return httpx.get(url, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    try:
        wait_for(f"an answer of {url}", look, seconds=seconds)
    except AssertionError as missing:
        raise AssertionError(f"{missing}\n{process.said[-4000:]}") from None


@dataclass(frozen=True)
class Result:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def protenders(*arguments: str, env: dict[str, str], seconds: float = 240, cwd: Path = ROOT) -> Result:
    """One command, from start to end."""
    done = subprocess.run(
        [*PROTENDERS, *arguments],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)
