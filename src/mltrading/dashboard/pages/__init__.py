"""The pages, in the order of the navigation."""

from __future__ import annotations

from mltrading.dashboard.pages import (
    account,
    admin,
    charts,
    compare,
    help,
    ops,
    ops_alerts,
    ops_deployments,
    ops_latency,
    ops_log,
    ops_usage,
    overview,
    price_alerts,
)
from mltrading.dashboard.registry import Page

PAGES: tuple[Page, ...] = (
    overview.PAGE,
    charts.PAGE,
    compare.PAGE,
    price_alerts.PAGE,
    ops.PAGE,
    ops_latency.PAGE,
    ops_log.PAGE,
    ops_alerts.PAGE,
    ops_deployments.PAGE,
    ops_usage.PAGE,
    admin.PAGE,
    help.PAGE,
    account.PAGE,
)
