"""The price chart as a figure: what is drawn, where, in what size and with which words."""

import json
from dataclasses import replace

import numpy as np
import pytest

from mltrading.dashboard import theme
from mltrading.dashboard.figures import ticks
from mltrading.dashboard.figures.candles import candles, x_window
from mltrading.domain.bars import DAY, Bars, Interval
from tests.factories import make_sessions
from tests.test_dashboard.charts_made import SYMBOL, make_chart, with_indicators

PALETTE = theme.palette("dark")


def plain(value: object) -> bool:
    """Whether a figure holds nothing but what JSON knows, so no NumPy array or number."""
    if isinstance(value, dict):
        return all(type(key) is str and plain(item) for key, item in value.items())
    if isinstance(value, list):
        return all(plain(item) for item in value)
    return value is None or type(value) in (str, int, float, bool)


def annotation(figure: dict, name: str) -> dict | None:
    return next((a for a in figure["layout"]["annotations"] if a.get("name") == name), None)


@pytest.mark.parametrize("kind", ["candles", "ohlc", "line", "area"])
@pytest.mark.parametrize("scale", ["linear", "log", "percent"])
def test_figure_is_plain_and_finite(kind: str, scale: str) -> None:
    query = with_indicators("sma:20,bbands:20:2,vwap,rsi:14,macd:12:26:9,obv")
    figure = candles(make_chart(query=f"{query}&type={kind}&scale={scale}"), PALETTE)
    assert plain(figure)
    json.dumps(figure, allow_nan=False)


def test_kinds_are_drawn_as_their_trace_types() -> None:
    drawn = {
        kind: candles(make_chart(query=f"symbol=AAPL&type={kind}"), PALETTE)["data"][0]
        for kind in ("candles", "ohlc", "line", "area")
    }
    types = {kind: trace["type"] for kind, trace in drawn.items()}
    assert types == {"candles": "candlestick", "ohlc": "ohlc", "line": "scatter", "area": "scatter"}
    assert "fill" in drawn["area"] and "fill" not in drawn["line"]


def test_positions_are_integers_and_prices_are_rounded_adjusted_ones() -> None:
    chart = make_chart(50)
    price = candles(chart, PALETTE)["data"][0]
    assert price["x"] == list(range(50))
    assert price["close"] == [round(float(v), 2) for v in chart.bars.close]  # about 100


def test_rising_bodies_are_hollow_and_colours_come_from_the_tokens() -> None:
    price = candles(make_chart(), PALETTE)["data"][0]
    assert price["increasing"]["line"]["color"] == PALETTE["up"]
    assert price["increasing"]["fillcolor"] == PALETTE["ground"]
    assert price["decreasing"]["fillcolor"] == PALETTE["down"]


def test_volume_bars_carry_the_direction_of_their_bar() -> None:
    chart = make_chart(80)
    volume = candles(chart, PALETTE)["data"][1]
    assert volume["type"] == "bar"
    rising = chart.bars.close >= chart.bars.open
    expected = [PALETTE["up"] if up else PALETTE["down"] for up in rising]
    assert volume["marker"]["color"] == expected


def test_source_without_volume_has_no_volume_pane() -> None:
    layout = candles(make_chart(has_volume=False), PALETTE)["layout"]
    assert [pane["name"] for pane in layout["meta"]["panes"]] == ["price"]
    assert layout["yaxis"]["domain"] == [0, 1]


def test_panes_share_the_height_without_overlap() -> None:
    query = with_indicators("rsi:14,macd:12:26:9,stoch:14:3:3,atr:14,adx:14,obv")
    panes = candles(make_chart(query=query), PALETTE)["layout"]["meta"]["panes"]
    assert [p["name"] for p in panes][:3] == ["price", "volume", "rsi"] and len(panes) == 8
    for upper, lower in zip(panes, panes[1:], strict=False):
        assert upper["bottom"] > lower["top"]
    assert panes[0]["top"] == 1 and panes[-1]["bottom"] == 0
    assert panes[0]["top"] - panes[0]["bottom"] > 0.3


def test_two_indicators_of_one_kind_share_a_pane() -> None:
    figure = candles(make_chart(query=with_indicators("rsi:14,rsi:50")), PALETTE)
    lines = [t for t in figure["data"] if t.get("meta", {}).get("pane") == "rsi"]
    assert len(lines) == 2 and len({t["yaxis"] for t in lines}) == 1
    assert len({t["line"]["color"] for t in lines}) == 2


