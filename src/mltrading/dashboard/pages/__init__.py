"""The pages, in the order of the navigation."""

from __future__ import annotations

from mltrading.dashboard.pages import compare, help, overview
from mltrading.dashboard.registry import Page

PAGES: tuple[Page, ...] = (overview.PAGE, compare.PAGE, help.PAGE)
