"""Overview: breadth of sectors and industries beside the table of all symbols."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dash import Dash, html
from dash.development.base_component import Component

from mltrading.dashboard.registry import Page

if TYPE_CHECKING:
    from mltrading.services import Services


def layout(services: Services, search: str) -> Component:
    return html.Div(html.H1("Overview"), id="overview")


def register(app: Dash, services: Services) -> None:
    """Added with the table."""


PAGE = Page("/", "Overview", "Overview", "overview", layout, register)
