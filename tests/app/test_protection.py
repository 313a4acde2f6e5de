"""Every route has a stated protection, and it holds. The routes come from the router, so a new one is covered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import httpx
import pytest
from starlette.routing import BaseRoute, Mount, Route

from app.auth.protection import RULES, Protection, protection_of, safe_next
from app.serving import Serving

Browser = Callable[[str], httpx.Client]


def methods_and_paths(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str]]:
    """Every method and path template of the app."""
    for route in routes:
        included = getattr(route, "original_router", None)
        if included is not None:
            yield from methods_and_paths(included.routes)
        elif isinstance(route, Mount):
            yield "GET", f"{route.path}/{{file}}"
        else:
            assert isinstance(route, Route), route
            for method in sorted(route.methods or {"GET"}):
                yield method, route.path


def every_route(served: Serving) -> list[tuple[str, str]]:
    found = list(methods_and_paths(served.app.router.routes))
    assert len(found) > 60, "the enumeration lost the routes"
    return found


def filled(path: str) -> str:
    """The template with something in its places."""
    parts = [
        "x" if part.startswith("{") else part.split("{", maxsplit=1)[0] + "x" if "{" in part else part
        for part in path.split("/")
    ]
    return "/".join(parts)


def test_every_route_has_a_stated_protection(served: Serving) -> None:
    unstated = [(method, path) for method, path in every_route(served) if protection_of(method, path) is None]
    assert unstated == []


def test_every_rule_protects_some_route(served: Serving) -> None:
    routes = every_route(served)
    used = {
        next(rule for rule in RULES if protection_of(method, path) is rule.protection)
        for method, path in routes
        if protection_of(method, path)
    }
    assert {rule.protection for rule in RULES} == {rule.protection for rule in used}


def test_nothing_but_reading_is_open_to_anybody(served: Serving) -> None:
    open_changes = [
        (method, path)
        for method, path in every_route(served)
        if protection_of(method, path) is Protection.PUBLIC and method not in {"GET", "HEAD", "OPTIONS"}
    ]
    assert open_changes == [("POST", "/admin/login")]


def test_without_an_account_no_protected_route_answers(served: Serving, anybody: httpx.Client) -> None:
    for method, path in every_route(served):
        if protection_of(method, path) in {Protection.VIEWER, Protection.ADMIN}:
            answer = anybody.request(method, filled(path))
            if path.startswith("/api/"):
                assert answer.status_code == 401, (method, path)
            else:
                assert answer.status_code == 303, (method, path)
                assert answer.headers["location"].startswith("/admin/login"), (method, path)


def test_a_viewer_can_change_nothing(served: Serving, browser: Browser) -> None:
    viewer = browser("viewer")
    token = _token(viewer)
    tried = 0
    for method, path in every_route(served):
        if protection_of(method, path) is Protection.ADMIN:
            tried += 1
            answer = viewer.request(method, filled(path), headers={"X-CSRF-Token": token})
            assert answer.status_code == 403, (method, path, answer.text[:200])
            assert "change nothing" in answer.text, (method, path)
    assert tried >= 15


def test_a_change_without_the_form_token_is_refused(served: Serving, browser: Browser) -> None:
    admin = browser("admin")
    for method, path in every_route(served):
        if protection_of(method, path) is Protection.ADMIN:
            answer = admin.request(method, filled(path))
            assert answer.status_code == 403, (method, path, answer.text[:200])
            assert "out of date" in answer.text, (method, path)


@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}]
)
def test_a_change_from_another_site_is_refused_even_with_the_token(
    browser: Browser, headers: dict[str, str]
) -> None:
    admin = browser("admin")
    answer = admin.post("/admin/actions/enrich-today", headers={"X-CSRF-Token": _token(admin), **headers})
    assert answer.status_code == 403
    assert "another site" in answer.text


def test_a_proxy_that_changes_the_host_header_locks_nobody_out(browser: Browser) -> None:
    admin = browser("admin")
    headers = {"Origin": "https://tenders.example", "Sec-Fetch-Site": "same-origin"}
    answer = admin.post("/admin/actions/enrich-today", headers={"X-CSRF-Token": _token(admin), **headers})
    assert answer.status_code == 303


def test_another_site_s_page_cannot_send_events_to_the_engine(anybody: httpx.Client) -> None:
    event = {"name": "tender/sync.requested", "data": {}}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert anybody.post("/e/key", json=event, headers=headers).status_code == 403
        assert anybody.put("/api/inngest", headers=headers).status_code == 403


@pytest.mark.parametrize(
    ("target", "result"),
    [
        ("/admin/jobs?status=FAILED", "/admin/jobs?status=FAILED"),
        ("https://evil.example/admin", "/admin"),
        ("//evil.example/admin", "/admin"),
        ("/\\evil.example", "/admin"),
        ("/admin\\@evil.example", "/admin"),
        ("/admin\r\nSet-Cookie: a=b", "/admin"),
        ("javascript:alert(1)", "/admin"),
        (None, "/admin"),
        ("/admin/login", "/admin"),
        ("/administer.example", "/admin"),
        ("/\t/evil.example", "/admin"),
        ("/admin\t//evil.example", "/admin"),
        ("////evil.example/admin", "/admin"),
        ("/%2f%2fevil.example", "/admin"),
        ("https:/admin", "/admin"),
        (" //evil.example/admin", "/admin"),
        ("/admin/jobs\x00", "/admin"),
    ],
)
def test_the_login_leads_to_our_own_pages_only(target: str | None, result: str) -> None:
    assert safe_next(target) == result


def _token(client: httpx.Client) -> str:
    from tests.app.conftest import csrf_of

    return csrf_of(client.get("/admin/jobs"))
