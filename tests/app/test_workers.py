"""Workers that cannot start are not started for ever, and the one that stays says so."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path

import pytest

from app.loopback import listen
from app.workers import Workers


def test_a_worker_that_cannot_start_is_given_up_and_stops_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    with listen("127.0.0.1", 0) as listener, caplog.at_level(logging.ERROR):
        assert asyncio.run(Workers(listener, 2, []).run()) is False
    assert "ended with 1; starting another" in caplog.text
    assert "soon after its start: stopping" in caplog.text