def test_warm_up_is_a_gap_not_a_zero() -> None:
    figure = candles(make_chart(query=with_indicators("sma:20")), PALETTE)
    sma = figure["data"][-1]["y"]
    assert sma[:19] == [None] * 19 and all(isinstance(v, float) for v in sma[19:])


def test_rsi_has_its_guides_and_a_fixed_range() -> None:
    layout = candles(make_chart(query=with_indicators("rsi:14")), PALETTE)["layout"]
    guides = [s["y0"] for s in layout["shapes"] if s["yref"] == "y3"]
    assert guides == [30, 70]
    assert layout["yaxis3"]["range"] == [0, 100]


def test_directional_lines_are_called_as_traders_call_them() -> None:
    figure = candles(make_chart(query=with_indicators("adx:14")), PALETTE)
    drawn = [trace["meta"]["line"] for trace in figure["data"] if "line" in trace.get("meta", {})]
    assert drawn == ["adx", "+DI", "−DI"]


def test_y_fits_the_visible_bars_only() -> None:
    chart = make_chart(300, visible=(100, 150))
    low, high = candles(chart, PALETTE)["layout"]["yaxis"]["range"]
    seen = chart.bars[slice(100, 151)]
    assert low < seen.low.min() and high > seen.high.max()
    assert high - low < 1.2 * (seen.high.max() - seen.low.min())


def test_log_scale_has_a_log_axis_fitted_in_log10() -> None:
    chart = make_chart(query="symbol=AAPL&scale=log")
    axis = candles(chart, PALETTE)["layout"]["yaxis"]
    assert axis["type"] == "log"
    low, high = axis["range"]
    assert 10**low < chart.bars.low.min() and 10**high > chart.bars.high.max()


def test_percent_scale_counts_from_the_first_visible_close() -> None:
    chart = make_chart(300, "symbol=AAPL&scale=percent", visible=(60, 200))
    axis = candles(chart, PALETTE)["layout"]["yaxis"]
    said = dict(zip(axis["ticktext"], axis["tickvals"], strict=True))
    zero = next(text for text in said if text.startswith("0"))
    assert said[zero] == pytest.approx(chart.bars.close[60])
    other = next(text for text in said if text.startswith("+") or text.startswith("−"))
    percent = float(other.rstrip("%").replace("−", "-"))
    assert said[other] == pytest.approx(chart.bars.close[60] * (1 + percent / 100))


def test_newest_price_is_on_the_axis_only_when_it_is_loaded() -> None:
    chart = make_chart(120)
    label = annotation(candles(chart, PALETTE), "last")
    assert label is not None and label["text"] == f"{chart.bars.close[-1]:,.2f}"
    assert annotation(candles(replace(chart, more_right=True), PALETTE), "last") is None


def test_window_leaves_room_right_of_the_newest_bar_only() -> None:
    assert x_window(make_chart(300, visible=(50, 299)))[1] > 300
    assert x_window(make_chart(300, visible=(50, 200))) == [49.5, 200.5]


def test_window_of_ten_bars_shows_these_ten() -> None:
    """As far as the browser zooms in: a reload or a shared link shows the same bars."""
    assert x_window(make_chart(300, visible=(191, 200))) == [190.5, 200.5]


def test_window_of_too_few_bars_shows_those_before_and_fits_them_too() -> None:
    chart = make_chart(300, "symbol=AAPL&scale=percent", visible=(200, 200))
    layout = candles(chart, PALETTE)["layout"]
    assert layout["xaxis"]["range"] == [192.5, 200.5]
    on_screen = chart.bars[193:201]
    low, high = layout["yaxis"]["range"]
    assert low < on_screen.low.min() and high > on_screen.high.max()
    said = dict(zip(layout["yaxis"]["ticktext"], layout["yaxis"]["tickvals"], strict=True))
    zero = next(text for text in said if text.startswith("0"))
    assert said[zero] == pytest.approx(on_screen.close[0])


def test_a_billion_shares_are_not_giga() -> None:
    axis = candles(make_chart(), PALETTE)["layout"]["yaxis2"]
    assert axis["exponentformat"] == "B" and "tickformat" not in axis


def test_one_bar_is_not_one_giant_candle() -> None:
    figure = candles(make_chart(1), PALETTE)
    first, last = figure["layout"]["xaxis"]["range"]
    assert last - first >= 20
    low, high = figure["layout"]["yaxis"]["range"]
    assert low < high
    assert figure["layout"]["xaxis"]["ticktext"] == ["3 Jan 2022"]


