"""A page in a real browser, as a test speaks of it: open, see, click, wait.

Every console error, uncaught JavaScript error and violation of the Content-Security-Policy is kept
and fails the test at its end.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from dash.testing.browser import Browser
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from tests.waiting import wait_until

QUIET = """
const store = window.store;
if (document.readyState !== 'complete' || !store) return false;
const {stored, completed, ...busy} = store.getState().callbacks;
return Object.values(busy).every(list => !Array.isArray(list) || list.length === 0);
"""

# What a page tried that its Content-Security-Policy forbids; it runs before any script of the page.
TELL_VIOLATIONS = """() => {
    document.addEventListener('securitypolicyviolation', (event) => console.error(
        `CSP: ${event.effectiveDirective} ${event.blockedURI}`
        + ` ${event.sourceFile}:${event.lineNumber} ${event.sample}`));
}"""

PATIENCE_SECONDS = 60.0
"""To end a hang: what has to be fast is measured elsewhere."""


class Page:
    """One browser window on one server."""

    _marks = itertools.count(1)

    def __init__(self, browser: Browser, name: str) -> None:
        self.browser = browser
        self.driver = browser.driver
        self.name = name
        self.server = ""
        self._console: list[tuple[str, str]] = []
        script = self.driver.script
        script.add_console_message_handler(lambda e: self._console.append((e.level, e.text)))
        script.add_javascript_error_handler(lambda e: self._console.append(("error", e.text)))
        script.pin(TELL_VIOLATIONS)

    def begin(self, server: str) -> None:
        """A fresh visitor on `server`: no cookies, no storage, nothing on the console."""
        self.server = server.rstrip("/")
        self.driver.get(f"{self.server}/health/live")  # leave any earlier page before wiping
        self.driver.execute_script("localStorage.clear(); sessionStorage.clear()")
        self.driver.delete_all_cookies()
        self.resize(1440, 900)
        self.drain()

    def open(self, path: str = "/", ready: str = "#nav") -> Page:
        """Load `path` and wait until `ready` shows and no callback runs."""
        self.driver.get(self.server + path)
        self.css(ready)
        self.settle()
        return self

    # what is there

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.driver.current_url).path)

    @property
    def query(self) -> dict[str, str]:
        """The URL's parameters, the first value of each."""
        found = parse_qs(urlsplit(self.driver.current_url).query, keep_blank_values=True)
        return {name: values[0] for name, values in found.items()}

    def js(self, body: str, *arguments: object) -> Any:
        return self.driver.execute_script(body, *arguments)

    def all(self, selector: str) -> list[WebElement]:
        return list(self.driver.find_elements(By.CSS_SELECTOR, selector))

    def css(self, selector: str, timeout: float = PATIENCE_SECONDS) -> WebElement:
        """The first visible match, waited for."""

        def visible() -> WebElement | None:
            try:
                return next((e for e in self.all(selector) if e.is_displayed()), None)
            except StaleElementReferenceException:  # redrawn meanwhile: look again
                return None

        found = wait_until(visible, f"{selector} visible on {self.driver.current_url}", timeout)
        assert found is not None
        return found

    def text(self, selector: str) -> str:
        return str(
            self.js("return document.querySelector(arguments[0])?.innerText ?? ''", selector)
        )

    # what a user does

    def click(self, selector: str) -> None:
        """Click the first visible match; where it is redrawn before that lands, the new one."""

        def clicked() -> bool:
            self.css(selector).click()
            return True

        self.until(clicked, f"{selector} to be clicked")

    def type(self, selector: str, *keys: str) -> None:
        self.css(selector).send_keys(*keys)

    def press(self, *keys: str) -> None:
        """Keys to whatever has the focus; several are held together."""
        chain = ActionChains(self.driver)
        for key in keys:
            chain.key_down(key)
        for key in reversed(keys):
            chain.key_up(key)
        chain.perform()

    def replace(self, selector: str, text: str) -> None:
        """Overwrite a text field as a user would."""
        field = self.css(selector)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text)

    def click_at(self, selector: str, x: float, y: float, times: int = 1) -> None:
        """Click at fractions of an element's width and height (0, 0 is top left)."""
        element = self.css(selector)
        size = element.size  # selenium counts offsets from the centre
        chain = ActionChains(self.driver).move_to_element_with_offset(
            element, int(size["width"] * (x - 0.5)), int(size["height"] * (y - 0.5))
        )
        (chain.double_click() if times == 2 else chain.click()).perform()

    def click_mark(self, graph: str, x: float, y: float) -> None:
        """Click what a graph drew at that place, once plotly has noticed the pointer over it."""
        element = self.css(f"#{graph}")
        offset = [int(element.size[s] * (f - 0.5)) for s, f in (("width", x), ("height", y))]
        near = ActionChains(self.driver).move_to_element_with_offset(element, *offset)
        near.move_by_offset(1, 0).move_by_offset(-1, 0).perform()
        hovered = f"return !!document.querySelector('#{graph} .js-plotly-plot')?._hoverdata?.length"
        self.until(lambda: self.js(hovered), f"{graph} to notice the pointer")
        ActionChains(self.driver).click().perform()

    def resize(self, width: int, height: int) -> None:
        """Make the page itself that large; a window alone would not go below 500 pixels."""
        self.driver.browsing_context.set_viewport(
            context=self.driver.current_window_handle, viewport={"width": width, "height": height}
        )

    # waiting

    def until(
        self, condition: Callable[[], object], what: str, timeout: float = PATIENCE_SECONDS
    ) -> None:
        """Wait for `condition`; an element that is redrawn meanwhile counts as not yet."""

        def calm() -> object:
            try:
                return condition()
            except StaleElementReferenceException:
                return False

        wait_until(calm, f"{what} (at {self.driver.current_url}, {self.name})", timeout)

    def until_text(self, selector: str, text: str, timeout: float = PATIENCE_SECONDS) -> None:
        self.until(lambda: text in self.text(selector), f"{selector} to say {text!r}", timeout)

    def settle(self) -> None:
        """Wait until no callback is queued or running."""
        self.until(lambda: self.js(QUIET), "callbacks to finish")

    def painted(self, graph: str, marks: str) -> None:
        """Wait until the graph with that id has drawn something that matches `marks`."""
        selector = f"#{graph} .js-plotly-plot {marks}, #{graph}.js-plotly-plot {marks}"
        self.until(lambda: self.all(selector), f"{graph} to paint {marks}")

    # the console

    def drain(self) -> list[str]:
        """The error messages since the last call. Events come over another connection, so a mark
        is logged and awaited: what was logged before it has then arrived."""
        mark = f"mlt-mark-{next(self._marks)}"
        self.js("console.log(arguments[0])", mark)
        wait_until(lambda: any(text == mark for _, text in list(self._console)), "the console", 30)
        seen, self._console[:] = list(self._console), []
        return [text for level, text in seen if level == "error"]
