"""What the sections of the Ops page share: their links, the span of time, and how they are drawn.

Each section is a page of its own, so that nothing is asked for that nobody looks at. While it is on
screen static/js/ops.js asks anew every 15 seconds: the parts are drawn again, and what a user types
into is not among them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode

from dash import ClientsideFunction, Dash, Input, Output, ctx, dcc, html, no_update
from dash.development.base_component import Component
from dash.exceptions import PreventUpdate

from mltrading.dashboard.components import aria, data, graph, patch_button, skeleton
from mltrading.dashboard.guard.access import guarded
from mltrading.dashboard.markup import Node, el
from mltrading.dashboard.registry import Page
from mltrading.domain.access import Permission

if TYPE_CHECKING:
    from mltrading.services import Services

PATH = "/ops"
SECTIONS: Mapping[str, str] = {
    PATH: "Now",
    "/ops/latency": "Latency",
    "/ops/log": "Log",
    "/ops/alerts": "Alerts",
    "/ops/deployments": "Deployments",
    "/ops/usage": "Usage",
}
"""Every section by its path, in the order of the links."""
RANGES: Mapping[str, timedelta] = {
    "1h": timedelta(hours=1),
    "24h": timedelta(hours=24),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
DEFAULT_RANGE = "24h"
REFRESH_SECONDS = 15
CHART_PIXELS = 190

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a section shows: markup by part, and the figures of its charts."""

    parts: Mapping[str, list[Node]]
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Section:
    """One section. `charts`: graph id -> what its chart shows. `parts` are the ids of its markup,
    in their order after the charts, those of `first` before them; `form` is drawn when the address
    changes, and only then. `ranged`: whether a span of time is chosen, `default` if none is."""

    path: str
    name: str
    draw: Callable[[Services, Query], Drawn]
    parts: tuple[str, ...]
    first: tuple[str, ...] = ()
    charts: Mapping[str, str] = field(default_factory=dict)
    form: Callable[[Query], list[Node]] | None = None
    ranged: bool = True
    default: str = DEFAULT_RANGE

    @property
    def key(self) -> str:
        return "ops" + self.path.removeprefix(PATH).replace("/", "-")


def span_of(query: Query, default: str = DEFAULT_RANGE) -> timedelta:
    """The chosen span of time."""
    return RANGES[_range_name(query, default)]


def links(path: str, query: Query) -> list[Component]:
    """The links to all sections, which keep the chosen span of time."""
    kept = f"?{urlencode({'range': query['range']})}" if query.get("range") in RANGES else ""
    return [
        html.A(
            name,
            href=there + kept,
            className="sheet-tab",
            **(aria(current="page") if there == path else {}),
        )
        for there, name in SECTIONS.items()
    ]


def heading(path: str, search: str) -> list[Component]:
    """What every section begins with."""
    return [
        html.H1("Operations", className="visually-hidden"),
        html.Nav(
            links(path, parsed(search)),
            id="ops-sections",
            className="sheet-tabs",
            **aria(label="Sections of operations"),
        ),
    ]


def parsed(search: Any) -> dict[str, str]:
    return dict(parse_qsl(search.lstrip("?"))) if isinstance(search, str) else {}


def page_of(section: Section) -> Page:
    """The section as a page; the first stands for all of them in the navigation."""

    def layout(services: Services, search: str) -> Component:
        return _layout(section, search)

    def register(app: Dash, services: Services) -> None:
        _register(section, app, services)

    main = section.path == PATH
    return Page(
        section.path,
        "Ops" if main else f"Ops: {section.name}",
        "Operations" if main else f"{section.name} · Operations",
        "ops",
        layout,
        register,
        in_nav=main,
        graphs=bool(section.charts),
        permission=Permission.MODIFY_SETTINGS,
    )


def _layout(section: Section, search: str) -> Component:
    key, query = section.key, parsed(search)
    charts = [_chart(id, title) for id, title in section.charts.items()]
    return html.Div(
        [
            *heading(section.path, search),
            dcc.Store(id=f"{key}-tick"),
            dcc.Store(id=f"{key}-parts"),
            html.Div(
                [
                    html.Div(
                        _ranges(section, query),
                        id=f"{key}-range",
                        className="segments" if section.ranged else "",
                    ),
                    html.Span(id=f"{key}-at", className="muted ops-at"),
                ],
                className="ops-bar",
            ),
            *([html.Div(id=f"{key}-form", className="ops-form")] if section.form else []),
            *(html.Section(skeleton("ops-skeleton"), id=id) for id in section.first),
            *([html.Div(charts, className="ops-charts")] if charts else []),
            html.Div(
                [html.Section(skeleton("ops-skeleton"), id=id) for id in section.parts],
                className="ops-columns",
            ),
        ],
        id="ops",
        className="sheet ops",
        **data(refresh=f"{key}-tick", every=str(REFRESH_SECONDS)),
    )


def _chart(id: str, title: str) -> Component:
    drawn = graph(id, style={"height": CHART_PIXELS})
    return html.Figure([html.Figcaption(title), drawn], className="ops-chart")


def _register(section: Section, app: Dash, services: Services) -> None:
    key = section.key
    app.clientside_callback(ClientsideFunction("mlt", "opsDrawn"), Input(f"{key}-parts", "data"))

    @app.callback(
        Output(f"{key}-parts", "data"),
        Output(f"{key}-range", "children"),
        *[Output(id, "figure") for id in section.charts],
        Input("address", "data"),
        Input(f"{key}-tick", "data"),
    )
    @guarded(Permission.MODIFY_SETTINGS)
    def show(address: Any, tick: Any) -> tuple[Any, ...]:
        if not isinstance(address, dict) or address.get("path") != section.path:
            raise PreventUpdate
        query = parsed(address.get("search"))
        again = ctx.triggered_id == f"{key}-tick"
        drawn = section.draw(services, query)
        parts = {**drawn.parts, f"{key}-at": _as_of(services.clock.now())}
        if section.form and not again:
            parts[f"{key}-form"] = section.form(query)
        ranges: Any = no_update if again else _ranges(section, query)
        return parts, ranges, *(drawn.figures[id] for id in section.charts)


def _as_of(now: datetime) -> list[Node]:
    return [
        "As of ",
        el("span", f"{now.astimezone(UTC):%H:%M:%S}", class_="ops-moment"),
        f" UTC, every {REFRESH_SECONDS} s while you look",
    ]


def _range_name(query: Query, default: str) -> str:
    name = query.get("range", default)
    return name if name in RANGES else default


def _ranges(section: Section, query: Query) -> list[Component]:
    if not section.ranged:
        return []
    chosen = _range_name(query, section.default)
    return [
        patch_button(
            name.replace("h", " h").replace("d", " d"),
            {"range": None if name == section.default else name, "page": None},
            class_name="segment",
            **aria(pressed=str(name == chosen).lower()),
        )
        for name in RANGES
    ]
