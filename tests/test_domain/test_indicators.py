"""Indicators against formulas written again in pandas, and the values nobody may invent."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltrading.domain.bars import Bars, Floats, Interval
from mltrading.domain.indicators import REGISTRY, IndicatorSpec, compute, label, parse_spec, warm_up
from tests.factories import make_bars, make_sessions

NEW_YORK = "America/New_York"
ALL_SPECS = [entry.default() for entry in REGISTRY.values()]


def lines(text: str, bars: Bars, interval: Interval = Interval.D1) -> dict[str, Floats]:
    return compute(parse_spec(text), bars, interval, NEW_YORK)


def series(values: Floats) -> pd.Series[float]:
    return pd.Series(values)


def wilder(values: pd.Series[float], window: int) -> Floats:
    """Wilder's average, seeded with the mean of the first `window` values."""
    found = np.full(len(values), np.nan)
    first = int(values.first_valid_index() or 0)
    found[first + window - 1] = values.iloc[first : first + window].mean()
    for n in range(first + window, len(values)):
        found[n] = (found[n - 1] * (window - 1) + values.iloc[n]) / window
    return found


def agree(ours: Floats, theirs: object, rtol: float = 1e-9) -> None:
    """Equal, and unknown at the same bars."""
    np.testing.assert_allclose(ours, np.asarray(theirs, dtype=float), rtol=rtol, atol=1e-9)


BARS = make_sessions(600, seed=3)


def test_sma_is_the_rolling_mean() -> None:
    agree(lines("sma:20", BARS)["sma"], series(BARS.close).rolling(20).mean())


def test_ema_is_the_recursion_seeded_with_its_first_mean() -> None:
    seeded = series(BARS.close)
    seeded[19] = seeded[:20].mean()
    expected = seeded[19:].ewm(span=20, adjust=False).mean().reindex(range(600))
    agree(lines("ema:20", BARS)["ema"], expected)


def test_bollinger_uses_the_population_deviation() -> None:
    rolling = series(BARS.close).rolling(20)
    found = lines("bbands:20:2.5", BARS)
    agree(found["middle"], rolling.mean())
    agree(found["upper"], rolling.mean() + 2.5 * rolling.std(ddof=0), rtol=1e-7)
    agree(found["lower"], rolling.mean() - 2.5 * rolling.std(ddof=0), rtol=1e-7)


def test_rsi_is_wilders() -> None:
    change = series(BARS.close).diff()
    gain, loss = wilder(change.clip(lower=0), 14), wilder(-change.clip(upper=0), 14)
    agree(lines("rsi:14", BARS)["rsi"], 100 * gain / (gain + loss))


def test_rsi_of_wilders_worked_example() -> None:
    # The worked example of StockCharts' ChartSchool, "Relative Strength Index (RSI)".
    closes = np.array(
        "44.34 44.09 44.15 43.61 44.33 44.83 45.10 45.42 45.84 46.08 45.89 46.03 45.61 46.28 46.28"
        " 46.00 46.03".split(),
        dtype=float,
    )
    bars = make_sessions(len(closes))
    found = lines("rsi:14", replace(bars, close=closes))["rsi"]
    assert np.isnan(found[:14]).all()
    np.testing.assert_allclose(found[14:], [70.46, 66.25, 66.48], atol=0.01)


def test_macd_is_the_difference_of_emas_and_its_ema() -> None:
    found = lines("macd:12:26:9", BARS)
    fast = series(BARS.close).ewm(span=12, adjust=False).mean()
    slow = series(BARS.close).ewm(span=26, adjust=False).mean()
    signal = (fast - slow).ewm(span=9, adjust=False).mean()
    settled = slice(400, None)
    agree(found["macd"][settled], (fast - slow)[settled], rtol=1e-6)
    agree(found["signal"][settled], signal[settled], rtol=1e-6)
    agree(found["histogram"], found["macd"] - found["signal"])
    assert np.isnan(found["macd"][:33]).all() and np.isfinite(found["macd"][33])


def test_stochastic_is_the_smoothed_place_in_the_range() -> None:
    high, low = series(BARS.high).rolling(14).max(), series(BARS.low).rolling(14).min()
    k = (100 * (BARS.close - low) / (high - low)).rolling(3).mean()
    found = lines("stoch:14:3:3", BARS)
    agree(found["k"], k)
    agree(found["d"], k.rolling(3).mean())


