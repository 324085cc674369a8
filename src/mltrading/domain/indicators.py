"""Technical indicators: what may be asked, on which pane it is drawn, how it is computed.

The recursions are TA-Lib's. TA-Lib itself answers one NaN with a value that never recovers (an
RSI of 0.0, an EMA of NaN), so each run of finite bars is computed alone and everything else,
the warm-up included, stays NaN.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mltrading.domain.bars import DAY, Bars, Floats, Interval, Times
from mltrading.domain.rollup import bucket_starts
from mltrading.utils.text import one_line

Number = int | float

MAX_INDICATORS = 8


@dataclass(frozen=True, slots=True)
class IndicatorSpec:
    """One indicator with all its parameters, as `bbands:20:2` in a URL."""

    name: str
    params: tuple[Number, ...]

    def __str__(self) -> str:
        return ":".join([self.name, *(f"{p:g}" for p in self.params)])


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an indicator and the values it may take (both ends allowed)."""

    name: str
    default: Number
    low: Number
    high: Number
    whole: bool = True

    def read(self, text: str) -> Number:
        """The value in `text`; ValueError with the reason when it is none or out of bounds."""
        try:
            value: Number = int(text) if self.whole else float(text)
        except ValueError:
            kind = "a whole number" if self.whole else "a number"
            raise ValueError(f"{self.name} must be {kind}, got '{one_line(text[:20])}'") from None
        if not self.low <= value <= self.high:
            raise ValueError(f"{self.name} must be {self.low:g} to {self.high:g}, got {value:g}")
        return int(value) if value == int(value) else round(value, 4)


@dataclass(frozen=True, slots=True)
class Indicator:
    """One entry of the registry.

    `pane` is "price" (drawn over the bars) or the name of a pane of its own. `lines` are the
    keys that `compute` returns, the main line first. `ordered`: the first two parameters must
    ascend (a fast window below a slow one).
    """

    name: str
    title: str
    pane: str
    lines: tuple[str, ...]
    parameters: tuple[Parameter, ...] = ()
    ordered: bool = False

    def default(self) -> IndicatorSpec:
        return IndicatorSpec(self.name, tuple(p.default for p in self.parameters))


def _window(default: int, high: int = 500, low: int = 2, name: str = "window") -> Parameter:
    return Parameter(name, default, low, high)


_ALL = (
    Indicator("sma", "SMA", "price", ("sma",), (_window(20),)),
    Indicator("ema", "EMA", "price", ("ema",), (_window(20),)),
    Indicator(
        "bbands",
        "Bollinger",
        "price",
        ("middle", "upper", "lower"),
        (_window(20), Parameter("deviations", 2, 0.1, 10, whole=False)),
    ),
    Indicator("vwap", "VWAP", "price", ("vwap",)),
    Indicator("rsi", "RSI", "rsi", ("rsi",), (_window(14, 200),)),
    Indicator(
        "macd",
        "MACD",
        "macd",
        ("macd", "signal", "histogram"),
        (
            _window(12, 400, name="fast"),
            _window(26, 400, name="slow"),
            _window(9, 200, name="signal"),
        ),
        ordered=True,
    ),
    Indicator(
        "stoch",
        "Stochastic",
        "stoch",
        ("k", "d"),
        (
            _window(14),
            _window(3, 100, 1, name="smoothing of %K"),
            _window(3, 100, 1, name="smoothing of %D"),
        ),
    ),
    Indicator("atr", "ATR", "atr", ("atr",), (_window(14, 200),)),
    Indicator("adx", "ADX", "adx", ("adx", "plus_di", "minus_di"), (_window(14, 200),)),
    Indicator("obv", "OBV", "obv", ("obv",)),
)

REGISTRY: dict[str, Indicator] = {i.name: i for i in _ALL}
"""Every indicator by its name in a URL, in the order a menu shows them."""


def parse_spec(text: str) -> IndicatorSpec:
    """`ema:50` as a spec; a parameter left out takes its default. ValueError says what is wrong."""
    name, *given = text.strip().lower().split(":")
    indicator = REGISTRY.get(name)
    if indicator is None:
        raise ValueError(f"unknown indicator '{one_line(name[:20])}'; known: {', '.join(REGISTRY)}")
    if len(given) > len(indicator.parameters):
        raise ValueError(f"{name} takes {len(indicator.parameters)} parameters, got {len(given)}")
    params = [
        parameter.read(given[n]) if n < len(given) and given[n] else parameter.default
        for n, parameter in enumerate(indicator.parameters)
    ]
    if indicator.ordered and not params[0] < params[1]:
        raise ValueError(f"{name}: {params[0]:g} must be below {params[1]:g}")
    return IndicatorSpec(name, tuple(params))