def test_flat_prices_still_have_a_range() -> None:
    bars = make_sessions(40)
    flat = np.full(40, 5.0)
    level = replace(bars, open=flat, high=flat, low=flat, close=flat, adj_close=flat)
    for scale in ("linear", "log", "percent"):
        chart = make_chart(query=f"symbol=AAPL&scale={scale}", bars=level)
        low, high = candles(chart, PALETTE)["layout"]["yaxis"]["range"]
        assert low < high


def test_simulated_prices_say_so_across_the_chart() -> None:
    mark = annotation(candles(make_chart(simulated=True), PALETTE), "simulated")
    assert mark is not None and mark["text"] == "SIMULATED" and mark["textangle"] != 0
    assert annotation(candles(make_chart(), PALETTE), "simulated") is None


def test_forming_bar_is_marked() -> None:
    bars = make_sessions(30)
    final = bars.is_final.copy()
    final[-1] = False
    figure = candles(make_chart(bars=replace(bars, is_final=final)), PALETTE)
    assert figure["layout"]["meta"]["forming"] is True
    band = [s for s in figure["layout"]["shapes"] if s["type"] == "rect"]
    assert [(s["x0"], s["x1"]) for s in band] == [(28.5, 29.5)]
    assert not candles(make_chart(30), PALETTE)["layout"]["meta"]["forming"]


def test_no_bars_are_no_axes() -> None:
    figure = candles(make_chart(bars=Bars.empty()), PALETTE)
    assert figure["data"] == [] and not figure["layout"]["xaxis"]["visible"]
    assert figure["layout"]["meta"] == {"symbol": "AAPL", "ts": []}


def test_names_are_text_never_markup() -> None:
    chart = make_chart(symbol=replace(SYMBOL, code="<b>x</b>"))
    assert candles(chart, PALETTE)["data"][0]["name"] == "&lt;b&gt;x&lt;/b&gt;"


def test_meta_says_what_positions_stand_for() -> None:
    chart = make_chart(40, interval=Interval.M15, finer=True, more_left=True)
    meta = candles(chart, PALETTE)["layout"]["meta"]
    assert meta["ts"] == [int(t) // 1_000_000 for t in chart.bars.ts]
    assert meta["seconds"] == 900 and meta["intraday"] and meta["tz"] == "America/New_York"
    assert meta["finer"] and meta["more_left"] and not meta["more_right"]


@pytest.mark.parametrize(
    ("interval", "days_after", "apart"),
    [(Interval.D1, 0, 20), (Interval.W1, 2, 20), (Interval.M15, -1, 0)],
)
def test_meta_names_the_bar_whose_change_is_none(
    interval: Interval, days_after: int, apart: int
) -> None:
    chart = make_chart(40, interval=interval)
    assert candles(chart, PALETTE)["layout"]["meta"]["apart"] is None
    at = 0 if interval.intraday else 20
    broken = int(chart.bars.ts[at]) + days_after * DAY
    chart = replace(chart, trust=replace(chart.trust, broken=broken))
    assert candles(chart, PALETTE)["layout"]["meta"]["apart"] == apart


def test_time_labels_that_only_finer_bars_would_need_do_not_travel() -> None:
    def most(finer: bool) -> int:
        chart = make_chart(1400, interval=Interval.M15, finer=finer)
        found = candles(chart, PALETTE)["layout"]["meta"]["ticks"]
        return max(len(level["positions"]) for level in found)

    assert most(finer=True) <= ticks.LABELS_UNTIL_FINER < most(finer=False)


def test_every_answer_is_a_view_of_its_own_for_plotly() -> None:
    shown = [
        make_chart(),
        make_chart(query="symbol=IBM"),
        make_chart(visible=(10, 200)),
        make_chart(200),
    ]
    keys = [candles(chart, PALETTE)["layout"]["uirevision"] for chart in shown]
    assert len(set(keys)) == len(shown)


def test_a_band_that_falls_to_zero_does_not_press_the_bars_into_a_corner() -> None:
    chart = make_chart(300, with_indicators("bbands:20:2") + "&scale=log")
    lower = chart.indicators[0].lines["lower"]
    lower[100:110] = 1e-9
    low, high = candles(chart, PALETTE)["layout"]["yaxis"]["range"]
    bars = np.log10(chart.bars.high.max()) - np.log10(chart.bars.low.min())
    assert high - low < 2.2 * bars