def test_atr_is_wilders_average_of_the_true_range() -> None:
    previous = series(BARS.close).shift()
    ranges = [BARS.high - BARS.low, (BARS.high - previous).abs(), (BARS.low - previous).abs()]
    true_range = pd.concat([pd.Series(r) for r in ranges], axis=1).max(axis=1)
    true_range[0] = np.nan
    agree(lines("atr:14", BARS)["atr"], wilder(true_range, 14))


def test_adx_settles_on_the_formula_of_wilder() -> None:
    high, low, close = series(BARS.high), series(BARS.low), series(BARS.close)
    up, down = high.diff(), -low.diff()
    plus = up.where((up > down) & (up > 0), 0.0)
    minus = down.where((down > up) & (down > 0), 0.0)
    previous = close.shift()
    ranges = [high - low, (high - previous).abs(), (low - previous).abs()]
    true_range = pd.concat(ranges, axis=1).max(axis=1)

    def smooth(values: pd.Series[float]) -> pd.Series[float]:
        return values.ewm(alpha=1 / 14, adjust=False).mean()

    plus_di = 100 * smooth(plus) / smooth(true_range)
    minus_di = 100 * smooth(minus) / smooth(true_range)
    adx = smooth(100 * (plus_di - minus_di).abs() / (plus_di + minus_di))
    found, settled = lines("adx:14", BARS), slice(450, None)
    agree(found["plus_di"][settled], plus_di[settled], rtol=1e-6)
    agree(found["minus_di"][settled], minus_di[settled], rtol=1e-6)
    agree(found["adx"][settled], adx[settled], rtol=1e-6)


def test_obv_adds_the_volume_of_rises_and_takes_that_of_falls() -> None:
    signs = np.sign(np.diff(BARS.close, prepend=np.nan))
    signs[0] = 1
    agree(lines("obv", BARS)["obv"], np.cumsum(signs * BARS.volume))


@pytest.mark.parametrize(
    ("interval", "period"), [(Interval.D1, "M"), (Interval.W1, "Y"), (Interval.MO1, "Y")]
)
def test_vwap_begins_anew_each_period(interval: Interval, period: str) -> None:
    typical = (BARS.high + BARS.low + BARS.close) / 3
    group = pd.to_datetime(BARS.ts, unit="us").to_period(period)
    traded = series(typical * BARS.volume).groupby(group).cumsum()
    agree(
        lines("vwap", BARS, interval)["vwap"], traded / series(BARS.volume).groupby(group).cumsum()
    )


def test_intraday_vwap_begins_anew_each_local_day() -> None:
    bars = make_bars(48 * 60, start="2024-03-09T12:00")  # over the change to summer time
    typical = (bars.high + bars.low + bars.close) / 3
    local = pd.to_datetime(bars.ts, unit="us", utc=True).tz_convert(NEW_YORK)
    traded = series(typical * bars.volume).groupby(local.date).cumsum()
    volume = series(bars.volume).groupby(local.date).cumsum()
    agree(lines("vwap", bars, Interval.M1)["vwap"], traded / volume)


@pytest.mark.parametrize("spec", ALL_SPECS, ids=str)
@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_too_few_bars_give_as_many_unknowns(spec: IndicatorSpec, count: int) -> None:
    found = compute(spec, BARS[:count], Interval.D1, NEW_YORK)
    assert tuple(found) == REGISTRY[spec.name].lines
    for name, line in found.items():
        assert len(line) == count
        assert spec.name in ("obv", "vwap") or np.isnan(line).all(), name


@pytest.mark.parametrize("spec", ALL_SPECS, ids=str)
def test_one_unknown_bar_spoils_only_its_surroundings(spec: IndicatorSpec) -> None:
    hole = 300
    broken = BARS[:]
    for name in ("open", "high", "low", "close", "volume"):
        values = getattr(broken, name).copy()
        values[hole] = np.nan
        broken = replace(broken, **{name: values})
    found = compute(spec, broken, Interval.D1, NEW_YORK)
    before = compute(spec, BARS[:hole], Interval.D1, NEW_YORK)
    after = compute(spec, BARS[hole + 1 :], Interval.D1, NEW_YORK)
    for name in found:
        assert np.isnan(found[name][hole])
        agree(found[name][:hole], before[name])
        if spec.name not in ("obv", "vwap"):  # sums that go on from where they stood
            agree(found[name][hole + 1 :], after[name])
        assert np.isfinite(found[name][-1])


