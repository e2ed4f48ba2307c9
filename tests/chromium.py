"""The Chromium of the system, for tests of pages; they are skipped, in words, where it or playwright is missing."""

import os
import shutil
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason=f"no browser: none of {', '.join(NAMES)} is installed")


@contextmanager
def launched(*options):
    """A running Chromium; options: of its command line."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        # Containers give no sandbox to root.
        browser = started.chromium.launch(
            executable_path=CHROMIUM, args=list(options), chromium_sandbox=os.getuid() != 0
        )
        yield browser
        browser.close()
