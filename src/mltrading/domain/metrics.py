"""What a series of session closes did: return, risk, and how many sessions that rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from mltrading.domain.bars import Floats, Times

SESSIONS_A_YEAR = 252
BASIS = "per-session returns of adjusted closes, annualised by 252 sessions, risk-free rate 0"
NEEDED_SESSIONS = {
    "total_return": 2,
    "log_return": 2,
    "volatility": 3,
    "sharpe": 3,
    "max_drawdown": 2,
    "average_volume": 1,
    "correlation": 3,
}
"""How many sessions each metric needs; below that it is NaN."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics of one window. NaN where `sessions` closes are too few; fractions, not percent.

    `total_return` p1/p0-1; `volatility` the annualised standard deviation (ddof 1) of per-session
    returns; `sharpe` mean/std (ddof 1) of them times sqrt(252), risk-free 0, NaN where nothing
    moved; `max_drawdown` the deepest close/peak-1 (<= 0) inside the window.
    """

    sessions: int
    total_return: float
    log_return: float
    volatility: float
    sharpe: float
    max_drawdown: float
    average_volume: float


def measure(closes: Floats, volumes: Floats) -> Metrics:
    """Metrics of one symbol from its per-session adjusted closes (> 0) and volumes, ascending."""
    n = len(closes)
    returns = closes[1:] / closes[:-1] - 1
    ratio = float(closes[-1] / closes[0]) if n >= 2 else math.nan
    spread = float(np.std(returns, ddof=1)) if n >= 3 else math.nan
    return Metrics(
        sessions=n,
        total_return=ratio - 1,
        log_return=math.log(ratio) if n >= 2 else math.nan,
        volatility=spread * math.sqrt(SESSIONS_A_YEAR),
        sharpe=(
            float(np.mean(returns)) / spread * math.sqrt(SESSIONS_A_YEAR)
            if spread > 0
            else math.nan
        ),
        max_drawdown=float(np.min(drawdown(closes))) if n >= 2 else math.nan,
        average_volume=float(np.mean(volumes)) if n else math.nan,
    )


def drawdown(equity: Floats) -> Floats:
    """equity/peak-1 at each point, <= 0, the peak being the highest so far."""
    return np.asarray(equity / np.maximum.accumulate(equity) - 1, dtype=np.float64)


def correlation(
    sessions: Times, closes: Floats, other_sessions: Times, other_closes: Floats
) -> tuple[float, int]:
    """Pearson correlation of the returns over common sessions, and how many sessions both have.

    Returns run from one common session to the next common one, so that a holiday of one exchange
    does not set a one-day return beside a two-day one. NaN with fewer than three common sessions
    or where one of the two never moved.
    """
    common, mine, others = np.intersect1d(
        sessions, other_sessions, assume_unique=True, return_indices=True
    )
    if len(common) < NEEDED_SESSIONS["correlation"]:
        return math.nan, len(common)
    a, b = (np.diff(np.log(c)) for c in (closes[mine], other_closes[others]))
    a, b = a - a.mean(), b - b.mean()
    scale = math.sqrt(float(a @ a) * float(b @ b))
    if not scale > 0:
        return math.nan, len(common)
    return max(-1.0, min(1.0, float(a @ b) / scale)), len(common)
