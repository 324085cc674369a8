"""Test data: bars that look like a market's, and details of symbols. Deterministic."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timezone

import numpy as np

from mltrading.domain.bars import Bars, Interval, Symbol
from mltrading.services.ports import Source, SymbolDetails

SOURCE = Source("test", "factory", "made by tests")
SECRET_KEY = "0123456789abcdef" * 4  # what staging and production refuse to start without


def moment(text: str) -> int:
    """Microseconds since 1970 of an ISO time, UTC where it names no zone."""
    at = datetime.fromisoformat(text)
    at = at if at.tzinfo else at.replace(tzinfo=timezone.utc)
    return round(at.timestamp()) * 1_000_000


def due_hour() -> str:
    """The hour, by UTC, whose daily moment came last. One that came long ago is left out by the
    worker (services/digest.py), so a fixed hour would hold for a part of the day alone."""
    return str(datetime.now(timezone.utc).hour)


def make_bars(
    count: int = 100,
    start: str | int = "2024-01-02T14:30",
    interval: Interval = Interval.M1,
    seed: int = 0,
    *,
    price: float = 100.0,
    adjustment: float = 1.0,
    volume: bool = True,
    step: int | None = None,
) -> Bars:
    """`count` bars, one every `step` microseconds (default: the interval's length) from `start`.

    A random walk from `price`, in cents, with low <= open, close <= high; adj_close is close *
    `adjustment`; volumes are whole numbers (0 when `volume` is False); all final.
    """
    rng = np.random.default_rng(seed)
    first = start if isinstance(start, int) else moment(start)
    ts = first + np.arange(count, dtype=np.int64) * (step or interval.length)
    close = np.maximum(np.round(price + np.cumsum(rng.normal(0, price / 500, count)), 2), 1.0)
    opened = np.append([price][:count], close[:-1])
    spread = np.round(rng.uniform(0, price / 500, (2, count)), 2)
    return Bars(
        ts=ts,
        open=opened,
        high=np.maximum(opened, close) + spread[0],
        low=np.maximum(np.minimum(opened, close) - spread[1], 0.01),
        close=close,
        adj_close=close * adjustment,
        volume=rng.integers(0, 10_000, count).astype(np.float64) * volume,
        is_final=np.ones(count, bool),
    )


def make_sessions(
    count: int = 500, start: str = "2022-01-03", seed: int = 0, **kind: float
) -> Bars:
    """`count` daily bars on Monday to Friday, stamped with session labels."""
    days = np.busday_offset(np.datetime64(start, "D"), np.arange(count), roll="forward")
    bars = make_bars(count, 0, Interval.D1, seed, **kind)  # type: ignore[arg-type]
    labels = days.astype("M8[us]").astype(np.int64)
    return Bars(labels, *(getattr(bars, name) for name in list(Bars.__slots__)[1:]))


def make_symbol(code: str = "AAPL", **fields: object) -> Symbol:
    """A NASDAQ symbol as the database would know it; every field can be given."""
    known: dict[str, object] = {
        "id": 0,
        **asdict(make_symbol_details(code)),
        **fields,
    }
    return Symbol(**known)  # type: ignore[arg-type]


def make_symbol_details(code: str = "AAPL", **fields: str | bool) -> SymbolDetails:
    """Details of a NASDAQ symbol; every field can be given."""
    known: dict[str, str | bool] = {
        "name": f"{code} Inc.",
        "exchange": "NASDAQ",
        "calendar": "XNYS",
        "timezone": "America/New_York",
        "sector": "Technology",
        "industry": "Software",
        "currency": "USD",
    }
    return SymbolDetails(code, **(known | fields))  # type: ignore[arg-type]
