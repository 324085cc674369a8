"""What stands in place of a page that the user has no right to."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from mltrading.dashboard.components import empty
from mltrading.domain.access import Actor, Permission, holders

TITLE = "No right"


def layout(permission: Permission, actor: Actor) -> Component:
    """Says for whom the page is and what to do; the name of the right is a detail."""
    if actor.must_enrol(permission):
        title = "Set up your second factor first"
        said, place, link = "An administrator needs one before anything else.", "/account", "Set up"
    else:
        title = "This page is not for your role"
        said = f"It is for {holders(permission)}. An administrator can give you another role."
        place, link = "/help", "Open the Help"
    advice = [
        html.P(said),
        html.P(["The right that it needs: ", html.Code(permission.value)], className="muted"),
        html.P(html.A(link, href=place, className="button")),
    ]
    return html.Div(empty(title, advice), id="forbidden", className="page-centre")
