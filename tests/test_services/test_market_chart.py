"""The chart service: which bars, at which interval, and what it says about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltrading.domain import indicators
from mltrading.domain.access import DEVELOPER, Actor, Scope
from mltrading.domain.bars import DAY, Bars, Interval, Times
from mltrading.domain.bases import BaseChange
from mltrading.domain.query import format_moment
from mltrading.domain.rollup import roll_up
from mltrading.domain.view import ChartView
from mltrading.errors import Forbidden, UnknownSymbol
from mltrading.services.charting import LOADED, VISIBLE
from mltrading.services.derived import Derived
from mltrading.services.market import Chart
from tests.factories import moment
from tests.memory import MemoryMarket, bars_at, walk
from tests.test_services.markets import chart, daily, minutely, service, sessions

NEW_YORK = "America/New_York"


@pytest.fixture(scope="module")
def stored() -> MemoryMarket:
    """OLD: days of 2000-2013. NEW: minutes of 2024 under days since 2014. EMPTY: no bars."""
    market = MemoryMarket()
    market.add("OLD", Interval.D1, daily("2000-03-01", "2013-03-02"))
    market.add("NEW", Interval.M1, minutely("2024-01-02", "2024-07-04"), simulated=True)
    market.add("EMPTY")
    new = market.symbols["NEW"].id
    earlier = daily("2014-01-02", "2024-01-02", seed=4)
    market.bars[new, Interval.D1] = Bars.concat([earlier, market.bars[new, Interval.D1]])
    return market


def visible(found: Chart) -> Bars:
    return found.bars[found.first_visible : found.last_visible + 1]


def dates(bars: Bars) -> tuple[str, str]:
    first, last = (format_moment(int(ts - ts % DAY)) for ts in bars.ts[[0, -1]])
    return first, last


@pytest.mark.parametrize(
    ("query", "interval", "bars", "first", "last"),
    [
        ("symbol=OLD", "1d", 251, "2012-03-01", "2013-03-01"),
        ("symbol=OLD&range=1D", "1d", 1, "2013-03-01", "2013-03-01"),
        ("symbol=OLD&range=1M", "1d", 20, "2013-02-01", "2013-03-01"),
        ("symbol=OLD&range=YTD", "1d", 41, "2013-01-02", "2013-03-01"),
        ("symbol=OLD&range=5Y", "1d", 1259, "2008-03-03", "2013-03-01"),
        ("symbol=OLD&range=ALL", "1w", 679, "2000-02-28", "2013-02-25"),
        ("symbol=OLD&interval=1mo&range=ALL", "1mo", 157, "2000-03-01", "2013-03-01"),
        ("symbol=NEW&range=1D", "1m", 210, "2024-07-03", "2024-07-03"),  # a half day
        ("symbol=NEW&range=1W", "5m", 390, "2024-06-26", "2024-07-03"),
        ("symbol=NEW&range=3M", "1h", 441, "2024-04-03", "2024-07-03"),
        ("symbol=NEW&range=1Y", "1d", 253, "2023-07-03", "2024-07-03"),
        ("symbol=NEW&interval=5m", "5m", 250, "2024-06-28", "2024-07-03"),
    ],
)
def test_interval_is_the_finest_that_fits(
    stored: MemoryMarket, query: str, interval: str, bars: int, first: str, last: str
) -> None:
    found = chart(stored, query)
    shown = visible(found)
    assert (found.interval.value, len(shown)) == (interval, bars)
    assert dates(shown) == (first, last)
    assert len(shown) <= VISIBLE and len(found.bars) <= LOADED


def test_an_asked_interval_is_the_finest_shown_and_comes_back_on_zoom(
    stored: MemoryMarket,
) -> None:
    wide = chart(stored, "symbol=NEW&interval=5m&start=2024-02-01&end=2024-07-01")
    assert (wide.interval, wide.auto, wide.finer) == (Interval.H1, True, True)
    assert wide.notes == ["Shown as 1h: the window holds over 1300 bars of 5m."]
    near = chart(stored, "symbol=NEW&interval=5m&start=2024-06-24&end=2024-06-28")
    assert (near.interval, near.auto, near.finer) == (Interval.M5, False, False)
    assert not near.notes
    free = chart(stored, "symbol=NEW&start=2024-06-24&end=2024-06-28")
    assert (free.interval, free.auto, free.finer) == (Interval.M5, True, True)


def test_minutes_that_begin_late_do_not_hide_the_days_before_them(stored: MemoryMarket) -> None:
    found = chart(stored, "symbol=NEW&interval=1m&start=2023-06-01&end=2024-01-20")
    assert found.interval is Interval.D1
    assert dates(visible(found)) == ("2023-06-01", "2024-01-19")
    assert found.notes == ["Shown as 1d: bars of 1m reach from 2024-01-02 to 2024-07-03."]
    assert found.finer  # the right end can be zoomed into


def test_an_interval_that_is_not_stored_is_said(stored: MemoryMarket) -> None:
    found = chart(stored, "symbol=OLD&interval=1h&range=1M")
    assert (found.interval, found.auto, found.finer) == (Interval.D1, True, False)
    assert found.notes == ["Bars of 1h are not stored for OLD; the finest is 1d."]
    assert [i.value for i in found.available] == ["1d", "1w", "1mo"]


def test_padding_reaches_a_screen_to_both_sides(stored: MemoryMarket) -> None:
    found = chart(stored, "symbol=OLD&start=2005-01-03&end=2006-01-03")
    assert found.last_visible - found.first_visible + 1 == 252
    assert (found.first_visible, len(found.bars)) == (252, 3 * 252)
    assert found.more_left and found.more_right
    end = chart(stored, "symbol=OLD&range=ALL&interval=1mo")
    assert not end.more_left and not end.more_right


def test_bars_are_ascending_adjusted_and_those_stored(stored: MemoryMarket) -> None:
    split = daily("2020-01-02", "2022-01-01")
    factor = np.where(split.ts < moment("2021-01-01"), 0.25, 1.0)
    market = MemoryMarket()
    market.add("SPLIT", Interval.D1, replace(split, adj_close=split.close * factor))
    found = chart(market, "symbol=SPLIT&range=ALL")
    np.testing.assert_allclose(found.bars.close, split.close * factor)
    np.testing.assert_allclose(found.bars.high, split.high * factor)
    np.testing.assert_array_equal(found.bars.ts, split.ts)
    assert found.trust.adjusted
    assert not chart(stored, "symbol=OLD").trust.adjusted


@pytest.mark.parametrize("interval", [None, Interval.W1, Interval.MO1])
def test_the_newest_price_is_as_traded_whatever_the_source_adjusted_it_by(
    interval: Interval | None,
) -> None:
    """As of a file downloaded years after its newest bar, which a later split scaled as well."""
    bars = daily("2020-01-02", "2022-01-01")
    factor = np.where(bars.ts < moment("2021-01-01"), 0.25, 1.0)
    market = MemoryMarket()
    market.add("SPLIT", Interval.D1, replace(bars, adj_close=bars.close * factor * 0.1304))
    asked = f"&interval={interval.value}" if interval else ""
    found = chart(market, f"symbol=SPLIT&range=ALL{asked}")
    assert found.bars.close[-1] == bars.close[-1]
    np.testing.assert_allclose(found.bars.close[0] / bars.close[0], 0.25, rtol=0.2)
    assert found.quote is not None
    assert found.quote.close == bars.close[-1]
    assert found.quote.change_percent == pytest.approx(100 * (bars.close[-1] / bars.close[-2] - 1))
    if interval is None:
        np.testing.assert_allclose(found.bars.close, bars.close * factor)


def test_minutes_that_no_source_adjusted_stay_as_traded_beside_adjusted_days() -> None:
    days, market = daily("2024-01-02", "2024-07-04"), MemoryMarket()
    market.add("MIXED", Interval.D1, replace(days, adj_close=days.close * 0.1304))
    minutes = minutely("2024-06-26", "2024-07-04")
    market.bars[1, Interval.M1] = minutes
    found = chart(market, "symbol=MIXED&interval=1m&range=1D")
    assert found.bars.close[-1] == minutes.close[-1]
    assert chart(market, "symbol=MIXED&interval=1d").bars.close[-1] == days.close[-1]


@pytest.mark.parametrize("interval", [Interval.W1, Interval.MO1])
def test_weeks_and_months_are_whole_wherever_the_window_begins(
    stored: MemoryMarket, interval: Interval
) -> None:
    days = stored.bars[stored.symbols["OLD"].id, Interval.D1]
    whole = roll_up(days, interval, NEW_YORK)
    for start in ("2004-05-12", "2004-05-31", "2004-06-01"):
        found = chart(stored, f"symbol=OLD&interval={interval.value}&start={start}&end=2005-06-15")
        rows = np.searchsorted(whole.ts, found.bars.ts)
        for name in ("ts", "open", "high", "low", "close", "volume"):
            np.testing.assert_allclose(getattr(found.bars, name), getattr(whole, name)[rows])
        first = found.bars.ts[found.first_visible]
        assert first <= moment(start) < found.bars.ts[found.first_visible + 1]


def test_the_forming_week_is_not_final() -> None:
    market = MemoryMarket()
    market.add("A", Interval.D1, daily("2022-01-03", "2024-07-05"))
    found = chart(market, "symbol=A&interval=1w&range=1Y")
    assert not found.bars.is_final[-1]  # the Friday is still to come
    assert found.bars.is_final[:-1].all()


def test_weeks_are_made_once_until_the_days_change() -> None:
    market = MemoryMarket()
    market.add("A", Interval.D1, daily("2000-03-01", "2013-03-02"))
    weeks = service(market)
    view, _ = ChartView.parse("symbol=A&interval=1w&range=ALL")
    first = weeks.chart(DEVELOPER, view)
    market.asked.clear()
    assert weeks.chart(DEVELOPER, view).bars.close.tolist() == first.bars.close.tolist()
    assert market.asked == ["stored"]
    days = market.bars[1, Interval.D1]
    market.bars[1, Interval.D1] = replace(days, close=2 * days.close, adj_close=2 * days.adj_close)
    changed = weeks.chart(DEVELOPER, view).bars.close
    np.testing.assert_allclose(changed, 2 * first.bars.close)


def test_only_the_weeks_used_last_are_kept() -> None:
    market = MemoryMarket()
    for code in "ABC":
        market.add(code, Interval.D1, daily("2012-03-01", "2013-03-02"))
    known = {code: market.stored(Scope.ALL, code) for code in "ABC"}
    made: list[str] = []
    kept = Derived(most=2)

    def ask(code: str) -> None:
        def make() -> tuple[Bars, Times]:
            made.append(code)
            return Bars.empty(), Bars.empty().ts

        stored = known[code]
        assert stored is not None
        kept.get(stored.series[Interval.D1], Interval.W1, make)

    for code in "ABACABA":
        ask(code)
    assert made == ["A", "B", "C", "B"]


ALL_INDICATORS = (
    "sma:20,ema:50,bbands:20:2,vwap,rsi:14,macd:12:26:9,stoch:14:3:3,atr:14",
    "adx:14",
)


@pytest.mark.parametrize("specs", ALL_INDICATORS)
@pytest.mark.parametrize(
    "window",
    [
        "symbol=OLD&start=2009-01-05&end=2009-03-02",
        "symbol=OLD&interval=1w&start=2010-01-01&end=2011-01-01",
        "symbol=NEW&interval=5m&start=2024-06-20&end=2024-06-24",
    ],
)
def test_first_loaded_indicator_value_equals_that_of_the_whole_history(
    stored: MemoryMarket, window: str, specs: str
) -> None:
    found = chart(stored, f"{window}&indicators={specs}")
    symbol = found.symbol.id
    if found.interval.stored:
        history = stored.bars[symbol, found.interval]
    else:
        history = roll_up(stored.bars[symbol, Interval.D1], found.interval, NEW_YORK)
    rows = np.searchsorted(history.ts, found.bars.ts)
    assert len(found.indicators) == specs.count(",") + 1
    for shown in found.indicators:
        whole = indicators.compute(shown.spec, history, found.interval, NEW_YORK)
        assert shown.pane == indicators.REGISTRY[shown.spec.name].pane
        for name, line in shown.lines.items():
            assert len(line) == len(found.bars)
            size = np.nanmax(np.abs(whole[name][rows]))
            np.testing.assert_allclose(line, whole[name][rows], rtol=0, atol=2e-6 * size)


def test_indicators_do_not_change_each_other(stored: MemoryMarket) -> None:
    alone = chart(stored, "symbol=OLD&indicators=obv").indicators[0]
    beside = chart(stored, "symbol=OLD&indicators=ema:200,obv").indicators[1]
    np.testing.assert_array_equal(alone.lines["obv"], beside.lines["obv"])


def test_warm_up_of_a_young_symbol_stays_unknown() -> None:
    market = MemoryMarket()
    market.add("YOUNG", Interval.D1, daily("2024-06-03", "2024-07-04"))
    found = chart(market, "symbol=YOUNG&indicators=sma:20,ema:200").indicators
    assert np.isnan(found[0].lines["sma"][:19]).all()
    assert np.isfinite(found[0].lines["sma"][19:]).all()
    assert np.isnan(found[1].lines["ema"]).all()


def test_trust_tells_age_gaps_and_source(stored: MemoryMarket) -> None:
    old, new = chart(stored, "symbol=OLD").trust, chart(stored, "symbol=NEW").trust
    assert (old.newest_ts, old.stale_text) == (moment("2013-03-01"), "11 y")
    assert (old.stale_sessions, old.missing_sessions) == (2854, 0)
    assert (old.source, old.notice, old.has_volume) == ("test", "made for tests", True)
    assert (new.stale_sessions, new.stale_text) == (0, "")


@pytest.mark.parametrize(
    ("interval", "window"),
    [("1d", "start=2012-01-03&end=2013-01-03"), ("1w", "start=2012-01-03&end=2013-01-03")],
)
def test_missing_sessions_are_counted_in_the_window_only(interval: str, window: str) -> None:
    days = daily("2010-01-04", "2013-03-02")
    kept = ~np.isin(days.ts, [moment(d) for d in ("2012-03-14", "2012-03-15", "2010-05-05")])
    market = MemoryMarket()
    market.add("GAPS", Interval.D1, days[kept])
    found = chart(market, f"symbol=GAPS&interval={interval}&{window}")
    assert found.trust.missing_sessions == 2


def test_missing_sessions_of_minutes(stored: MemoryMarket) -> None:
    bars = minutely("2024-06-03", "2024-06-15")
    out = (bars.ts >= moment("2024-06-05")) & (bars.ts < moment("2024-06-06"))
    market = MemoryMarket()
    market.add("GAPS", Interval.M1, bars[~out])
    assert chart(market, "symbol=GAPS&interval=5m&range=1M").trust.missing_sessions == 1


def test_an_unknown_calendar_is_unknown_not_fine() -> None:
    market = MemoryMarket()
    market.add("A", Interval.D1, daily("2012-01-03", "2013-03-02"), calendar="")
    trust = chart(market, "symbol=A").trust
    assert (trust.stale_sessions, trust.missing_sessions) == (None, None)
    assert trust.stale_text == "11 y, trading days unknown"


def test_quote_is_the_newest_close_whatever_is_on_screen(stored: MemoryMarket) -> None:
    days = stored.bars[stored.symbols["OLD"].id, Interval.D1]
    for query in ("range=1Y", "start=2003-01-02&end=2003-06-01", "interval=1w&range=ALL"):
        quote = chart(stored, f"symbol=OLD&{query}").quote
        assert quote is not None
        assert quote.close == pytest.approx(days.close[-1])
        assert quote.change == pytest.approx(days.close[-1] - days.close[-2])
        assert quote.change_percent == pytest.approx(100 * quote.change / days.close[-2])
        assert quote.session == moment("2013-03-01")


def test_a_window_beside_the_data_is_moved_to_it(stored: MemoryMarket) -> None:
    late = chart(stored, "symbol=OLD&start=2020-01-01&end=2020-07-01")
    assert dates(visible(late))[1] == "2013-03-01"
    early = chart(stored, "symbol=OLD&start=1990-01-01&end=1990-07-01")
    assert dates(visible(early))[0] == "2000-03-01"
    since = chart(stored, "symbol=OLD&start=2024-01-01")
    assert dates(visible(since)) == ("2012-03-01", "2013-03-01")
    for found in (late, early, since):
        assert found.notes == [
            "No bars in the window asked for: stored is 2000-03-01 to 2013-03-01; "
            "the nearest are shown."
        ]


def test_a_window_over_the_edge_is_cut_in_silence(stored: MemoryMarket) -> None:
    found = chart(stored, "symbol=OLD&start=2013-01-01&end=2030-01-01")
    assert dates(visible(found)) == ("2013-01-02", "2013-03-01")
    assert not found.notes


def test_a_window_without_bars_shows_the_ones_before_and_names_the_nearest(
    stored: MemoryMarket,
) -> None:
    found = chart(stored, "symbol=OLD&start=2005-01-01&end=2005-01-03")
    assert dates(visible(found))[1] == "2004-12-31"
    assert found.notes == [
        "No bars in the window asked for; the nearest are of 2004-12-31 and 2005-01-03."
    ]


def test_a_symbol_without_bars_says_what_to_do(stored: MemoryMarket) -> None:
    found = chart(stored, "symbol=EMPTY&indicators=sma:20")
    assert (len(found.bars), found.first_visible, found.last_visible) == (0, 0, -1)
    assert "EMPTY has no bars yet; import" in found.notes[0]
    assert found.quote is None and found.trust.newest_ts is None


def test_a_symbol_with_one_bar_is_drawn() -> None:
    market = MemoryMarket()
    market.add("ONE", Interval.D1, bars_at(sessions("2024-07-01", "2024-07-02"), walk(1)))
    found = chart(market, "symbol=ONE&indicators=sma:20,rsi,vwap")
    assert (len(found.bars), found.first_visible, found.last_visible) == (1, 0, 0)
    assert found.quote is not None and np.isnan(found.quote.change)


def test_unknown_symbols_name_the_nearest(stored: MemoryMarket) -> None:
    with pytest.raises(UnknownSymbol, match="unknown symbol 'OLDD'; nearest known: 'OLD'"):
        chart(stored, "symbol=OLDD")
    with pytest.raises(UnknownSymbol, match="no symbol is stored yet"):
        chart(MemoryMarket(), "")


def test_small_letters_and_no_symbol_at_all_still_show_a_chart(stored: MemoryMarket) -> None:
    assert chart(stored, "symbol=old").view.symbol == "OLD"
    assert chart(stored, "").symbol.code == "EMPTY"  # the first by code


def test_data_needs_the_right_to_see_it(stored: MemoryMarket) -> None:
    market = service(stored)
    with pytest.raises(Forbidden, match="can_view_shared_data"):
        market.chart(Actor("guest", frozenset()), ChartView("OLD"))
    with pytest.raises(Forbidden):
        market.find(Actor("guest", frozenset()), "O")


def test_find_trims_and_puts_the_exact_code_first(stored: MemoryMarket) -> None:
    codes = [symbol.code for symbol in service(stored).find(DEVELOPER, " e ")]
    assert codes == ["EMPTY", "NEW"]
    assert len(service(stored).find(DEVELOPER, "", limit=2)) == 2


@pytest.mark.parametrize(
    ("query", "questions"),
    [
        ("symbol=OLD&range=1Y", 2),
        ("symbol=OLD&range=1Y&indicators=sma:20,ema:200,rsi,macd", 2),
        ("symbol=OLD&range=ALL", 4),
        ("symbol=NEW&range=3M", 6),
        ("symbol=NEW&interval=5m&start=2024-06-24&end=2024-06-28", 5),
    ],
)
def test_a_view_asks_the_database_little(stored: MemoryMarket, query: str, questions: int) -> None:
    stored.asked.clear()
    chart(stored, query)
    assert len(stored.asked) <= questions, stored.asked


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["OLD", "NEW"]),
    st.none() | st.sampled_from(Interval),
    st.integers(moment("1999-06-01"), moment("2025-01-01")),
    st.integers(1, 9000 * DAY),
)
def test_any_window_holds_bars_in_order_and_in_bounds(
    stored: MemoryMarket, code: str, interval: Interval | None, start: int, length: int
) -> None:
    view = ChartView(code, interval, start=start, end=start + length)
    found = service(stored).chart(DEVELOPER, view)
    assert 0 < len(found.bars) <= LOADED
    assert 0 <= found.first_visible <= found.last_visible < len(found.bars)
    assert (np.diff(found.bars.ts) > 0).all()
    assert interval is None or found.interval.length >= interval.length
    assert found.window_start < found.window_end


def test_minutes_without_days_still_make_a_chart(stored: MemoryMarket) -> None:
    market = MemoryMarket()
    bare = market.add("BARE", Interval.M1, minutely("2024-07-01", "2024-07-04"))
    del market.bars[bare.id, Interval.D1]
    found = chart(market, "symbol=BARE&range=1D")
    assert (found.interval, dates(visible(found))[0]) == (Interval.M1, "2024-07-03")
    assert found.quote is None and found.trust.stale_sessions == 0
    assert [i.value for i in found.available] == ["1m", "5m", "15m", "1h", "4h"]


def test_a_chart_over_a_break_of_its_adjusted_prices_says_where_and_one_after_it_says_nothing() -> (
    None
):
    market = MemoryMarket()
    bars = daily("2023-06-01", "2024-07-04")
    at = int(np.searchsorted(bars.ts, moment("2024-03-01")))
    symbol = market.add("AAPL", Interval.D1, bars)
    market.changes[symbol.id] = (BaseChange(int(bars.ts[at]), None),)
    for window, broken in (("range=ALL", True), ("range=3M", False), ("end=2024-02-01", True)):
        trust = chart(market, f"symbol=AAPL&{window}").trust
        assert trust.broken == (bars.ts[at] if broken else None), window


@pytest.mark.parametrize("interval", ["1d", "1w"])
def test_prices_before_a_change_of_base_of_known_ratio_are_drawn_on_that_of_the_newest(
    interval: str,
) -> None:
    bars = daily("2023-06-01", "2024-07-04")
    older = bars.ts < moment("2024-03-01")
    one, two = MemoryMarket(), MemoryMarket()
    one.add("AAPL", Interval.D1, replace(bars, adj_close=bars.close * 0.5))
    symbol = two.add(
        "AAPL", Interval.D1, replace(bars, adj_close=bars.close * np.where(older, 2, 0.5))
    )
    two.changes[symbol.id] = (BaseChange(int(bars.ts[np.argmin(older)]), 0.25),)
    expected, found = (
        chart(market, f"symbol=AAPL&interval={interval}&range=ALL") for market in (one, two)
    )
    assert found.trust.broken is None
    np.testing.assert_allclose(found.bars.close, expected.bars.close)
    np.testing.assert_allclose(found.bars.low, expected.bars.low)
