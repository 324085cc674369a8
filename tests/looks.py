"""What every page has to stand: a narrow screen, both themes, the rules of accessibility."""

from __future__ import annotations

from tests.page import Page
from tools import axe

THEME = "return document.documentElement.dataset.theme"
_SIDEWAYS = "const e = document.documentElement; return e.scrollWidth - e.clientWidth"


def assert_fits(page: Page) -> None:
    """Nothing of the page that is shown is wider than the window, once a chart has taken note of
    the scrollbar that came with what stands below it."""
    page.until(
        lambda: page.js(_SIDEWAYS) <= 0, f"{page.path} to fit {page.js('return innerWidth')}"
    )


def assert_accessible(page: Page) -> None:
    """axe finds nothing serious in the page as it is shown."""
    found = axe.serious(page.driver)
    assert not found, f"{page.path} {page.js(THEME)}\n" + "\n".join(found)


def other_theme(page: Page) -> None:
    """Click for the other theme, and wait until the page has it: its structure stays, its colours
    change, so that one load shows both."""
    before = page.js(THEME)
    page.click("#theme-toggle")
    page.until(lambda: page.js(THEME) != before, f"another theme than {before}")
    page.settle()
