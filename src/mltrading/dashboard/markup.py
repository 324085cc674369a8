"""Plain HTML as data, for tables of many cells: drawn by static/js/markup.js in one go.

Every Dash component listens to the browser's store, and each change asks all of them: a table of
two thousand components blocks the page for minutes. As data it is one component. Text stays
text: the browser makes elements and text nodes of it, never HTML source.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    label: str,
    heads: Sequence[str],
    rows: Iterable[Node],
    id: str | None = None,
    *,
    stacked: bool = False,
) -> list[Any]:
    """A table in the frame that it scrolls in, which the keyboard reaches by its label. `stacked`:
    on a phone each row is a block instead, in which every cell says its head."""
    head = el("tr", *(el("th", name, scope="col") for name in heads))
    body = el("tbody", *(labelled(row, heads) if stacked else row for row in rows))
    name = "table stacked" if stacked else "table"
    whole = el("table", el("thead", head), body, class_=name, id=id)
    return el("div", whole, class_="table-wrap", tabindex="0", role="region", aria_label=label)


def labelled(row: Node, heads: Sequence[str]) -> Node:
    """The row, each of whose cells (but its own head) knows the head of its column, for a table of
    the class `stacked`; one that is no row of such cells as it is."""
    if isinstance(row, str) or len(row) != len(heads) + 2:
        return row
    tag, attributes, *cells = row
    known = (
        [cell[0], {**cell[1], "data-label": head}, *cell[2:]] if head and cell[0] == "td" else cell
        for cell, head in zip(cells, heads, strict=True)
    )
    return [tag, attributes, *known]


def hidden(text: str) -> list[Any]:
    """Text for screen readers only."""
    return el("span", text, class_="visually-hidden")


def missing(reason: str) -> list[Any]:
    """A figure that is not known, with the reason on hover and for screen readers."""
    return el("span", "—", hidden(reason), class_="missing", title=reason)
