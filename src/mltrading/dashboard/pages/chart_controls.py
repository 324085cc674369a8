"""The controls of Charts. They only show the state of the address; static/js/chart_tools.js turns
what the user does with them into a new address."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from dash import dcc, html
from dash.development.base_component import Component

from mltrading.dashboard.components import aria, data, icon, patch_button, visually_hidden
from mltrading.dashboard.exports import csv_link
from mltrading.dashboard.sealed import sealed
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

SCALE_NAMES = {"linear": "lin", "log": "log", "percent": "%"}
SCALE_TITLES = {"linear": "Linear", "log": "Logarithmic (Alt L)", "percent": "Percent (Alt P)"}
FURTHER_WINDOWS = (50, 100, 200)  # offered when an indicator is drawn with its default already


BASIC = ("interval-picker", "range-buttons")
ADVANCED = ("chart-type", "scale-picker", "indicator-choices", "indicator-count")
"""Whose children `state` tells, in its order: those of ADVANCED after the others, where the
deployment has them (features.advanced_charts)."""


def toolbar(view: ChartView, advanced: bool) -> Component:
    """Interval, type, scale, indicators and ranges in one line."""
    more = [
        _group("chart-type", "Chart type", kinds(view)),
        _group("scale-picker", "Price scale", scales(view)),
        _indicator_picker(view),
    ]
    return html.Div(
        [
            _group("interval-picker", "Interval: the length of a bar", intervals(view.interval)),
            *(more if advanced else []),
            csv_link(None, "these bars and indicators", id="chart-csv"),
            _group(
                "range-buttons",
                "Range: the window shown",
                ranges(view),
                **data(default=DEFAULT_RANGE.value),
            ),
        ],
        className="chart-toolbar",
    )


def _group(id: str, label: str, buttons: list[Component], **more: str) -> Component:
    attributes = aria(label=label) | more
    return html.Div(buttons, id=id, className="segments", role="group", **attributes)


def _segment(
    name: str,
    pressed: bool,
    *,
    title: str = "",
    shown: bool = False,
    disabled: bool = False,
    **changes: str | None,
) -> Component:
    return patch_button(
        name,
        changes,
        class_name="segment is-shown" if shown else "segment",
        disabled=disabled,
        title=title or None,
        **aria(pressed=str(pressed).lower()),
    )


def state(view: ChartView, chart: Chart | None, advanced: bool) -> tuple[Any, ...]:
    """What the controls show, in the order of BASIC and ADVANCED."""
    available = INTERVALS if chart is None else chart.available
    chosen = chart.interval if chart and chart.auto and len(chart.bars) else None
    # The symbol and the exact window change nothing here, so views share what was built once.
    moved = view.start is not None or view.end is not None
    key = replace(view, symbol=None, start=0 if moved else None, end=None)
    return _basic(key, available, chosen) + (_advanced(key) if advanced else ())


@lru_cache(maxsize=512)
def _basic(
    view: ChartView, available: tuple[Interval, ...], chosen: Interval | None
) -> tuple[Any, ...]:
    return sealed(intervals(view.interval, available, chosen)), sealed(ranges(view))


@lru_cache(maxsize=512)
def _advanced(view: ChartView) -> tuple[Any, ...]:
    return (
        sealed(kinds(view)),
        sealed(scales(view)),
        sealed(indicator_choices(view.indicators)),
        indicator_count(view.indicators),
    )


def intervals(
    asked: Interval | None,
    available: tuple[Interval, ...] = INTERVALS,
    chosen: Interval | None = None,
) -> list[Component]:
    """One button an interval, and "auto"; what the symbol can not be shown in is disabled.

    Pressed is what was asked for; the interval that the service chose instead is underlined.
    """
    auto = _segment("auto", asked is None, title="The finest interval that fits", interval=None)
    return [
        auto,
        *(
            _segment(
                interval.value,
                asked is interval,
                title="Shown now, chosen to fit" if interval is chosen else "",
                shown=interval is chosen,
                disabled=interval not in available,
                interval=interval.value,
            )
            for interval in INTERVALS
        ),
    ]


def kinds(view: ChartView) -> list[Component]:
    return [
        _segment(kind, view.kind == kind, type=None if kind == KINDS[0] else kind) for kind in KINDS
    ]


def scales(view: ChartView) -> list[Component]:
    return [
        _segment(
            SCALE_NAMES[scale],
            view.scale == scale,
            title=SCALE_TITLES[scale],
            scale=None if scale == SCALES[0] else scale,
        )
        for scale in SCALES
    ]


def ranges(view: ChartView) -> list[Component]:
    """A button for each range; the one that the address (or its absence) means is pressed."""
    pressed = view.range
    if pressed is None and view.start is None and view.end is None and view.interval is None:
        pressed = DEFAULT_RANGE
    return [
        _segment(range.value, range is pressed, range=range.value, start=None, end=None)
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
