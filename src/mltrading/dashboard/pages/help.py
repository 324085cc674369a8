"""Help: the keys, and what the words and marks on the screen mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import Dash, html
from dash.development.base_component import Component

from mltrading.dashboard.registry import Page

if TYPE_CHECKING:
    from mltrading.services import Services


def layout(services: Services, search: str) -> Component:
    return html.Div(html.H1("Help"), className="page-text", id="help-page")


def register(app: Dash, services: Services) -> None:
    """Help is static."""


PAGE = Page("/help", "Help", "Help", "help", layout, register, graphs=False)
