"""The pages, in the order of the navigation."""

from __future__ import annotations

from mltrading.dashboard.pages import (
    account,
    admin,
    charts,
    compare,
    help,
    ops_alerts,
    overview,
    price_alerts,
)
from mltrading.dashboard.registry import Page

PAGES: tuple[Page, ...] = (
    overview.PAGE,
    charts.PAGE,
    compare.PAGE,
    price_alerts.PAGE,
    ops_alerts.PAGE,
    admin.PAGE,
    help.PAGE,
    account.PAGE,
)