def parse_specs(text: str) -> tuple[tuple[IndicatorSpec, ...], list[str]]:
    """A comma-separated list as specs without repetition, and one line for each part refused."""
    specs: list[IndicatorSpec] = []
    problems: list[str] = []
    for part in text.split(","):
        if not part.strip():
            continue
        try:
            spec = parse_spec(part)
        except ValueError as error:
            problems.append(f"indicators: {error}")
            continue
        if spec in specs:
            continue
        if len(specs) == MAX_INDICATORS:
            problems.append(
                f"indicators: at most {MAX_INDICATORS} are drawn, the rest are left out"
            )
            break
        specs.append(spec)
    return tuple(specs), problems


def label(spec: IndicatorSpec, interval: Interval) -> str:
    """The name on the chart. OBV and VWAP say where they are anchored, as their level depends on
    it; the other indicators do not depend on where the loaded bars begin."""
    title = REGISTRY[spec.name].title
    if spec.name == "vwap":
        return f"{title} ({_VWAP_ANCHOR[interval]})"
    if spec.name == "obv":
        return f"{title} (from the first loaded bar)"
    return f"{title} {', '.join(f'{p:g}' for p in spec.params)}"


def warm_up(spec: IndicatorSpec, interval: Interval) -> int:
    """How many bars must precede the first one shown for its value to be right to 1e-6.

    A recursion with factor `alpha` forgets its start as (1 - alpha)^n; ADX and MACD's signal
    smooth twice. VWAP needs its whole anchor period, OBV is anchored where the bars begin.
    """
    windows = [int(p) for p in spec.params]
    if spec.name in ("sma", "bbands"):
        return windows[0] - 1
    if spec.name == "stoch":
        return sum(windows) - 3
    if spec.name == "ema":
        return _forgets(2 / (windows[0] + 1)) + windows[0]
    if spec.name in ("rsi", "atr"):
        return _forgets(1 / windows[0]) + windows[0]
    if spec.name == "adx":
        return 2 * (_forgets(1 / windows[0]) + windows[0])
    if spec.name == "macd":
        return sum(_forgets(2 / (w + 1)) + w for w in windows[1:])
    return _VWAP_BARS[interval] if spec.name == "vwap" else 0


def compute(
    spec: IndicatorSpec, bars: Bars, interval: Interval, timezone: str
) -> dict[str, Floats]:
    """The lines of one indicator over `bars` (adjusted prices), each as long as `bars`, NaN
    where unknown. `timezone` is the exchange's: an intraday VWAP begins anew each local day."""
    if not len(bars):
        return {line: np.empty(0) for line in REGISTRY[spec.name].lines}
    if spec.name == "vwap":
        return {"vwap": vwap(bars, _anchors(bars.ts, interval, timezone))}
    return _COMPUTE[spec.name](bars, list(spec.params))


_TRIPLES = ("BBANDS", "MACD")
_FORGOTTEN = 1e-7  # one decade below the promise, as the forgotten start may be far from the rest
_VWAP_ANCHOR = {
    **{i: "session" for i in Interval if i.intraday},
    Interval.D1: "month",
    Interval.W1: "year",
    Interval.MO1: "year",
}
_VWAP_BARS = {
    **{i: DAY // i.length for i in Interval if i.intraday},
    Interval.D1: 31,
    Interval.W1: 53,
    Interval.MO1: 12,
}


def _forgets(alpha: float) -> int:
    return math.ceil(math.log(_FORGOTTEN) / math.log1p(-alpha)) if alpha < 1 else 1


def _segmented(function: str, inputs: list[Floats], *args: Number) -> list[Floats]:
    """TA-Lib's `function` over each run of bars where every input is finite; NaN elsewhere."""
    import talib  # imports pandas where it is installed; a chart without indicators needs neither

    run = getattr(talib, function)
    columns = [np.ascontiguousarray(column, dtype=np.float64) for column in inputs]
    finite = np.logical_and.reduce([np.isfinite(column) for column in columns])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], finite, [False]])))
    outputs = [np.full(len(finite), np.nan) for _ in range(3 if function in _TRIPLES else 1)]
    for first, stop in zip(edges[::2], edges[1::2], strict=True):
        found = run(*(column[first:stop] for column in columns), *args)
        for line, part in zip(outputs, found if len(outputs) > 1 else [found], strict=True):
            line[first:stop] = part
    return outputs


