"""Every route of the dashboard, and who may reach it. What is not here is closed, and stops the
start (complete.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from mltrading.dashboard.guard.access import Access, Right
from mltrading.dashboard.serving import PLOTLY_URL
from mltrading.domain.access import Permission

CALLBACKS = "/_dash-update-component"


@dataclass(frozen=True, slots=True)
class Route:
    """`document`: a person opens it, and is sent to /login first where need be. `page`: the page
    at the path asked for may ask for more. `limited`: costs as much as a callback, and may be asked
    for as often; by an address where nobody is signed in. `health`: answered by plain HTTP too.
    `unasked`: pages ask by themselves, which is no use of a session."""

    right: Right
    document: bool = False
    page: bool = False
    limited: bool = False
    health: bool = False
    unasked: bool = False


_OPEN = Route(Access.PUBLIC)
_OPEN_DOCUMENT = Route(Access.PUBLIC, document=True)
_LIMITED_DOCUMENT = Route(Access.PUBLIC, document=True, limited=True)
_SESSION = Route(Access.SIGNED_IN)
_EXPORT = Route(Permission.EXPORT_DATA, limited=True)
_PAGE = Route(Access.SIGNED_IN, document=True, page=True)
_HEALTH = Route(Access.PUBLIC, health=True)

ROUTES: Mapping[str, Route] = MappingProxyType(
    {
        "/": _PAGE,
        "/<path:path>": _PAGE,
        "/_dash-layout": _SESSION,
        "/_dash-dependencies": _SESSION,
        CALLBACKS: _SESSION,  # each callback has a right of its own
        "/_reload-hash": _SESSION,
        "/_dash-component-suites/<string:package_name>/<path:fingerprinted_path>": _OPEN,
        PLOTLY_URL: _OPEN,
        "/assets/<path:filename>": _OPEN,
        "/favicon.ico": _OPEN,
        "/_favicon.ico": _OPEN,
        "/health": _HEALTH,
        "/health/live": _HEALTH,
        "/health/ready": _HEALTH,
        "/health/full": _HEALTH,  # asks for a token or an administrator itself
        "/metrics": _HEALTH,  # asks for a token itself
        "/timings": _SESSION,
        "/notices": Route(Access.SIGNED_IN, unasked=True),
        "/export/chart.csv": _EXPORT,
        "/export/overview.csv": _EXPORT,
        "/export/compare.csv": _EXPORT,
        "/export/compare-metrics.csv": _EXPORT,
        "/export/audit.csv": Route(Permission.MODIFY_SETTINGS, limited=True),
        "/login": _OPEN_DOCUMENT,
        "/logout": _OPEN_DOCUMENT,
        "/password/<link>": _LIMITED_DOCUMENT,
        "/openid/begin": _LIMITED_DOCUMENT,
        "/openid/back": _LIMITED_DOCUMENT,
    }
)
