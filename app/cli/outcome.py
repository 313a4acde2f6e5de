"""Exit codes, and the error that carries one."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What a command's exit code says. The first five are promised to scripts."""

    SUCCESS = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    CANCELLED = 4
    INTERRUPTED = 130


STATUS_CODES = {
    "SUCCESS": Exit.SUCCESS,
    "PARTIAL": Exit.PARTIAL,
    "FAILED": Exit.FAILED,
    "CRASHED": Exit.FAILED,
    "CANCELLED": Exit.CANCELLED,
    "SKIPPED": Exit.SUCCESS,
}


class CommandError(Exception):
    """A command cannot go on. The message is for the person at the keyboard and says what to do next."""

    def __init__(self, message: str, code: int = Exit.FAILED) -> None:
        self.code = code
        super().__init__(message)


class UsageError(CommandError):
    """The command was asked for something that makes no sense."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Exit.USAGE)
