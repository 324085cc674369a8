"""Small parts that the sections of the Ops page are made of, as markup."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from mltrading.dashboard.markup import Node, el, labelled

NOT_KNOWN = "not known"
MEGABYTE = 1_000_000


def unknown(reason: str) -> Node:
    """What stands where nothing was measured."""
    return el("span", NOT_KNOWN, class_="muted", title=reason)


def figure(label: str, value: float | None, shown: str, *, bad: bool = False) -> Node:
    """A figure with its name; `shown` is how it is written where it is known."""
    known = value is not None and math.isfinite(value)
    said = el("span", shown, class_="ops-figure") if known else unknown("nothing was measured")
    return el(
        "div",
        el("span", label, class_="ops-label"),
        said,
        class_="ops-stat is-bad" if known and bad else "ops-stat",
    )


def table(
    id: str, heads: Sequence[str], rows: Sequence[Node], nothing: str, *, stacked: bool = False
) -> list[Node]:
    """A table in its own scrolling box, or `nothing` in words. A head that begins with ">" is of
    figures, which stand on the right. `stacked`: on a phone each row is a block instead."""
    if not rows:
        return [el("p", nothing, class_="muted", id=id)]
    names = [head.lstrip(">") for head in heads]
    cells = [
        el("th", name, scope="col", class_="number" if head[:1] == ">" else None)
        for name, head in zip(names, heads, strict=True)
    ]
    body = el("tbody", *(labelled(one, names) if stacked else one for one in rows))
    name = "table stacked" if stacked else "table"
    shown = el("table", el("thead", el("tr", *cells)), body, class_=name, id=id)
    return [el("div", shown, class_="table-wrap", id=f"{id}-wrap")]


def row(head: Node, *cells: Node) -> Node:
    return el("tr", el("th", head, scope="row"), *cells)


def cell(child: Node) -> Node:
    return el("td", child)


def words(text: str) -> Node:
    """A cell of a sentence, which breaks where it is long."""
    return el("td", text, class_="ops-words")


def number(value: float | None, shown: str, reason: str = "nothing was measured") -> Node:
    """A figure of a table."""
    known = value is not None and math.isfinite(value)
    return el("td", shown if known else unknown(reason), class_="number")


def mark(text: str, *, bad: bool) -> Node:
    """A state in words; the bad ones stand out."""
    return el("span", text, class_="mark mark-stale" if bad else "ops-fine")


def met(state: bool | None, reason: str) -> Node:
    """Whether a limit is kept."""
    if state is None:
        return unknown(reason)
    return mark("met" if state else "not met", bad=not state)


def milliseconds(seconds: float) -> str:
    """0.0123 -> "12 ms", 2.5 -> "2.50 s"; "" for what is not known."""
    if not math.isfinite(seconds):
        return ""
    if seconds >= 1:
        return f"{seconds:,.2f} s"
    return f"{seconds * 1000:,.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms"


def share(fraction: float) -> str:
    """0.0123 -> "1.23%"; "" for what is not known. What there is is never written as 0."""
    if not math.isfinite(fraction):
        return ""
    percent = fraction * 100
    if 0 < percent < 0.01:
        return "< 0.01%"
    return f"{percent:.{0 if percent >= 10 or not percent else 1 if percent >= 1 else 2}f}%"


def amount(value: float, unit: str) -> str:
    """A figure in its unit, no finer than it can be read."""
    if not math.isfinite(value):
        return ""
    shown = f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:,.2g}"
    return f"{shown} {unit}".strip()


def stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"


def age(seconds: float) -> str:
    """How long ago, in the largest unit that leaves two digits."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:,.0f} s"
