"""Nothing inline runs, in either browser, and a page that tries fails its test."""

from __future__ import annotations

import pytest

from tests.page import Page

pytestmark = [pytest.mark.browser, pytest.mark.flow]

PLANT = """const script = document.createElement('script');
script.textContent = 'window.planted = true';
document.head.append(script);"""


def test_an_inline_script_neither_runs_nor_goes_unseen(page: Page) -> None:
    page.open("/help")
    page.js(PLANT)
    assert page.js("return window.planted") is None
    assert [line for line in page.drain() if line.startswith("CSP: script-src-elem inline")]


def test_text_is_not_run_as_a_script(page: Page) -> None:
    page.open("/help")
    page.js("setTimeout('window.planted = true', 0); setTimeout(() => (window.later = true), 50)")
    page.until(lambda: page.js("return window.later"), "the later one of the two")
    assert page.js("return window.planted") is None
    assert [line for line in page.drain() if line.startswith("CSP: script-src eval")]
