"""The simulated exchange: deterministic, consistent between intervals, and like a market."""

from __future__ import annotations

import numpy as np
import pytest

from mltrading.adapters.sources import simulated
from mltrading.adapters.sources.companies import COMPANIES, MINUTES_FOR_YEARS, SECTORS
from mltrading.adapters.sources.simulated import Sessions
from mltrading.adapters.sources.times import session_labels
from mltrading.domain.bars import Bars, Interval
from mltrading.domain.rollup import roll_up
from mltrading.errors import ImportFailed
from tests.factories import moment

NOW = moment("2024-11-30")
COLUMNS = ("ts", "open", "high", "low", "close", "volume")


@pytest.fixture(scope="module")
def days() -> Sessions:
    return simulated.sessions(NOW)


@pytest.fixture(scope="module")
def daily(days: Sessions) -> list[Bars]:
    return simulated.daily_bars(days)


@pytest.fixture(scope="module")
def returns(daily: list[Bars]) -> np.ndarray:
    return np.diff(np.log([bars.close for bars in daily]), axis=1)


def assert_sound(bars: Bars) -> None:
    assert np.all(np.diff(bars.ts) > 0)
    assert np.all(bars.low > 0)
    assert np.all(bars.low <= np.minimum(bars.open, bars.close))
    assert np.all(bars.high >= np.maximum(bars.open, bars.close))
    assert np.all(bars.volume >= 0)


def test_it_ends_with_the_last_session_that_is_over() -> None:
    closing = moment("2024-11-29T18:00")  # the early close after Thanksgiving
    assert simulated.sessions(closing).labels[-1] == moment("2024-11-29")
    assert simulated.sessions(closing - 1).labels[-1] == moment("2024-11-27")
    until = simulated.sessions(NOW, moment("2024-07-04"))
    assert until.labels[-1] == moment("2024-07-03")


def test_before_it_opened_there_is_nothing() -> None:
    with pytest.raises(ImportFailed, match="opens on 2016-01-04"):
        simulated.sessions(NOW, moment("2015-06-01"))


def test_a_longer_span_only_appends(days: Sessions, daily: list[Bars]) -> None:
    earlier = simulated.sessions(NOW, moment("2021-03-17"))
    for short, long in zip(simulated.daily_bars(earlier), daily, strict=True):
        for name in COLUMNS:
            assert np.array_equal(getattr(short, name), getattr(long, name)[: len(short)])
    some = simulated.minute_bars(COMPANIES[0], 2021, earlier, simulated.daily_bars(earlier)[0])
    more = simulated.minute_bars(COMPANIES[0], 2021, days, daily[0])
    assert 0 < len(some) < len(more)
    assert np.array_equal(some.close, more.close[: len(some)])


@pytest.mark.parametrize("year", [2019, 2024])
def test_minutes_roll_up_to_the_daily_bars_exactly(
    days: Sessions, daily: list[Bars], year: int
) -> None:
    minutes = simulated.minute_bars(COMPANIES[3], year, days, daily[3])
    assert_sound(minutes)
    rolled = minutes
    for interval in (Interval.M5, Interval.M15, Interval.H1, Interval.H4, Interval.D1):
        rolled = roll_up(rolled, interval, simulated.ZONE)
    want = daily[3][days.years == year]
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(rolled, name), getattr(want, name), err_msg=name)


def test_every_company_is_listed_in_one_of_eleven_sectors() -> None:
    assert len(COMPANIES) == len({company.code for company in COMPANIES}) == 100
    assert len(SECTORS) == 11
    assert {company.sector for company in COMPANIES} == set(SECTORS)


def test_bars_are_sound_and_of_whole_ticks(daily: list[Bars]) -> None:
    for bars in daily:
        assert_sound(bars)
        assert np.array_equal(bars.close, np.round(bars.close, 4))
        assert np.array_equal(bars.volume, np.round(bars.volume))


def test_tails_are_fat_and_calm_and_wild_days_cluster(returns: np.ndarray) -> None:
    deviations = returns - returns.mean(axis=1, keepdims=True)
    kurtosis = (deviations**4).mean(axis=1) / (deviations**2).mean(axis=1) ** 2
    assert 4 < np.median(kurtosis) < 15  # a normal distribution has 3
    sizes = np.abs(returns)
    lagged = [np.corrcoef(size[:-5], size[5:])[0, 1] for size in sizes]
    assert np.mean(lagged) > 0.05
    assert abs(np.mean([np.corrcoef(r[:-1], r[1:])[0, 1] for r in returns])) < 0.05


def test_companies_of_a_sector_move_together_more(returns: np.ndarray) -> None:
    together = np.corrcoef(returns)
    sector = np.array([SECTORS.index(company.sector) for company in COMPANIES])
    same = sector[:, None] == sector
    others = together[~same].mean()
    assert 0.1 < others < together[same & ~np.eye(len(sector), dtype=bool)].mean() - 0.03


def test_trading_is_busiest_after_the_open_and_before_the_close(
    days: Sessions, daily: list[Bars]
) -> None:
    minutes = simulated.minute_bars(COMPANIES[0], 2023, days, daily[0])
    session = minutes.volume.reshape(-1, 30)[: 13 * 120].reshape(-1, 13, 30).sum(axis=(0, 2))
    assert session[0] > 1.5 * session[6] and session[-1] > 1.2 * session[6]


def test_what_is_loaded_is_marked_simulated_and_never_both_imported_and_rolled(
    days: Sessions,
) -> None:
    recent = days[slice(len(days.labels) - 600, None)]
    seen: dict[tuple[str, Interval], list[Bars]] = {}
    for details, interval, bars in simulated.batches(recent):
        assert details.simulated and details.exchange == "SIM"
        seen.setdefault((details.code, interval), []).append(bars)
    assert {code for code, _ in seen} == {company.code for company in COMPANIES}
    assert {code for code, interval in seen if interval is Interval.M1} == set(MINUTES_FOR_YEARS)
    code = next(code for code, years in MINUTES_FOR_YEARS.items() if years == 1)
    minutes = Bars.concat(seen[code, Interval.M1])
    first_minute = session_labels(minutes.ts[:1])
    assert seen[code, Interval.D1][0].ts[-1] < first_minute[0]
    sessions_with_minutes = len(np.unique(session_labels(minutes.ts)))
    assert 245 <= sessions_with_minutes <= 253
    assert len(seen[code, Interval.D1][0]) + sessions_with_minutes == 600
