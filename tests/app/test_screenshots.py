"""Pictures of every page, in both themes and on a small telephone, into `screenshots/`: run by `make screenshots`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.serving import Serving
from tests.app.test_browser import chrome, logged_in, pages_of, synced

pytestmark = [pytest.mark.browser, pytest.mark.screenshots]

__all__ = ["chrome", "synced"]

FOLDER = Path(__file__).parents[2] / "screenshots"
WIDE = {"width": 1280, "height": 900}
SMALL = {"width": 360, "height": 740}


@pytest.mark.parametrize(
    ("name", "scheme", "size"), [("light", "light", WIDE), ("dark", "dark", WIDE), ("360", "light", SMALL)]
)
def test_every_page_has_its_picture(
    served: Serving,
    chrome: Any,
    synced: str,
    name: str,
    scheme: Any,
    size: Any,
) -> None:
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    with logged_in(chrome, served, "admin", color_scheme=scheme, viewport=size) as page:
        for number, address in enumerate(pages_of(served, synced)[:-1]):
            page.goto(address)
            words = address.strip("/").split("/")
            file = folder / f"{number:02d}-{'-'.join(words[:2])}.png"
            page.screenshot(path=file, full_page=True)
            assert file.stat().st_size > 5_000
        page.goto("/admin")
        page.get_by_role("button", name="Log out").click()
        page.screenshot(path=folder / "99-login.png", full_page=True)
