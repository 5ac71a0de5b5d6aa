"""A page in Debian's Chromium, without a screen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from playwright.sync_api import Page, sync_playwright

from tests.support.real import missing

WIDTH: Final = 1500
HEIGHT: Final = 1000
PATIENCE_MS: Final = 90_000  # pages come in a second on an idle machine
# No sandbox, since tests may run as root in a container; and no calls to the makers of the browser.
_ARGUMENTS: Final = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


@contextmanager
def browser_page() -> Iterator[Page]:
    """A fresh page of a fresh browser."""
    chromium = shutil.which("chromium")
    if chromium is None:
        missing("no chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_ARGUMENTS)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(PATIENCE_MS)
        try:
            yield page
        finally:
            browser.close()
