"""What a price chart is packed into says the same in fewer bytes, in Python as in the browser."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltrading.dashboard import theme
from mltrading.dashboard.figures.candles import candles
from mltrading.dashboard.figures.packing import packed
from mltrading.domain.bars import Interval
from tests.test_dashboard.charts_made import make_chart
from tools.postgres_matrix import node

SCRIPT = Path(__file__).parents[2] / "static" / "js" / "chart_unpack.js"
PALETTE = theme.palette("dark")


def unpacked(figure: Any) -> Any:
    """What chart_unpack.js does, in Python."""
    ts = figure["layout"]["meta"]["ts"]
    whole = [ts["first"]]
    for step, count in ts["runs"]:
        whole += [whole[-1] + step * (n + 1) for n in range(count)]
    figure["layout"]["meta"]["ts"] = whole
    for trace in figure["data"]:
        if "x" in trace:
            trace["x"] = list(range(trace["x"]["count"]))
        colours = trace.get("marker", {}).get("color")
        if isinstance(colours, dict):
            trace["marker"]["color"] = [colours["names"][int(d)] for d in colours["digits"]]
    return figure


@pytest.mark.parametrize("interval", [Interval.M5, Interval.D1])
@pytest.mark.parametrize("query", ["symbol=A", "symbol=A&type=line&indicators=macd:12:26:9,rsi:14"])
def test_nothing_is_lost_on_the_way(interval: Interval, query: str) -> None:
    whole = candles(make_chart(query=query, interval=interval), PALETTE)
    small = packed(whole)
    assert len(orjson.dumps(small)) < 0.8 * len(orjson.dumps(whole))
    assert unpacked(json.loads(orjson.dumps(small))) == json.loads(orjson.dumps(whole))


def test_a_figure_without_bars_is_as_it_was() -> None:
    empty = candles(make_chart(0), PALETTE)
    assert packed(empty) == empty


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=50, unique=True))
@settings(deadline=None)
def test_any_stamps_come_back(stamps: list[int]) -> None:
    figure = {"data": [], "layout": {"meta": {"ts": sorted(stamps)}}}
    assert unpacked(packed(figure)) == figure


def test_the_script_makes_the_same_figure_and_leaves_a_whole_one() -> None:
    whole = candles(make_chart(40, query="symbol=A&indicators=macd:12:26:9"), PALETTE)
    program = (
        "const window = {mlt: {chart: {}}};\n"
        f"{SCRIPT.read_text()}\n"
        "const once = window.mlt.chart.unpacked(JSON.parse(require('fs').readFileSync(0)));\n"
        "console.log(JSON.stringify(window.mlt.chart.unpacked(once)));"
    )
    done = subprocess.run(
        [node(), "-e", program],
        input=orjson.dumps(packed(whole)),
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout) == json.loads(orjson.dumps(whole))
