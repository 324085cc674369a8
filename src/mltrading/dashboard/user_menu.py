"""The menu of who is signed in. Signing out is a form, which static/js/forms.js sends."""

from __future__ import annotations

from dash import html
from dash.development.base_component import Component

from mltrading.dashboard.components import aria, data
from mltrading.domain.access import Actor


def user_menu(actor: Actor) -> Component:
    role = actor.role.value if actor.role else ""
    return html.Details(
        [
            html.Summary(
                actor.email[:1].upper(),
                title=f"{actor.email} ({role})",
                **aria(label=f"Signed in as {actor.email}"),
            ),
            html.Div(
                [
                    html.Span(actor.email, className="user-email"),
                    html.Span(role, className="muted"),
                    html.A("Account", href="/account"),
                    html.Button(
                        "Sign out",
                        id="sign-out",
                        type="button",
                        className="button",
                        **data(post="/logout"),
                    ),
                ],
                className="user-menu-list",
            ),
        ],
        id="user-menu",
    )
