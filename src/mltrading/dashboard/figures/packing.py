"""A price chart on its way: what follows from little is sent as little. chart_unpack.js makes the
figure of it again, so that both sides work with a plain figure."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from mltrading.dashboard.figures.traces import Figure


def packed(figure: Figure) -> Figure:
    """The figure with the stamps of `meta.ts` as their first and the runs of equal distances,
    positions 0..n-1 as their count, and two colours of many bars as a row of digits."""
    layout = figure["layout"]
    if not layout["meta"]["ts"]:
        return figure
    meta = layout["meta"] | {"ts": _stamps(layout["meta"]["ts"])}
    traces = [_trace(trace) for trace in figure["data"]]
    return {"data": traces, "layout": layout | {"meta": meta}}


def _stamps(ts: list[int]) -> Figure:
    steps = (after - before for before, after in zip(ts, ts[1:], strict=False))
    return {"first": ts[0], "runs": [[step, len(list(run))] for step, run in groupby(steps)]}


def _trace(trace: Figure) -> Figure:
    small = dict(trace)
    if "x" in trace:
        small["x"] = {"count": len(trace["x"])}
    colours = trace.get("marker", {}).get("color")
    if isinstance(colours, list):
        small["marker"] = trace["marker"] | {"color": _colours(colours)}
    return small


def _colours(colours: list[str]) -> Figure:
    names = sorted(set(colours))
    digits: dict[str, Any] = {name: str(number) for number, name in enumerate(names)}
    return {"names": names, "digits": "".join(map(digits.__getitem__, colours))}
