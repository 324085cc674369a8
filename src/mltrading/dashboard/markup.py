"""Plain HTML as data, for tables of many cells: drawn by static/js/markup.js in one go.

Every Dash component listens to the browser's store, and each change asks all of them: a table of
two thousand components blocks the page for minutes. As data it is one component. Text stays
text: the browser makes elements and text nodes of it, never HTML source.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Node = str | list[Any]
"""A text, or [tag, {attribute: value}, child, ...]."""


def el(tag: str, *children: Node | None, **attributes: str | None) -> list[Any]:
    """One element: `el("td", "+1.2%", class_="up", aria_label="...")`.

    Underscores become dashes, a last one falls off. Attributes of None and children of None are
    left out. `var_x` sets the CSS variable `--x` of the element.
    """
    named = {
        name.rstrip("_").replace("_", "-"): value
        for name, value in attributes.items()
        if value is not None
    }
    return [tag, named, *(child for child in children if child is not None)]


def table(
    label: str, heads: Iterable[str], rows: Iterable[Node], id: str | None = None
) -> list[Any]:
    """A table in the frame that it scrolls in, which the keyboard reaches by its label."""
    head = el("tr", *(el("th", name, scope="col") for name in heads))
    whole = el("table", el("thead", head), el("tbody", *rows), class_="table", id=id)
    return el("div", whole, class_="table-wrap", tabindex="0", role="region", aria_label=label)


def hidden(text: str) -> list[Any]:
    """Text for screen readers only."""
    return el("span", text, class_="visually-hidden")


def missing(reason: str) -> list[Any]:
    """A figure that is not known, with the reason on hover and for screen readers."""
    return el("span", "—", hidden(reason), class_="missing", title=reason)