def test_a_price_that_never_moves_is_not_oversold() -> None:
    still = make_sessions(60)
    flat = np.full(60, 10.0)
    still = replace(still, open=flat, high=flat, low=flat, close=flat)
    for text in ("rsi:14", "stoch:14:3:3"):
        for line in lines(text, still).values():
            assert np.isnan(line).all()


def test_rsi_of_a_price_that_begins_to_move() -> None:
    closes = np.concatenate([np.full(40, 10.0), np.linspace(10.1, 12, 20)])
    found = lines("rsi:14", replace(make_sessions(60), close=closes))["rsi"]
    assert np.isnan(found[:40]).all()
    np.testing.assert_allclose(found[40:], 100)


def test_without_volume_obv_and_vwap_are_unknown() -> None:
    silent = make_sessions(60, volume=False)
    for text in ("obv", "vwap"):
        for line in lines(text, silent).values():
            assert np.isnan(line).all()


@pytest.mark.parametrize(
    "text",
    [
        *(str(spec) for spec in ALL_SPECS if spec.name != "obv"),
        *("ema:200 ema:400 rsi:2 rsi:50 atr:100 macd:50:100:30 adx:30 stoch:50:10:10".split()),
        *("sma:500 bbands:100:3".split()),
    ],
)
def test_warm_up_makes_the_first_visible_value_right(text: str) -> None:
    """Against 20,000 bars of history the value after the warm-up alone is right to 1e-6 of the
    line's size."""
    spec = parse_spec(text)
    for seed in (1, 2):
        bars = make_sessions(6000, "2000-01-03", seed, price=100.0)
        needed = warm_up(spec, Interval.D1)
        first = 6000 - 250
        whole = compute(spec, bars, Interval.D1, NEW_YORK)
        short = compute(spec, bars[first - needed :], Interval.D1, NEW_YORK)
        for name, line in whole.items():
            size = np.abs(line[first:]).max()
            error = np.abs(short[name][needed:] - line[first:]).max() / size
            assert error < 1e-6, (name, error)


def test_warm_up_is_as_the_measured_facts_say() -> None:
    measured = {"rsi:14": 183, "ema:20": 115, "ema:200": 1390, "macd:12:26:9": 206, "atr:14": 140}
    for text, bars in measured.items():
        assert bars <= warm_up(parse_spec(text), Interval.D1) <= 2 * bars


def test_intraday_vwap_warms_up_over_a_whole_day() -> None:
    spec = parse_spec("vwap")
    bars = make_bars(3 * 1440, start="2024-01-02")
    whole = compute(spec, bars, Interval.M1, NEW_YORK)["vwap"]
    first = len(bars) - 300
    short = compute(spec, bars[first - warm_up(spec, Interval.M1) :], Interval.M1, NEW_YORK)
    agree(short["vwap"][-300:], whole[-300:])


def test_labels_say_parameters_and_anchors() -> None:
    assert label(parse_spec("bbands:20:2.5"), Interval.D1) == "Bollinger 20, 2.5"
    assert label(parse_spec("vwap"), Interval.M5) == "VWAP (session)"
    assert label(parse_spec("vwap"), Interval.D1) == "VWAP (month)"
    assert label(parse_spec("vwap"), Interval.W1) == "VWAP (year)"
    assert label(parse_spec("obv"), Interval.D1) == "OBV (from the first loaded bar)"


@settings(max_examples=50)
@given(st.data())
def test_every_line_is_finite_or_unknown_whatever_the_parameters(data: st.DataObject) -> None:
    entry = data.draw(st.sampled_from(list(REGISTRY.values())))
    params = tuple(data.draw(st.integers(int(p.low) or 1, int(p.high))) for p in entry.parameters)
    if entry.ordered and params[0] >= params[1]:
        params = (2, 3, *params[2:])
    found = compute(IndicatorSpec(entry.name, params), BARS, Interval.D1, NEW_YORK)
    for line in found.values():
        known = np.flatnonzero(np.isfinite(line))
        assert not np.isinf(line).any()
        if len(known):  # a head of NaN, then values to the end
            assert len(known) == len(line) - known[0]
