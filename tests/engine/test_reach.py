"""The engine calls apps at addresses that are allowed, and nothing else that a registration names."""

from __future__ import annotations

import pytest

from engine.reach import refusal


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:3000/api/inngest",
        "http://localhost/api/inngest",
        "HTTP://LOCALHOST:1/x",
        "https://[::1]:3000/x",
        "http://0.0.0.0:8288/x",
        "http://[::]/x",
        "http://127.8.9.1/x",
        "http://[::ffff:127.0.0.1]/x",
    ],
)
def test_this_machine_may_always_be_called(url: str) -> None:
    assert refusal(url, ()) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://[fe80::1]/x",
        "http://[::ffff:169.254.169.254]/x",
        "http://2852039166/x",
        "http://0xa9fea9fe/x",
        "http://169.254.43518/x",
        "http://0/x",
        "http://224.0.0.1/x",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "//127.0.0.1/x",
        "http://",
        "http://127.0.0.1:99999/x",
        "http://[::1/x",
        "http://127.0.0.1@169.254.169.254/x",
        "http://169.254.169.254\\@127.0.0.1/x",
        "http://127.0.0.1/x\r\nHost: elsewhere",
        "http://127.0.0.1 .example/x",
    ],
)
def test_what_no_app_has_is_never_called(url: str) -> None:
    assert refusal(url, ()) is not None
    assert refusal(url, ("*",)) is not None


def test_other_machines_are_called_when_they_are_named() -> None:
    assert "ENGINE_APP_HOSTS" in str(refusal("http://app.internal:3000/api/inngest", ()))
    assert refusal("http://app.internal:3000/api/inngest", ("app.internal",)) is None
    assert refusal("http://app.internal.evil.example/x", ("app.internal",)) is not None
    assert refusal("http://10.0.0.7/x", ("app.internal",)) is not None
    assert refusal("http://10.0.0.7/x", ("*",)) is None
    assert refusal("https://tenders.example/x", ("*",)) is None
