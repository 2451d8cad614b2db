"""The browser that opens pages of hasten: which one there is, and how it is kept from everything but the page."""

import shutil

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


def browser_here() -> str | None:
    """Return the path of a headless browser, None where there is none."""
    return next((found for name in BROWSERS if (found := shutil.which(name))), None)
