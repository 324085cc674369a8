"""The colours of static/tokens.css for figures, which can not read CSS variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from flask import has_request_context, request

from mltrading.dashboard.serving import static_folder

THEMES = ("dark", "light")
DEFAULT = "dark"
COOKIES = ("theme", "system_theme")  # what was chosen, else what the system has (js/theme.js)

Palette = Mapping[str, str]


def current() -> str:
    """The theme of the request's cookies; dark where they tell none."""
    if not has_request_context():
        return DEFAULT
    told = (request.cookies.get(name) for name in COOKIES)
    return next((theme for theme in told if theme in THEMES), DEFAULT)


@cache
def palette(theme: str) -> Palette:
    """Token name without its dashes ("up", "series-1") -> value, for `theme`."""
    return MappingProxyType(_parse(_text(), theme))


def _text() -> str:
    css = (static_folder() / "tokens.css").read_text(encoding="utf-8")
    return re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)


def _parse(css: str, theme: str) -> dict[str, str]:
    """The tokens that hold under `:root[data-theme=theme]`, later rules winning as in CSS."""
    wanted = {":root", f':root[data-theme="{theme}"]'}
    tokens: dict[str, str] = {}
    for selectors, body in re.findall(r"([^{}]+)\{([^{}]*)\}", css):
        if wanted & {selector.strip() for selector in selectors.split(",")}:
            tokens |= {
                name: value.strip() for name, value in re.findall(r"--([\w-]+):([^;]+);", body)
            }
    return tokens
