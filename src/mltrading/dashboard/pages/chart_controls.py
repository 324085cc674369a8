"""The controls of Charts. They only show the state of the address; static/js/chart_tools.js turns
what the user does with them into a new address."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from mltrading.dashboard.components import aria, data, icon, patch_button, visually_hidden
from mltrading.domain.bars import INTERVALS, Interval
from mltrading.domain.indicators import (
    MAX_INDICATORS,
    REGISTRY,
    Indicator,
    IndicatorSpec,
    Parameter,
)
from mltrading.domain.view import KINDS, SCALES, ChartView, Range
from mltrading.services.charting import DEFAULT_RANGE
from mltrading.services.market import Chart

AUTO = ""  # value of the interval picker while the service chooses
SCALE_NAMES = {"linear": "lin", "log": "log", "percent": "%"}
FURTHER_WINDOWS = (50, 100, 200)  # offered when an indicator is drawn with its default already


def toolbar(view: ChartView) -> Component:
    """Interval, type, scale, indicators and ranges in one line."""
    return html.Div(
        [
            _segmented("interval-picker", "Interval: length of a bar", intervals(None), AUTO),
            _segmented("chart-type", "Chart type", [*KINDS], view.kind),
            _segmented("scale-picker", "Price scale", _scales(), view.scale),
            _indicator_picker(view),
            html.Div(
                ranges(view),
                id="range-buttons",
                className="segments",
                role="group",
                **aria(label="Range: the window shown"),
            ),
        ],
        className="chart-toolbar",
    )


def _segmented(id: str, label: str, options: Any, value: str) -> Component:
    radio = dcc.RadioItems(
        id=id,
        options=options,
        value=value,
        className="segments",
        labelClassName="segment",
        inputClassName="segment-input",
        inline=True,
    )
    return html.Div(radio, role="group", className="segments-box", **aria(label=label))


def _scales() -> list[dict[str, str]]:
    return [{"value": scale, "label": SCALE_NAMES[scale]} for scale in SCALES]


def intervals(chart: Chart | None) -> list[dict[str, Any]]:
    """Options of the interval picker; what the symbol can not be shown in is disabled."""
    known = INTERVALS if chart is None else chart.available
    shown = chart.interval if chart and chart.auto and len(chart.bars) else None
    return [
        {"value": AUTO, "label": html.Span("auto", title="The finest interval that fits")},
        *(
            {
                "value": interval.value,
                "label": _interval_label(interval, interval is shown),
                "disabled": interval not in known,
            }
            for interval in INTERVALS
        ),
    ]


def _interval_label(interval: Interval, shown: bool) -> Component | str:
    if not shown:
        return interval.value
    return html.Span(interval.value, className="is-shown", title="Shown now, chosen for you")


def ranges(view: ChartView) -> list[Component]:
    """A button for each range; the one that the address (or its absence) means is pressed."""
    pressed = view.range
    if pressed is None and view.start is None and view.end is None and view.interval is None:
        pressed = DEFAULT_RANGE
    return [
        patch_button(
            range.value,
            {"range": range.value, "start": None, "end": None},
            class_name="segment",
            **aria(pressed=str(range is pressed).lower()),
        )
        for range in Range
    ]


# -- indicators -----------------------------------------------------------------------------------


def _indicator_picker(view: ChartView) -> Component:
    summary = html.Summary(
        ["Indicators", html.Span(indicator_count(view.indicators), id="indicator-count")],
        className="button",
        title="Indicators (/)",
    )
    choices = html.Div(
        indicator_choices(view.indicators), id="indicator-choices", className="popover"
    )
    return html.Details([summary, choices], id="indicator-picker")


def indicator_count(active: Sequence[IndicatorSpec]) -> str:
    return str(len(active)) if active else ""


def indicator_choices(active: Sequence[IndicatorSpec]) -> list[Component]:
    """The drawn indicators with their parameters, and what can be added."""
    full = len(active) >= MAX_INDICATORS
    adding = f"{MAX_INDICATORS} are the most; remove one first" if full else "Add"
    return [
        *(_row(spec, number) for number, spec in enumerate(active)),
        html.Div(adding, className="indicator-heading"),
        html.Div([_add(entry, active, full) for entry in REGISTRY.values()], className="adds"),
    ]


def _row(spec: IndicatorSpec, number: int) -> Component:
    entry = REGISTRY[spec.name]
    pairs = zip(entry.parameters, spec.params, strict=True)
    inputs = [_parameter(parameter, value, number) for parameter, value in pairs]
    remove = html.Button(
        [icon("close"), visually_hidden(f"Remove {entry.title}")],
        type="button",
        className="icon-button indicator-remove",
        title=f"Remove {entry.title}",
        **data(remove=str(number)),
    )
    return html.Div(
        [
            html.Span(entry.title, className="indicator-name"),
            *inputs,
            remove,
            html.Div(className="indicator-problem", role="alert"),
        ],
        className="indicator-row",
        **data(name=spec.name, **({"ordered": "yes"} if entry.ordered else {})),
    )


def _parameter(parameter: Parameter, value: float, number: int) -> Component:
    """A number that the browser checks against the same limits as the address is read with."""
    field = dcc.Input(
        id={"type": "parameter", "row": number, "name": parameter.name},
        type="number",
        value=f"{value:g}",
        min=parameter.low,
        max=parameter.high,
        step=1 if parameter.whole else "any",
        debounce=True,
    )
    return html.Label([html.Span(parameter.name), field], className="indicator-parameter")


def _add(entry: Indicator, active: Sequence[IndicatorSpec], full: bool) -> Component:
    spec = _free(entry, active)
    return html.Button(
        entry.title,
        type="button",
        className="button",
        disabled=full or spec is None,
        **data(add=str(spec) if spec else ""),
    )


def _free(entry: Indicator, active: Sequence[IndicatorSpec]) -> IndicatorSpec | None:
    """The default of an indicator, or a longer window when that is drawn already."""
    default = entry.default()
    if default not in active:
        return default
    if not entry.parameters or entry.ordered:
        return None
    longer = (
        IndicatorSpec(entry.name, (window, *default.params[1:]))
        for window in FURTHER_WINDOWS
        if window <= entry.parameters[0].high
    )
    return next((spec for spec in longer if spec not in active), None)
