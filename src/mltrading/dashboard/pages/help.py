"""Help: the keys, what the marks on the screen mean, and how figures are computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import Dash, html
from dash.development.base_component import Component

from mltrading.dashboard import frame
from mltrading.dashboard.components import (
    Children,
    command,
    missing,
    simulated_mark,
    stale_mark,
)
from mltrading.dashboard.registry import Page, shown

if TYPE_CHECKING:
    from mltrading.services import Services

MARKS: tuple[tuple[Children, str], ...] = (
    (
        stale_mark("13 y"),
        "The newest bar is that old: its exchange has completed sessions since that are not "
        "stored. Import newer bars to clear it.",
    ),
    (simulated_mark(), "Generated prices of a made-up exchange. Not a real market."),
    (
        missing("An example"),
        "Not known. Hover over it, or let a screen reader read it, for the reason; it is never a "
        "zero in disguise.",
    ),
    (
        "auto",
        "The chart shows a coarser bar than asked, or picked one, because the window would not "
        "fit otherwise. Zooming in loads finer bars.",
    ),
    (
        "adjusted",
        "The newest price is what was traded; earlier ones are scaled by adjusted close over "
        "close, so that the splits and dividends since make no jump.",
    ),
)

FIGURES: tuple[tuple[str, str], ...] = (
    (
        "1 day, 1 week, 1 month, 1 year",
        "Close of the newest session (the column Last, as traded) over the adjusted close that "
        "long before, minus one.",
    ),
    (
        "52 weeks",
        "Where the newest close stands between the lowest and the highest price of the last 52 "
        "weeks: 0% at the low, 100% at the high.",
    ),
    (
        "Sharpe",
        "Mean over standard deviation (one degree of freedom) of the returns per session in "
        "excess of a risk-free rate of zero, times the square root of 252. Needs three sessions.",
    ),
    ("Drawdown", "Value over its highest value so far, minus one; never above zero."),
)


def layout(services: Services, search: str) -> Component:
    from mltrading.dashboard.pages import PAGES  # the pages import this one

    return html.Div(
        [
            html.H1("Help"),
            html.H2("Your data"),
            html.P(
                ["Store the bars of CSV or Parquet files with ", command("mltrading import FILE")]
            ),
            html.P(["All options, with an example: ", command("mltrading import --help")]),
            html.H2("Marks"),
            _definitions(MARKS),
            html.H2("Figures"),
            _definitions(FIGURES),
            html.H2("Keyboard"),
            html.Div(frame.key_tables(shown(PAGES, services), services), className="key-columns"),
        ],
        className="page-text",
        id="help-page",
    )


def _definitions(entries: tuple[tuple[Children, str], ...]) -> Component:
    parts: list[Component] = []
    for term, meaning in entries:
        parts += [html.Dt(term), html.Dd(meaning)]
    return html.Dl(parts, className="definitions")


def register(app: Dash, services: Services) -> None:
    """Nothing on this page changes."""


PAGE = Page("/help", "Help", "Help", "help", layout, register, graphs=False)