def _rsi(bars: Bars, p: list[Number]) -> dict[str, Floats]:
    """NaN until the close first moves: a series that never moved has no strength, where TA-Lib
    says 0, the deepest oversold."""
    (rsi,) = _segmented("RSI", [bars.close], *p)
    moved = np.flatnonzero(np.diff(bars.close) != 0)
    rsi[: moved[0] + 1 if len(moved) else None] = np.nan
    return {"rsi": rsi}


def _stochastic(bars: Bars, p: list[Number]) -> dict[str, Floats]:
    """%K smoothed, and %D. Composed of MAX, MIN and SMA because TA-Lib's STOCH calls a window
    without any range 0, the deepest oversold; here it is unknown."""
    window, smooth_k, smooth_d = p
    high, low = bars.high, bars.low
    if window > 1:
        (high,), (low,) = _segmented("MAX", [high], window), _segmented("MIN", [low], window)
    width = np.where(high > low, high - low, np.nan)
    (k,) = _segmented("SMA", [100 * (bars.close - low) / width], smooth_k)
    (d,) = _segmented("SMA", [k], smooth_d)
    return {"k": k, "d": d}


def _bollinger(bars: Bars, p: list[Number]) -> dict[str, Floats]:
    """Population standard deviation (ddof 0), as Bollinger defines the bands."""
    upper, middle, lower = _segmented("BBANDS", [bars.close], p[0], float(p[1]), float(p[1]))
    return {"middle": middle, "upper": upper, "lower": lower}


def _macd(bars: Bars, p: list[Number]) -> dict[str, Floats]:
    macd, signal, histogram = _segmented("MACD", [bars.close], *p)
    return {"macd": macd, "signal": signal, "histogram": histogram}


def _directional(bars: Bars, p: list[Number]) -> dict[str, Floats]:
    prices = [bars.high, bars.low, bars.close]
    names = {"adx": "ADX", "plus_di": "PLUS_DI", "minus_di": "MINUS_DI"}
    return {line: _segmented(function, prices, *p)[0] for line, function in names.items()}


def _obv(bars: Bars, p: list[Number]) -> dict[str, Floats]:
    """NaN without any volume: a flat zero would look like balance."""
    if not bars.volume.any():
        return {"obv": np.full(len(bars), np.nan)}
    return {"obv": _segmented("OBV", [bars.close, bars.volume])[0]}


def vwap(bars: Bars, anchors: Times) -> Floats:
    """Volume-weighted mean of (high + low + close) / 3 since the anchor last changed; NaN until
    the first volume of its period, and at bars that are not finite, which count for nothing."""
    typical = (bars.high + bars.low + bars.close) / 3
    known = np.isfinite(typical) & np.isfinite(bars.volume)
    weight = np.where(known, bars.volume, 0.0)
    starts = np.flatnonzero(np.diff(anchors, prepend=anchors[:1] - 1))
    lengths = np.diff(np.append(starts, len(anchors)))

    def since_anchor(values: Floats) -> Floats:
        running = np.cumsum(values)
        return running - np.repeat(running[starts] - values[starts], lengths)

    volume = since_anchor(weight)
    traded = since_anchor(np.where(known, typical, 0.0) * weight)
    price = np.full(len(bars), np.nan)
    np.divide(traded, volume, out=price, where=known & (volume > 0))
    return price


def _anchors(ts: Times, interval: Interval, timezone: str) -> Times:
    """For each bar the period its VWAP is anchored in, as a number that changes with it."""
    if interval.intraday:
        return bucket_starts(ts, Interval.D1, timezone)
    unit = "datetime64[M]" if interval is Interval.D1 else "datetime64[Y]"
    return ts.astype("datetime64[us]").astype(unit).astype(np.int64)


_COMPUTE: dict[str, Callable[[Bars, list[Number]], dict[str, Floats]]] = {
    "sma": lambda bars, p: {"sma": _segmented("SMA", [bars.close], *p)[0]},
    "ema": lambda bars, p: {"ema": _segmented("EMA", [bars.close], *p)[0]},
    "bbands": _bollinger,
    "rsi": _rsi,
    "macd": _macd,
    "stoch": _stochastic,
    "atr": lambda bars, p: {"atr": _segmented("ATR", [bars.high, bars.low, bars.close], *p)[0]},
    "adx": _directional,
    "obv": _obv,
}
