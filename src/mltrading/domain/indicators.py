"""Technical indicators: what may be asked, on which pane it is drawn, how it is computed.

The recursions are TA-Lib's. TA-Lib itself answers one NaN with a value that never recovers (an
RSI of 0.0, an EMA of NaN), so each run of finite bars is computed alone and everything else,
the warm-up included, stays NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

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
            raise ValueError(f"{self.name} must be {kind}, got '{text[:20]}'") from None
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
    """`ema:50` as a spec; left-out parameters take their defaults. ValueError says what is wrong."""
    name, *given = text.strip().lower().split(":")
    indicator = REGISTRY.get(name)
    if indicator is None:
        raise ValueError(f"unknown indicator '{name[:20]}'; known: {', '.join(REGISTRY)}")
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
