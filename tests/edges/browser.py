"""A real browser: the Chromium of this machine, driven by Playwright."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from tests.edges.site import TOKEN

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

GONE = "Lk2mXw8PzQ4rTn6VbYc1HdJfGsAe9uRo"
"""The token of somebody who left."""
EVENT = "/events/leadership-fellows-2019"
SUBSCRIBE = "/calendars?feed=leadership"
PAGES = ["/", "/past", "/calendars", SUBSCRIBE, EVENT, "/events/statuses"]
PAGES += [f"/unsubscribe/{TOKEN}", f"/you/{TOKEN}", "/letters/", "letter", "/nothing"]
"""One of each; "letter" is the first that is listed."""
VARIANTS = ["/?level=2", "/?level=4&kind=visit", "/calendars?event=statuses", f"/unsubscribe/{GONE}", "made"]
"""The same pages with other things on them; "made" is a calendar of one's own that was made just now."""
NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    *("--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser. Skips the test where there is none; with REQUIRE_BROWSER=1 it fails instead."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        without(f"no browser is installed (looked for {', '.join(NAMES)})")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        without("playwright is not installed: `make browser`")
    root = ["--no-sandbox"] if os.getuid() == 0 else []  # Chromium's own sandbox refuses to start for root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*QUIET, *root])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, address: str, path: str, *, width: int = 1280, **options: Any) -> Iterator[Page]:
    """A page in a window of its own, with everything that can be unfolded unfolded."""
    if path == "letter":
        with opened(browser, address, "/letters/") as listed:
            path = str(listed.locator("main a").first.get_attribute("href"))
    context = browser.new_context(viewport={"width": width, "height": 900}, **options)
    page = context.new_page()
    page.goto(address + (f"/you/{TOKEN}" if path == "made" else path))
    if path == "made":
        page.get_by_role("button", name="Make an address").click()
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    try:
        yield page
    finally:
        context.close()


def without(why: str) -> NoReturn:
    """Skip the test for what is not installed, or fail it where everything must be."""
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(f"REQUIRE_BROWSER=1, but {why}")
    pytest.skip(why)
