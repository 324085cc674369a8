"""Metrics by hand and against pandas; unknown where sessions are too few."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mltrading.domain.bars import DAY
from mltrading.domain.metrics import NEEDED_SESSIONS, correlation, drawdown, measure

CLOSES = np.array([100.0, 110.0, 99.0, 108.9, 130.68])
VOLUMES = np.array([1.0, 2.0, 3.0, 4.0, 10.0])
PRICES = arrays(np.float64, st.integers(3, 40), elements=st.floats(0.01, 1e6))


def test_metrics_by_hand() -> None:
    found = measure(CLOSES, VOLUMES)
    returns = [0.1, -0.1, 0.1, 0.2]
    mean = sum(returns) / 4
    spread = math.sqrt(sum((r - mean) ** 2 for r in returns) / 3)
    assert found.sessions == 5
    assert found.total_return == pytest.approx(0.3068)
    assert found.log_return == pytest.approx(math.log(1.3068))
    assert found.volatility == pytest.approx(spread * math.sqrt(252))
    assert found.sharpe == pytest.approx(mean / spread * math.sqrt(252))
    assert found.max_drawdown == pytest.approx(-0.1)
    assert found.average_volume == 4


@given(PRICES)
def test_metrics_agree_with_pandas(closes: np.ndarray) -> None:
    found = measure(closes, closes)
    prices = pd.Series(closes)
    returns = prices.pct_change().dropna()
    assert found.total_return == pytest.approx(closes[-1] / closes[0] - 1)
    assert found.volatility == pytest.approx(returns.std() * math.sqrt(252))
    assert found.max_drawdown == pytest.approx((prices / prices.cummax() - 1).min())
    assert found.max_drawdown <= 0
    if returns.std() > 1e-9 * abs(returns.mean()):
        assert found.sharpe == pytest.approx(returns.mean() / returns.std() * math.sqrt(252))


@pytest.mark.parametrize("sessions", [0, 1, 2])
def test_too_few_sessions_are_unknown_not_zero(sessions: int) -> None:
    found = measure(CLOSES[:sessions], VOLUMES[:sessions])
    assert found.sessions == sessions
    for name, needed in NEEDED_SESSIONS.items():
        if name != "correlation":
            assert math.isnan(getattr(found, name)) == (sessions < needed), name


def test_a_price_that_never_moves_has_no_sharpe() -> None:
    found = measure(np.full(10, 5.0), np.zeros(10))
    assert found.volatility == 0
    assert math.isnan(found.sharpe)
    assert found.average_volume == 0


def test_drawdown_is_from_the_peak_so_far() -> None:
    np.testing.assert_allclose(drawdown(CLOSES), [0, 0, -0.1, -0.01, 0])


def test_correlation_with_itself_is_one_and_with_its_mirror_minus_one() -> None:
    ts = np.arange(5) * DAY
    assert correlation(ts, CLOSES, ts, CLOSES)[0] == pytest.approx(1)
    assert correlation(ts, CLOSES, ts, 1 / CLOSES) == (pytest.approx(-1), 5)


def test_correlation_rests_on_common_sessions() -> None:
    rng = np.random.default_rng(5)
    ts, other = np.arange(30) * DAY, np.arange(10, 45) * DAY
    a, b = np.exp(rng.normal(0, 0.1, 30)), np.exp(rng.normal(0, 0.1, 35))
    keep = np.arange(20) != 7  # a holiday of one of the two, in the middle
    found, common = correlation(ts, a, other[:20][keep], b[:20][keep])
    frame = pd.DataFrame({"a": a[10:][keep], "b": b[:20][keep]})
    expected = np.log(frame).diff().corr().loc["a", "b"]
    assert common == 19
    assert found == pytest.approx(expected)


def test_correlation_is_unknown_with_too_little_in_common() -> None:
    ts = np.arange(5) * DAY
    assert correlation(ts, CLOSES, ts + 3 * DAY, CLOSES)[1] == 2
    assert math.isnan(correlation(ts, CLOSES, ts + 3 * DAY, CLOSES)[0])
    assert math.isnan(correlation(ts, CLOSES, ts, np.full(5, 3.0))[0])
