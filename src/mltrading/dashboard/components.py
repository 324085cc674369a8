"""Small pieces that every page is composed of. Only structure and class names; looks are CSS."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

Children = Any  # what Dash accepts as children: text, a component, or a list of them

GRAPH_CONFIG: dict[str, Any] = {
    "showSendToCloud": False,  # plotly.js 4 offers an upload to its makers by default
    "displaylogo": False,
    "displayModeBar": False,
    "responsive": True,
    "doubleClick": False,  # pages define what a double click resets
}


BLANK_FIGURE: dict[str, Any] = {  # see-through, so that the skeleton behind a graph shows
    "data": [],
    "layout": {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "xaxis": {"visible": False, "fixedrange": True},
        "yaxis": {"visible": False, "fixedrange": True},
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0},
    },
}


def aria(**attributes: str) -> dict[str, Any]:
    """Keyword arguments for ARIA attributes: `html.Nav(..., **aria(label="Pages"))`."""
    return {f"aria-{name}": value for name, value in attributes.items()}


def data(**attributes: str) -> dict[str, Any]:
    """Keyword arguments for data attributes, read by static/js: `**data(code="AAPL")`."""
    return {f"data-{name}": value for name, value in attributes.items()}


def graph(id: str, *, config: dict[str, Any] | None = None, **props: Any) -> dcc.Graph:
    """The only way a page makes a Graph, so that no chart can upload its data anywhere. It is
    blank until a callback draws it."""
    merged: Any = GRAPH_CONFIG | (config or {})
    return dcc.Graph(id=id, config=merged, figure=BLANK_FIGURE, **props)


def icon(name: str) -> html.Span:
    """A decorative icon of static/css/icons.css in the colour of the text around it."""
    return html.Span(className=f"icon icon-{name}", **aria(hidden="true"))


def patch_button(
    children: Children,
    changes: Mapping[str, str | None],
    *,
    class_name: str = "button",
    disabled: bool = False,
    **attributes: Any,
) -> html.Button:
    """A button that edits the query of the address (None removes a key), done by address.js.

    There is no callback behind it, hence none that fires without a click.
    """
    return html.Button(
        children,
        type="button",
        className=class_name,
        disabled=disabled,
        **data(patch=json.dumps(dict(changes), ensure_ascii=False)),
        **attributes,
    )


def skeleton(class_name: str = "") -> html.Div:
    """A grey block that holds the place of content of the same size."""
    return html.Div(className=f"skeleton {class_name}".strip(), **aria(hidden="true"))


def empty(title: str, advice: Children) -> html.Div:
    """What stands where there is nothing to show: the fact, and what to do next."""
    return html.Div([html.H2(title), html.Div(advice)], className="empty")


def command(text: str) -> html.Code:
    """A command that the reader can copy into a terminal."""
    return html.Code(text, className="command")


def visually_hidden(text: str) -> html.Span:
    """Text for screen readers only."""
    return html.Span(text, className="visually-hidden")


def simulated_mark() -> html.Span:
    """The mark beside anything that rests on generated prices."""
    return html.Span(
        "Simulated", className="mark mark-simulated", title="Generated prices, not a real market"
    )


def stale_mark(text: str, title: str = "") -> html.Span:
    """The amber mark beside data older than it should be; `text` carries the age."""
    return html.Span(text, className="mark mark-stale", title=title or text)


def missing(reason: str) -> html.Span:
    """A figure that is not known, with the reason on hover and for screen readers."""
    return html.Span(["—", visually_hidden(reason)], className="missing", title=reason)


def toast(text: str, kind: str = "info", action: Component | None = None) -> list[Component]:
    """Children of the toast region (`set_props("toast", {"children": toast(...)})`): one line.

    `kind` is "info" or "error".
    """
    close = html.Button(
        icon("close"), className="toast-close", type="button", **aria(label="Dismiss")
    )
    parts = [html.Span(text, className="toast-text"), *([action] if action else []), close]
    return [html.Div(parts, className=f"toast toast-{kind}")]
