"""Nothing is open because somebody forgot to close it: looked at before anything is served."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dash import Dash

from mltrading.dashboard.guard.access import right_of
from mltrading.dashboard.guard.routes import ROUTES
from mltrading.errors import ConfigurationError

# Ways to a callback besides the one route that the guard stands at.
_OTHER_WAYS = ("background", "websocket", "mcp_enabled")


def refuse_unguarded(app: Dash) -> None:
    """ConfigurationError naming the routes and callbacks of `app` that say not who may reach them.
    Call it when all are registered."""
    open_ones = [*_routes(app), *_callbacks(app.callback_map)]
    if open_ones:
        raise ConfigurationError(
            f"nobody says who may reach {', '.join(open_ones)}: add routes to guard/routes.py, and"
            " @guarded(...) under @app.callback(...)"
        )


def _routes(app: Dash) -> Iterator[str]:
    for rule in app.server.url_map.iter_rules():
        if rule.rule not in ROUTES:
            yield f"the route {rule.rule}"


def _callbacks(callbacks: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for output, entry in callbacks.items():
        if "callback" not in entry:  # it runs in the browser
            continue
        if right_of(entry["callback"]) is None:
            yield f"the callback of {output}"
        for way in _OTHER_WAYS:
            if entry.get(way):
                yield f"the callback of {output} by way of '{way}'"
