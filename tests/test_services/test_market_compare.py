"""The compare service: lines from their first visible value, metrics on sessions, honest notes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mltrading.domain.access import DEVELOPER, Actor
from mltrading.domain.bars import Bars, Floats, Interval
from mltrading.domain.bases import BaseChange
from mltrading.domain.metrics import measure
from mltrading.domain.view import CompareView
from mltrading.errors import Forbidden, InvalidView, UnknownSymbol
from mltrading.services.comparing import POINTS
from tests.factories import moment
from tests.memory import MemoryMarket, bars_at, walk
from tests.test_services.markets import comparison, daily, minutely, service, sessions


@pytest.fixture(scope="module")
def stored() -> MemoryMarket:
    """A, B: days to the newest session; YOUNG since 2023; OLD until 2013; COIN every day;
    M1, M2: minutes."""
    market = MemoryMarket()
    market.add("A", Interval.D1, daily("2010-01-04", "2024-07-04", seed=1))
    market.add("B", Interval.D1, daily("2010-01-04", "2024-07-04", seed=2))
    market.add("YOUNG", Interval.D1, daily("2023-10-02", "2024-07-04", seed=3))
    market.add("OLD", Interval.D1, daily("2000-03-01", "2013-03-02", seed=4))
    coin = daily("2010-01-04", "2024-07-05", seed=5, calendar="24/7")
    market.add("COIN", Interval.D1, coin, calendar="24/7", timezone="UTC", currency="USDT")
    market.add("M1", Interval.M1, minutely("2024-06-03", "2024-07-04", seed=6))
    market.add("M2", Interval.M1, minutely("2024-06-03", "2024-07-04", seed=7))
    market.add("EMPTY")
    return market


def days(stored: MemoryMarket, code: str, start: str, end: str) -> Bars:
    bars = stored.bars[stored.symbols[code].id, Interval.D1]
    return bars[(bars.ts >= moment(start)) & (bars.ts < moment(end))]


@pytest.mark.parametrize(
    ("mode", "scale", "offset"), [("percent", 100, -100), ("indexed", 100, 0), ("price", None, 0)]
)
def test_lines_start_at_their_first_visible_value(
    stored: MemoryMarket, mode: str, scale: float | None, offset: float
) -> None:
    found = comparison(stored, f"symbols=A,B&start=2020-01-02&end=2021-01-01&mode={mode}")
    assert found.interval is Interval.D1
    for line in found.lines:
        own = days(stored, line.symbol.code, "2020-01-02", "2021-01-01")
        np.testing.assert_array_equal(found.ts, own.ts)
        factor = 1 if scale is None else scale / own.close[0]
        np.testing.assert_allclose(line.values, own.close * factor + offset, atol=1e-9)
        assert (line.base_price, line.base_ts) == (own.close[0], own.ts[0])


def test_time_in_which_nobody_traded_is_said(stored: MemoryMarket) -> None:
    found = comparison(stored, "symbols=OLD,YOUNG&range=ALL")
    said = [note for note in found.notes if note.startswith("No bars between")]
    assert said == ["No bars between 2013-02-25 and 2023-10-02: the axis leaves that time out."]
    assert not [n for n in comparison(stored, "symbols=A,B").notes if n.startswith("No bars")]


def test_rows_measure_daily_closes_of_the_window(stored: MemoryMarket) -> None:
    found = comparison(stored, "symbols=A,B&start=2020-01-02&end=2021-01-01")
    own = [days(stored, code, "2020-01-02", "2021-01-01") for code in ("A", "B")]
    for row, bars in zip(found.rows, own, strict=True):
        assert row.metrics == measure(bars.close, bars.volume)
        assert row.common_sessions == len(bars) == row.metrics.sessions
    returns = [np.diff(np.log(bars.close)) for bars in own]
    assert found.rows[0].correlation == pytest.approx(1)
    assert found.rows[1].correlation == pytest.approx(np.corrcoef(*returns)[0, 1])


def test_returns_are_adjusted_for_splits(stored: MemoryMarket) -> None:
    bars = daily("2020-01-02", "2021-01-01")
    factor = np.where(bars.ts < moment("2020-06-01"), 0.5, 1.0)
    market = MemoryMarket()
    # The last factor is not 1 where the source knows of a split after the newest bar.
    market.add("SPLIT", Interval.D1, replace(bars, adj_close=bars.close * factor * 0.1304))
    found = comparison(market, "symbols=SPLIT&range=ALL&mode=price")
    np.testing.assert_allclose(found.lines[0].values, bars.close * factor)
    expected = bars.close[-1] / (0.5 * bars.close[0]) - 1
    assert found.rows[0].metrics.total_return == pytest.approx(expected)
    assert found.notes == ["One symbol only; add a second one to compare it with."]


def test_a_shorter_history_starts_at_its_own_zero_and_is_said(stored: MemoryMarket) -> None:
    found = comparison(stored, "symbols=A,YOUNG&range=1Y")
    young = found.lines[1].values
    first = int(np.searchsorted(found.ts, moment("2023-10-02")))
    assert np.isnan(young[:first]).all() and young[first] == 0
    assert "YOUNG begins on 2023-10-02, later than others." in found.notes
    assert found.rows[1].common_sessions == found.rows[1].metrics.sessions == len(young) - first


def test_a_symbol_without_bars_in_the_window_is_said_not_invented(stored: MemoryMarket) -> None:
    found = comparison(stored, "symbols=A,OLD,EMPTY&range=1Y")
    assert np.isnan(found.lines[1].values).all() and found.lines[1].base_ts is None
    assert found.lines[1].stale_text == "11 y"
    assert found.rows[1].metrics.sessions == 0
    assert "OLD has no bars in this window; stored is 2000-03-01 to 2013-03-01." in found.notes
    assert "EMPTY has no bars." in found.notes


def test_everything_without_bars_is_an_empty_comparison(stored: MemoryMarket) -> None:
    found = comparison(stored, "symbols=EMPTY")
    assert (len(found.ts), found.rows[0].metrics.sessions) == (0, 0)
    assert "EMPTY has no bars." in found.notes


def test_calendars_that_differ_leave_gaps_and_common_sessions(stored: MemoryMarket) -> None:
    found = comparison(stored, "symbols=A,COIN&start=2024-06-03&end=2024-07-01")
    assert len(found.ts) == 28
    stock, coin = found.lines
    assert np.isnan(stock.values).sum() == 28 - 19
    assert np.isfinite(coin.values).all()
    assert (found.rows[1].metrics.sessions, found.rows[1].common_sessions) == (28, 19)
    assert "Calendars differ (24/7, XNYS): correlation uses common sessions only." in found.notes
    assert "Currencies differ (USD, USDT): each line is in its own." in found.notes


def test_points_stay_bounded_by_weeks_and_months(stored: MemoryMarket) -> None:
    found = comparison(stored, "symbols=A,B,COIN,OLD&range=ALL")
    assert found.interval is Interval.W1
    assert len(found.ts) <= POINTS
    own = days(stored, "A", "2000-01-01", "2025-01-01")
    assert found.rows[0].metrics.sessions == len(own)
    assert "Lines are 1w closes; the table rests on daily closes." in found.notes


def test_many_decades_are_compared_by_month() -> None:
    market = MemoryMarket()
    ts = np.arange(moment("1960-01-01"), moment("2024-07-01"), 86_400_000_000)
    market.add("LONG", Interval.D1, bars_at(ts, walk(len(ts), spread=0.001)), calendar="")
    found = comparison(market, "symbols=LONG&range=ALL")
    assert (found.interval, len(found.ts)) == (Interval.MO1, 64 * 12 + 6)


def test_short_windows_compare_intraday_bars_and_daily_metrics(stored: MemoryMarket) -> None:
    found = comparison(stored, "symbols=M1,M2&start=2024-06-24&end=2024-06-29")
    assert found.interval is Interval.M5  # five sessions of 390 minutes are too many
    assert len(found.ts) == 5 * 78
    assert found.rows[0].metrics.sessions == 5
    mixed = comparison(stored, "symbols=M1,A&start=2024-06-24&end=2024-06-29")
    assert mixed.interval is Interval.D1
    assert "Lines are daily: A has no intraday bars in this window." in mixed.notes
    both = comparison(stored, "symbols=M1,A,B&start=2024-06-24&end=2024-06-29")
    assert "Lines are daily: A, B have no intraday bars in this window." in both.notes


@pytest.mark.parametrize(
    "query", ["symbols=A,B&range=1D", "symbols=M1,A&range=1M", "symbols=M1,M2&range=1M"]
)
def test_nobody_is_blamed_for_daily_lines_that_none_could_avoid(
    stored: MemoryMarket, query: str
) -> None:
    found = comparison(stored, query)
    assert found.interval is Interval.D1
    assert not [note for note in found.notes if note.startswith("Lines are")]


def test_a_symbol_of_days_is_not_lost_beside_minutes_of_the_same_session(
    stored: MemoryMarket,
) -> None:
    found = comparison(stored, "symbols=M1,A&range=1D")
    assert found.interval is Interval.D1
    assert [np.isfinite(line.values).sum() for line in found.lines] == [1, 1]


def test_one_session_has_no_sharpe(stored: MemoryMarket) -> None:
    found = comparison(stored, "symbols=M1,M2&range=1D")
    assert found.interval is Interval.M1
    assert found.rows[0].metrics.sessions == 1
    assert "Lines are 1m closes; the table rests on one daily close." in found.notes
    assert np.isnan(found.rows[0].metrics.sharpe) and np.isnan(found.rows[0].correlation)


def test_a_window_beside_all_data_is_moved_and_said(stored: MemoryMarket) -> None:
    found = comparison(stored, "symbols=A,B&start=2030-01-01&end=2030-06-01")
    assert found.notes[0].startswith("No bars in the window asked for: stored is 2010-01-04")
    assert np.isfinite(found.lines[0].values).all()


def test_unknown_symbols_are_left_out_with_the_nearest(stored: MemoryMarket) -> None:
    found = comparison(stored, "symbols=A,YOUNGG,a")
    assert found.view.symbols == ("A",)
    assert found.notes[0] == "Left out: unknown symbol 'YOUNGG'; nearest known: 'YOUNG'."
    with pytest.raises(UnknownSymbol, match="nearest known"):
        comparison(stored, "symbols=YOUNGG,OLDD")
    with pytest.raises(InvalidView, match="add symbols"):
        comparison(stored, "")


def test_a_guest_compares_nothing(stored: MemoryMarket) -> None:
    with pytest.raises(Forbidden):
        service(stored).compare(Actor("guest", frozenset()), CompareView(("A",)))


def test_all_of_a_comparison_is_of_one_moment(stored: MemoryMarket) -> None:
    """The reader is asked inside one `together`, never beside it."""

    class Beside(MemoryMarket):
        def together(self, ask):  # type: ignore[no-untyped-def]
            return ask(stored)

    beside = Beside()
    beside.symbols = stored.symbols
    found = service(beside).compare(DEVELOPER, CompareView(("A", "B")))
    assert len(found.ts) and not beside.asked
    assert sessions("2024-07-03", "2024-07-04")[0] == found.ts[-1]


def test_a_line_begins_where_its_adjusted_prices_change_their_base() -> None:
    market = MemoryMarket()
    symbol = market.add("A", Interval.D1, daily("2023-06-01", "2024-07-04", seed=1))
    market.add("B", Interval.D1, daily("2023-06-01", "2024-07-04", seed=2))
    broken = moment("2024-03-04")
    market.changes[symbol.id] = (BaseChange(broken, None),)
    found = comparison(market, "symbols=A,B&start=2023-09-01&end=2024-07-01")
    assert (found.lines[0].base_ts, found.lines[1].base_ts) == (broken, moment("2023-09-01"))
    assert found.rows[0].metrics == measure(*_priced(days(market, "A", "2024-03-04", "2024-07-01")))
    assert found.notes[0] == (
        "A: adjusted prices before 2024-03-04 have another base, so that it is compared from there"
        " on."
    )
    for window in ("start=2024-03-04&end=2024-07-01", "start=2023-09-01&end=2024-03-01"):
        assert not any("base" in note for note in comparison(market, f"symbols=A,B&{window}").notes)


def _priced(bars: Bars) -> tuple[Floats, Floats]:
    return bars.close, bars.volume
