"""What stands in place of a page that the user has no right to."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from mltrading.dashboard.components import empty
from mltrading.domain.access import Permission

TITLE = "No right"


def layout(permission: Permission) -> Component:
    """Says which right is missing, and who can give it."""
    advice = [
        html.P(["It needs the right ", html.Code(permission.value), "; ask an administrator."]),
        html.P(html.A("Open the Help", href="/help", className="button")),
    ]
    said = empty("This page is not for your role", advice)
    return html.Div(said, id="forbidden", className="page-centre")
