"""What the tables of the page of alerts are made of, as markup."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from mltrading.dashboard.markup import Node, el


def table(id: str, heads: Sequence[str], rows: Sequence[Node], nothing: str) -> Node:
    """A table, or `nothing` in words. On a phone each row stands by itself, and each cell says
    what it is."""
    if not rows:
        return el("p", nothing, class_="muted", id=id)
    head = el("thead", el("tr", *(el("th", name, scope="col") for name in heads)))
    shown = el("table", head, el("tbody", *rows), class_="table stacked alerts-table", id=id)
    return el("div", shown, class_="table-wrap", id=f"{id}-wrap")


def cell(label: str, *children: Node | None, class_: str | None = None) -> Node:
    """`label`: the head of its column."""
    return el("td", el("div", *children), class_=class_, data_label=label)


def severity(name: str) -> Node:
    return el("span", name, class_=f"mark severity-{name}")


def stamp(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def short_stamp(moment: datetime, now: datetime) -> str:
    """Without the day where it is today."""
    at, today = moment.astimezone(UTC), now.astimezone(UTC).date()
    return f"{at:%H:%M:%S}" if at.date() == today else f"{at:%Y-%m-%d %H:%M}"
