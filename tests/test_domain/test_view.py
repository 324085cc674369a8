"""Any address parses; what parses is written back in one form."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltrading.domain.bars import DAY, Interval
from mltrading.domain.indicators import MAX_INDICATORS, REGISTRY, IndicatorSpec
from mltrading.domain.query import MAX_QUERY, format_moment, is_code, parse_moment
from mltrading.domain.view import (
    KINDS,
    MAX_COMPARED,
    MODES,
    SCALES,
    SORTS,
    ChartView,
    CompareView,
    OverviewQuery,
    Range,
)
from tests.factories import moment

CODES = st.text(min_size=1, max_size=32).filter(is_code)
MOMENTS = st.integers(moment("1800-01-01"), moment("2199-12-31"))
NAMES = (
    "symbol interval range start end type scale indicators symbols mode q sort order sector page"
)
PIECES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        "1d 1M 5y %zz 2013-03-01 2013-03-01T09:30-05:00 sma:20 bbands:20:2.5 - +".split()
    ),
)
QUERIES = st.one_of(
    st.text(max_size=200),
    st.lists(st.tuples(st.sampled_from(NAMES.split()), PIECES), max_size=8).map(
        lambda pairs: "?" + "&".join(f"{name}={value}" for name, value in pairs)
    ),
)


@st.composite
def windows(draw: st.DrawFn) -> dict[str, object]:
    start, end = draw(st.none() | MOMENTS), draw(st.none() | MOMENTS)
    if start is not None and end is not None and start >= end:
        start, end = (end, start) if end < start else (None, None)
    if start is None and end is None:
        return {"range": draw(st.none() | st.sampled_from(Range))}
    return {"start": start, "end": end}


@st.composite
def specs(draw: st.DrawFn) -> IndicatorSpec:
    entry = draw(st.sampled_from(list(REGISTRY.values())))
    params: list[int | float] = []
    for parameter in entry.parameters:
        if parameter.whole:
            params.append(draw(st.integers(int(parameter.low), int(parameter.high))))
        else:
            tenths = st.integers(round(parameter.low * 10), round(parameter.high * 10))
            value = draw(tenths) / 10
            params.append(int(value) if value == int(value) else value)
    if entry.ordered:
        fast, slow = sorted(params[:2])
        params[:2] = [fast, slow] if fast < slow else [2, slow + 1 if slow < 400 else slow]
    return IndicatorSpec(entry.name, tuple(params))


@st.composite
def chart_views(draw: st.DrawFn) -> ChartView:
    return ChartView(
        symbol=draw(st.none() | CODES),
        interval=draw(st.none() | st.sampled_from(Interval)),
        kind=draw(st.sampled_from(KINDS)),
        scale=draw(st.sampled_from(SCALES)),
        indicators=tuple(draw(st.lists(specs(), max_size=MAX_INDICATORS, unique=True))),
        **draw(windows()),  # type: ignore[arg-type]
    )


@given(QUERIES)
def test_any_text_parses_and_its_canonical_form_is_stable(query: str) -> None:
    for kind in (ChartView, CompareView, OverviewQuery):
        view, problems = kind.parse(query)
        assert kind.parse(view.to_query()) == (view, [])
        assert all(line.isprintable() for line in problems)


@given(chart_views())
def test_chart_view_survives_its_url(view: ChartView) -> None:
    assert ChartView.parse("?" + view.to_query()) == (view, [])


@given(
    st.lists(CODES, max_size=MAX_COMPARED, unique=True),
    windows(),
    st.sampled_from(MODES),
)
def test_compare_view_survives_its_url(
    codes: list[str], window: dict[str, object], mode: str
) -> None:
    view = CompareView(symbols=tuple(codes), mode=mode, **window)  # type: ignore[arg-type]
    assert CompareView.parse(view.to_query()) == (view, [])


@given(
    st.text(max_size=20).filter(lambda t: t.isprintable() and t == t.strip()),
    st.sampled_from(SORTS),
    st.booleans(),
    st.none() | CODES,
    st.integers(1, 1000),
)
def test_overview_query_survives_its_url(
    q: str, sort: str, descending: bool, sector: str | None, page: int
) -> None:
    query = OverviewQuery(q=q, sort=sort, descending=descending, sector=sector, page=page)
    assert OverviewQuery.parse(query.to_query()) == (query, [])


def test_reads_every_field_of_the_contract() -> None:
    view, problems = ChartView.parse(
        "symbol=AAPL&interval=1h&range=YTD&type=ohlc&scale=log"
        "&indicators=sma:20,ema:50,bbands:20:2,rsi:14,macd:12:26:9"
    )
    assert not problems
    assert (view.symbol, view.interval, view.range) == ("AAPL", Interval.H1, Range.YTD)
    assert (view.kind, view.scale) == ("ohlc", "log")
    assert [str(spec) for spec in view.indicators] == [
        "sma:20",
        "ema:50",
        "bbands:20:2",
        "rsi:14",
        "macd:12:26:9",
    ]


@pytest.mark.parametrize(
    ("query", "field", "value"),
    [
        ("type=Candlestick", "kind", "candles"),
        ("type=candle", "kind", "candles"),
        ("scale=lin", "scale", "linear"),
        ("scale=%25", "scale", "percent"),
        ("scale=pct", "scale", "percent"),
        ("interval=1M", "interval", Interval.MO1),
        ("interval=1m", "interval", Interval.M1),
        ("interval=1D", "interval", Interval.D1),
        ("range=1m", "range", Range.MO1),
        ("symbol=a%26b%3Dc", "symbol", "a&b=c"),
        ("start=2013-03-01", "start", moment("2013-03-01")),
        ("start=2013-03-01T09:30-05:00", "start", moment("2013-03-01T14:30")),
        ("start=2013-03-01T09:30+05:00", "start", moment("2013-03-01T04:30")),
        ("start=2013-03-01 09:30", "start", moment("2013-03-01T09:30")),
        ("end=2013-03-01T14:30:00Z", "end", moment("2013-03-01T14:30")),
        ("indicators=macd", "indicators", (IndicatorSpec("macd", (12, 26, 9)),)),
        ("indicators=RSI:7,rsi:7", "indicators", (IndicatorSpec("rsi", (7,)),)),
    ],
)
def test_reads_spellings(query: str, field: str, value: object) -> None:
    view, problems = ChartView.parse(query)
    assert getattr(view, field) == value
    assert not problems


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("interval=2d", "interval='2d' ignored: known are 1m, 5m"),
        ("range=2Y", "range='2Y' ignored"),
        ("type=pie", "known are candles, ohlc, line, area"),
        ("start=yesterday", "not an ISO date"),
        ("start=2013-02-30", "start='2013-02-30' ignored"),
        ("start=0001-01-01T00:00+23:59", "1800 to 2199"),
        ("start=2013-03-01&end=2013-03-01", "start must be before end"),
        ("symbol=A,B", "no comma"),
        ("symbol=" + "A" * 33, "1 to 32"),
        ("symbol=%00", "symbol='' ignored"),
        ("indicators=sma:1", "window must be 2 to 500, got 1"),
        ("indicators=sma:x", "whole number"),
        ("indicators=sma:20:3", "takes 1 parameters, got 2"),
        ("indicators=bbands:20:nan", "must be 0.1 to 10"),
        ("indicators=macd:26:12", "26 must be below 12"),
        ("indicators=magic", "unknown indicator 'magic'; known: sma"),
        ("indicators=" + ",".join(f"sma:{n}" for n in range(2, 11)), "at most 8"),
        ("symbol=" + "A" * MAX_QUERY, "longer than"),
    ],
)
def test_says_what_it_left_out(query: str, said: str) -> None:
    _, problems = ChartView.parse(query)
    assert len(problems) == 1
    assert said in problems[0]


def test_dates_win_over_the_range() -> None:
    view, _ = ChartView.parse("range=1Y&start=2012-01-01")
    assert view.range is None
    assert view.to_query() == "start=2012-01-01"


def test_compare_keeps_eight_distinct_symbols() -> None:
    query = "symbols=" + ",".join(["A", "A", *"BCDEFGHIJ"])
    view, problems = CompareView.parse(query)
    assert view.symbols == tuple("ABCDEFGH")
    assert problems == ["symbols: the first 8 are used, 2 left out"]


def test_codes_with_html_and_sql_survive() -> None:
    for code in ("<img src=x onerror=alert(1)>"[:32], "'; DROP TABLE", "a b", "=1+1", "%41"):
        assert CompareView.parse("symbols=" + quote(code))[0].symbols == (code,)


def test_page_zero_is_refused() -> None:
    query, problems = OverviewQuery.parse("page=0")
    assert query.page == 1
    assert "from 1" in problems[0]


@given(MOMENTS)
def test_moments_round_trip(micros: int) -> None:
    assert parse_moment(format_moment(micros)) == micros


@pytest.mark.parametrize(
    ("chosen", "newest", "start"),
    [
        (Range.D1, "2013-03-01T20:59", "2013-03-01"),
        (Range.W1, "2013-03-01", "2013-02-22"),
        (Range.MO1, "2013-03-31", "2013-02-28"),
        (Range.MO1, "2012-03-30T15:00", "2012-02-29T15:00"),
        (Range.MO3, "2013-02-28", "2012-11-28"),
        (Range.MO6, "2013-08-31", "2013-02-28"),
        (Range.YTD, "2013-03-01T14:30", "2013-01-01"),
        (Range.Y1, "2012-02-29", "2011-02-28"),
        (Range.Y5, "2013-03-01", "2008-03-01"),
    ],
)
def test_ranges_step_back_by_the_calendar(chosen: Range, newest: str, start: str) -> None:
    assert chosen.start(moment(newest)) == moment(start)


def test_range_all_has_no_start() -> None:
    assert Range.ALL.start(5 * DAY) is None
