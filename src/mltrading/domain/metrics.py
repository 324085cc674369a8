"""What a series of session closes did: return, risk, and how many sessions that rests on."""

from __future__ import annotations

from dataclasses import dataclass

SESSIONS_A_YEAR = 252
BASIS = "per-session returns of adjusted closes, annualised by 252 sessions, risk-free rate 0"


@dataclass(frozen=True, slots=True)
class Metrics:
    """Metrics of one window. NaN where `sessions` closes are too few; fractions, not percent.

    `total_return` p1/p0-1 and `log_return` need 2 sessions; `volatility` (annualised standard
    deviation, ddof 1) and `sharpe` (mean/std ddof 1 of per-session returns, risk-free 0, times
    sqrt(252)) need 3; `max_drawdown` (equity/peak-1, <= 0) needs 1; `average_volume` needs 1.
    """

    sessions: int
    total_return: float
    log_return: float
    volatility: float
    sharpe: float
    max_drawdown: float
    average_volume: float
