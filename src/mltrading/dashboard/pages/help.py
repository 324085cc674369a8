"""Help: what the marks on the screen mean, how figures are computed, what alerts do, the keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import Dash, html
from dash.development.base_component import Component

from mltrading.dashboard import frame
from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.components import (
    Children,
    command,
    missing,
    simulated_mark,
    stale_mark,
)
from mltrading.dashboard.registry import Page, shown
from mltrading.domain.access import Permission
from mltrading.services.price_alerts import MOST_A_DAY, MOST_ALERTS

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

ALERTS: tuple[tuple[Children, str], ...] = (
    (
        "What is judged",
        "Closed bars only: a bar counts once its exchange's calendar says that it is over and all "
        "of it is stored. A crossing is told with the bar that crosses, not while the price stays "
        "beyond; a bar that is corrected later is not judged again.",
    ),
    (
        "When",
        "As bars arrive, by the worker (mltrading worker). Where none runs, the page Alerts says "
        "so; what happened meanwhile is told once one runs again.",
    ),
    (
        "Pause, most a day",
        "After it told, an alert rests for its pause, and it tells at most as often a day as it "
        f"says (1 to {MOST_A_DAY}), by the date at the exchange. Bars in between are held back for "
        "good.",
    ),
    (
        "Told where",
        "Among the notices of the page Alerts, counted in the top bar until they are read; "
        "by e-mail too where this deployment sends any and the alert says so.",
    ),
    (
        "Preview",
        "How often the alert would have told over the newest year of stored bars, by the same "
        "rules. What was is no promise.",
    ),
    ("Yours alone", f"Nobody else sees your alerts; you may have {MOST_ALERTS}."),
)

OPERATIONS: tuple[tuple[Children, str], ...] = (
    (
        "Ops",
        "How this deployment runs, all of its processes together. “Not known” was not measured, "
        "and is no zero. Dashed lines are limits.",
    ),
    (
        "Ops: Alerts",
        "The rules of alerting.yml: which fire, who was told by which channel, and what is "
        "silenced. They tell operators of the deployment, never traders of prices. A silence needs "
        "a reason and ends by itself.",
    ),
    (
        "What to do",
        "Each rule has a section in the runbook (docs/runbook.md), to which its message leads.",
    ),
)


def layout(services: Services, search: str) -> Component:
    from mltrading.dashboard.pages import PAGES  # the pages import this one

    actor = current_actor()
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
            *_section("Alerts", ALERTS, actor.may(Permission.VIEW_SHARED_DATA)),
            *_section("Operations", OPERATIONS, actor.may(Permission.MODIFY_SETTINGS)),
            html.H2("Keyboard"),
            html.Div(frame.key_tables(shown(PAGES, services), services), className="key-columns"),
        ],
        className="page-text",
        id="help-page",
    )


def _section(title: str, entries: tuple[tuple[Children, str], ...], asked: bool) -> list[Component]:
    """For those whose pages it is about."""
    return [html.H2(title), _definitions(entries)] if asked else []


def _definitions(entries: tuple[tuple[Children, str], ...]) -> Component:
    parts: list[Component] = []
    for term, meaning in entries:
        parts += [html.Dt(term), html.Dd(meaning)]
    return html.Dl(parts, className="definitions")


def register(app: Dash, services: Services) -> None:
    """Nothing on this page changes."""


PAGE = Page("/help", "Help", "Help", "help", layout, register, graphs=False)
