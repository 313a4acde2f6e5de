"""How a server process ends: in order, and where that would take too long, as it is.

What it does survives a kill, so nothing is worth waiting for without end: others, or the next start, go on with it.
"""

from __future__ import annotations

import logging
import os
import sys
import threading

from app.cli.outcome import Exit

log = logging.getLogger("protenders.server")

LIMIT_SECONDS = 8.0


def leave_at_last(seconds: float = LIMIT_SECONDS) -> None:
    """From now on the process has so many seconds to end in order; then it leaves as it is, with status 1.

    For a database that has fallen silent, which keeps whoever waits for it from ending.
    """
    timer = threading.Timer(seconds, _at_last, [seconds])
    timer.daemon = True
    timer.start()


def _at_last(seconds: float) -> None:
    log.error(
        "the end was not reached in order within %g s; leaving as it is, what was running is taken over",
        seconds,
    )
    _leave(Exit.FAILED)


def leave_if_busy() -> None:
    """Ends the process at once if a step is still busy in a thread: its lease is given back, so another process (or
    the next start) runs it again, while waiting for a slow host here would outlast the promised five seconds."""
    busy = [
        thread
        for thread in threading.enumerate()
        if thread is not threading.main_thread() and not thread.daemon
    ]
    if busy:
        _leave(Exit.SUCCESS)


def _leave(status: Exit) -> None:
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
