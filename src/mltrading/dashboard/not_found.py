"""The page for an address that does not exist."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from mltrading.dashboard.components import empty

TITLE = "Not found"


def layout(path: str) -> Component:
    """Says which address is unknown, and where to go."""
    return html.Div(
        empty(
            "There is no page here",
            [
                html.P(["Nothing is at ", html.Code(path[:200] or "/"), "."]),
                html.P(html.A("Open the Overview", href="/", className="button")),
            ],
        ),
        id="not-found",
        className="page-centre",
    )
