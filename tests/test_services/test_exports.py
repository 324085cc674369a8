"""Files hold what is on screen, as it is stored, and leave no trace of what may not be seen."""

from __future__ import annotations

import csv
import io
import re
import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mltrading.domain.access import Actor, Permission, Role
from mltrading.domain.bars import DAY, Bars, Interval
from mltrading.domain.view import ChartView, CompareView, OverviewQuery
from mltrading.errors import DatabaseUnavailable, Forbidden, InvalidView, UnknownSymbol
from mltrading.services import exports as service
from mltrading.services.charting import VISIBLE
from mltrading.services.exports import Export, Exports, file_name
from mltrading.services.market import Market
from mltrading.services.ports.audit import AuditEvent, HowSeen, Origin, Unlogged
from tests.memory import MemoryMarket, bars_at, walk
from tests.test_services.markets import daily, minutely, minutes, reader, sessions

ANALYST = Actor("analyst-1", Role.ANALYST.permissions)
VIEWER = Actor("viewer-1", Role.VIEWER.permissions)
HERE = Origin("192.0.2.1", "a browser")
OLD = daily("2000-03-01", "2013-03-02")
SPLIT = replace(OLD, adj_close=OLD.close / np.where(OLD.ts < OLD.ts[2000], 14, 7))
HOSTILE = "'; DROP TABLE"


class Notes:
    """A trail and a log of views that remember, in order."""

    def __init__(self, broken: Exception | None = None) -> None:
        self.kept: list[Any] = []
        self._broken = broken

    def record(self, event: AuditEvent) -> None:
        if self._broken:
            raise self._broken
        self.kept.append(event)

    def viewed(self, actor: Actor, codes: tuple[str, ...], how: HowSeen) -> None:
        self.kept.append((actor.id, tuple(codes), how))


@pytest.fixture(scope="module")
def stored() -> MemoryMarket:
    market = MemoryMarket()
    market.add("OLD", Interval.D1, SPLIT, sector="Energy")
    market.add("NEW", Interval.M1, minutely("2024-05-01", "2024-07-04"), sector="Energy")
    market.add(HOSTILE, Interval.D1, daily("2023-01-03", "2024-07-04"), name="=1+1")
    market.add("SIM", Interval.D1, daily("2023-07-03", "2024-07-04"), simulated=True, currency="")
    market.add("EMPTY")
    return market


def exporter(market: MemoryMarket, notes: Notes | None = None) -> Exports:
    notes = notes or Notes()
    return Exports(reader(market), notes, notes)


def view_of(query: str) -> ChartView:
    view, problems = ChartView.parse(query)
    assert not problems
    return view


def compared(query: str) -> CompareView:
    view, problems = CompareView.parse(query)
    assert not problems
    return view


def frame(export: Export) -> pd.DataFrame:
    return pd.read_csv(io.StringIO("".join(export.pieces)), keep_default_na=False, na_values=[""])


def chart_file(market: MemoryMarket, query: str) -> pd.DataFrame:
    return frame(exporter(market).chart(ANALYST, view_of(query), HERE))


def within(bars: Bars, start: int, end: int) -> Bars:
    return bars[(bars.ts >= start) & (bars.ts < end)]


def same_bars(found: pd.DataFrame, bars: Bars) -> None:
    stamps = pd.to_datetime(found["timestamp"], utc=True).astype("datetime64[us, UTC]")
    np.testing.assert_array_equal(stamps.astype("int64"), bars.ts)
    for name in ("open", "high", "low", "close", "adj_close", "volume"):
        np.testing.assert_array_equal(found[name], getattr(bars, name), err_msg=name)


# -- the chart ------------------------------------------------------------------------------------


def test_bars_are_as_stored_whatever_the_chart_adjusts(stored: MemoryMarket) -> None:
    found = chart_file(stored, "symbol=old&start=2007-06-01&end=2008-06-01")
    label = OLD.ts[(OLD.ts >= sessions("2007-06-01", "2007-06-02")[0])][0]
    same_bars(found, within(SPLIT, label, label + 366 * DAY))
    assert re.fullmatch(r"2007-06-\d\d", found["timestamp"][0])


def test_the_chart_beside_them_is_that_on_screen(stored: MemoryMarket) -> None:
    query = "symbol=OLD&range=1Y&indicators=sma:20,ema:50,bbands:20:2.5,macd:12:26:9,obv"
    found = chart_file(stored, query)
    chart = Market(reader(stored), Unlogged()).chart(ANALYST, view_of(query))
    visible = slice(chart.first_visible, chart.last_visible + 1)
    shown = {"chart_close": chart.bars.close}
    for drawn in chart.indicators:
        name = str(drawn.spec).replace(":", "_")
        for line, values in drawn.lines.items():
            shown[name if len(drawn.lines) == 1 else f"{name}_{line}"] = values
    assert set(found.columns) >= {"sma_20", "bbands_20_2.5_upper", "macd_12_26_9_signal", "obv"}
    for column, values in shown.items():
        np.testing.assert_array_equal(found[column], values[visible], err_msg=column)
    assert not np.allclose(found["chart_close"], found["close"] / 7)


def test_every_row_says_what_it_is_of(stored: MemoryMarket) -> None:
    found = chart_file(stored, "symbol=NEW&range=1D")
    assert found["timestamp"][0] == "2024-07-03T13:30:00Z"
    about = {name: set(found[name]) for name in found.columns[-10:]}
    assert about == {
        "symbol": {"NEW"},
        "name": {"NEW Inc."},
        "exchange": {"NASDAQ"},
        "currency": {"USD"},
        "interval": {"1m"},
        "timezone": {"America/New_York"},
        "prices": {"as traded"},
        "source": {"test"},
        "notice": {"made for tests"},
        "simulated": {False},
    }
    assert set(chart_file(stored, "symbol=SIM")["simulated"]) == {True}


def test_weeks_are_made_of_adjusted_days_and_say_so(stored: MemoryMarket) -> None:
    found = chart_file(stored, "symbol=OLD&interval=1w&range=5Y")
    assert set(found["prices"]) == {"adjusted"}
    np.testing.assert_array_equal(found["close"], found["chart_close"])


def test_moments_have_one_form_at_midnight_and_between_seconds() -> None:
    market = MemoryMarket()
    midnight = sessions("2024-07-01", "2024-07-02")[0]
    ts = midnight + np.arange(-2, 3) * 60_000_000
    market.add("UTC", Interval.M1, bars_at(ts, walk(5)), timezone="UTC", calendar="24/7")
    stamps = chart_file(market, "symbol=UTC&interval=1m")["timestamp"].tolist()
    assert stamps[1:3] == ["2024-06-30T23:59:00Z", "2024-07-01T00:00:00Z"]
    market.add("ODD", Interval.M1, bars_at(ts + 1, walk(5)), timezone="UTC", calendar="24/7")
    odd = chart_file(market, "symbol=ODD&interval=1m")["timestamp"].tolist()
    assert odd[1:3] == ["2024-06-30T23:59:00.000001Z", "2024-07-01T00:00:00.000001Z"]


def test_an_interval_that_was_named_comes_whole_where_the_screen_is_too_small(
    stored: MemoryMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    window = "symbol=NEW&start=2024-06-03&end=2024-06-15"
    named = chart_file(stored, f"{window}&interval=1m&indicators=sma:20")
    ts = minutes("2024-06-03", "2024-06-15")
    assert len(ts) > VISIBLE
    same_bars(named, stored.bars[2, Interval.M1][np.isin(stored.bars[2, Interval.M1].ts, ts)])
    assert named["sma_20"].notna().all()  # with its warm-up before the window
    shown = chart_file(stored, window)
    assert (set(shown["interval"]), len(shown) <= VISIBLE) == ({"5m"}, True)
    monkeypatch.setattr(service, "BARS", len(ts) - 1)
    assert chart_file(stored, f"{window}&interval=1m").equals(shown)


def test_a_symbol_without_bars_is_a_header(stored: MemoryMarket) -> None:
    export = exporter(stored).chart(ANALYST, view_of("symbol=EMPTY"), HERE)
    assert export.name == "chart_EMPTY_1d.csv"
    [header] = "".join(export.pieces).splitlines()
    assert header.startswith("timestamp,open,high,low,close,adj_close,volume,")


def test_a_file_is_named_by_what_is_in_it(stored: MemoryMarket) -> None:
    files = exporter(stored)
    chart = files.chart(ANALYST, view_of("symbol=NEW&range=1D&interval=1h"), HERE)
    assert chart.name == "chart_NEW_1h_2024-07-03T13-00-00Z_2024-07-03T16-00-00Z.csv"
    hostile = files.chart(ANALYST, ChartView(HOSTILE), HERE)
    assert hostile.name == "chart_DROP-TABLE_1d_2023-07-03_2024-07-03.csv"
    lines = files.lines(ANALYST, compared("symbols=OLD,SIM&range=ALL"), HERE)
    assert lines.name == "compare_OLD_SIM_1w_2000-02-28_2024-07-01.csv"
    assert files.overview(ANALYST, OverviewQuery(sector="Energy"), HERE).name == "overview.csv"


@given(st.lists(st.text()))
def test_a_file_name_is_safe_in_a_header_on_a_disk_and_on_a_command_line(parts: list[str]) -> None:
    assert re.fullmatch(r"chart[A-Za-z0-9._-]{0,120}\.csv", file_name("chart", *parts))


# -- the overview and the comparison --------------------------------------------------------------


def test_the_table_has_all_pages_in_their_order(
    stored: MemoryMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mltrading.services.overview.PAGE_ROWS", 1)
    query = OverviewQuery(sector="Energy", sort="close", descending=True, page=2)
    market = Market(reader(stored), Unlogged())
    pages = [market.overview(ANALYST, replace(query, page=page)) for page in (1, 2)]
    found = frame(exporter(stored).overview(ANALYST, query, HERE))
    assert pages[0].pages == 2
    assert found["symbol"].tolist() == [page.rows[0].symbol.code for page in pages]


def test_the_table_says_what_the_page_says(stored: MemoryMarket) -> None:
    found = frame(exporter(stored).overview(ANALYST, OverviewQuery(q="OLD"), HERE)).iloc[0]
    [row] = Market(reader(stored), Unlogged()).overview(ANALYST, OverviewQuery(q="OLD")).rows
    assert (found["close"], found["volume"]) == (row.close, row.volume)
    for change in ("change_1d", "change_1w", "change_1mo", "change_1y", "position_52w"):
        assert found[f"{change}_percent"] == pytest.approx(100 * getattr(row, change), abs=1e-9)
    assert (found["session"], found["newest_timestamp"]) == ("2013-03-01", "2013-03-01")
    assert found["stale"] == row.stale_text == "11 y"


def test_an_empty_table_is_a_header(stored: MemoryMarket) -> None:
    export = exporter(stored).overview(ANALYST, OverviewQuery(q="nothing like it"), HERE)
    [header] = "".join(export.pieces).splitlines()
    assert header.startswith("symbol,name,exchange,")


@pytest.mark.parametrize(
    ("mode", "unit"), [("percent", "percent"), ("indexed", "index"), ("price", "USD")]
)
def test_lines_are_those_of_the_page(stored: MemoryMarket, mode: str, unit: str) -> None:
    view = compared(f"symbols=NEW,OLD&range=ALL&mode={mode}")
    page = Market(reader(stored), Unlogged()).compare(ANALYST, view)
    found = frame(exporter(stored).lines(ANALYST, view, HERE))
    stamps = pd.to_datetime(found["timestamp"], utc=True).astype("datetime64[us, UTC]")
    np.testing.assert_array_equal(stamps.astype("int64"), page.ts)
    for line in page.lines:
        np.testing.assert_array_equal(found[f"{line.symbol.code} {unit}"], line.values)
    assert found["NEW " + unit].isna().any()  # it had no bars then, and none are made up


def test_metrics_are_those_of_the_page(stored: MemoryMarket) -> None:
    view = compared(f"symbols=SIM,{HOSTILE},EMPTY&range=ALL".replace(";", "%3B"))
    page = Market(reader(stored), Unlogged()).compare(ANALYST, view)
    found = frame(exporter(stored).metrics(ANALYST, view, HERE))
    assert found["symbol"].tolist() == ["SIM", HOSTILE, "EMPTY"]
    assert found["simulated"].tolist() == [True, False, False]
    assert found["sessions"].tolist() == [row.metrics.sessions for row in page.rows]
    np.testing.assert_array_equal(found["sharpe"], [row.metrics.sharpe for row in page.rows])
    np.testing.assert_array_equal(found["correlation"], [row.correlation for row in page.rows])
    assert set(found["correlated_with"]) == {"SIM"}
    assert found["return_percent"].isna().tolist() == [False, False, True]


# -- hostile text ---------------------------------------------------------------------------------

TEXT = st.text(st.sampled_from("=+-@\t\r\n\0;|'\"<>é a1"), min_size=1, max_size=12)


@settings(deadline=None)
@given(st.lists(TEXT, min_size=1, max_size=3, unique=True), TEXT)
def test_no_cell_of_any_file_begins_a_formula(codes: list[str], name: str) -> None:
    market = MemoryMarket()
    for code in codes:
        bars = daily("2024-06-03", "2024-07-04")
        fields = {"sector": name, "industry": code, "currency": name, "exchange": code}
        market.add(code, Interval.D1, bars, name=name, **fields)
    files = exporter(market)
    made = [
        *(files.chart(ANALYST, ChartView(code), HERE) for code in codes),
        files.overview(ANALYST, OverviewQuery(), HERE),
        files.lines(ANALYST, CompareView(tuple(codes), mode="price"), HERE),
        files.metrics(ANALYST, CompareView(tuple(codes)), HERE),
    ]
    for export in made:
        rows = list(csv.reader(io.StringIO("".join(export.pieces), newline=""), strict=True))
        assert len({len(row) for row in rows}) == 1
        for found in (found for row in rows for found in row):
            assert not found.lstrip().startswith(tuple("=+-@\t\r")) or float(found)


# -- rights and the trail -------------------------------------------------------------------------


def asked(files: Exports, actor: Actor) -> list[Any]:
    """Each verb as a function without arguments."""
    view, pair = ChartView("OLD"), CompareView(("OLD", "NEW"))
    return [
        lambda: files.chart(actor, view, HERE),
        lambda: files.overview(actor, OverviewQuery(), HERE),
        lambda: files.lines(actor, pair, HERE),
        lambda: files.metrics(actor, pair, HERE),
    ]


def test_without_the_right_nothing_is_read_and_nothing_noted(stored: MemoryMarket) -> None:
    notes = Notes()
    stored.asked.clear()
    for ask in asked(exporter(stored, notes), VIEWER):
        with pytest.raises(Forbidden, match="can_export_data"):
            ask()
    assert (stored.asked, notes.kept) == ([], [])


def test_a_file_is_noted_before_its_first_byte(stored: MemoryMarket) -> None:
    notes = Notes()
    export = exporter(stored, notes).chart(ANALYST, view_of("symbol=OLD&range=1M"), HERE)
    viewed, event = notes.kept
    assert viewed == ("analyst-1", ("OLD",), "export")
    assert event == AuditEvent(
        action="data.export",
        actor="analyst-1",
        target="OLD",
        details={"what": "chart", "of": "1d 2013-02-01 2013-03-01", "rows": "20"},
        origin=HERE,
    )
    assert len(list(csv.reader(io.StringIO("".join(export.pieces))))) == 21


def test_each_kind_of_file_is_noted(stored: MemoryMarket) -> None:
    notes = Notes()
    for ask in asked(exporter(stored, notes), ANALYST):
        ask()
    events = [event for event in notes.kept if isinstance(event, AuditEvent)]
    assert [(event.target, event.details["what"], event.details["rows"]) for event in events] == [
        ("OLD", "chart", "251"),
        ("overview", "overview", "4"),
        ("OLD, NEW", "compare", "44"),
        ("OLD, NEW", "compare-metrics", "2"),
    ]
    assert [note[1] for note in notes.kept if isinstance(note, tuple)][1] == ("overview",)


def test_what_can_not_be_noted_does_not_leave(stored: MemoryMarket) -> None:
    lost = DatabaseUnavailable("the database does not answer")
    for ask in asked(exporter(stored, Notes(lost)), ANALYST):
        with pytest.raises(DatabaseUnavailable):
            ask()


def test_what_is_refused_is_not_noted(stored: MemoryMarket) -> None:
    notes = Notes()
    files = exporter(stored, notes)
    with pytest.raises(UnknownSymbol, match="nearest known: 'OLD'"):
        files.chart(ANALYST, ChartView("OLDD"), HERE)
    with pytest.raises(InvalidView, match="name the symbol"):
        files.chart(ANALYST, ChartView(), HERE)
    with pytest.raises(InvalidView):
        files.lines(ANALYST, CompareView(), HERE)
    assert notes.kept == []


def test_one_who_may_export_what_is_shared_gets_no_more(stored: MemoryMarket) -> None:
    both = frozenset({Permission.VIEW_SHARED_DATA, Permission.EXPORT_DATA})
    actor, files = Actor("partner-1", both), exporter(stored)
    stored.shared = {"NEW"}
    assert frame(files.overview(actor, OverviewQuery(), HERE))["symbol"].tolist() == ["NEW"]
    with pytest.raises(UnknownSymbol, match="nearest known: 'NEW'"):
        files.chart(actor, ChartView("OLD"), HERE)
    lines = frame(files.lines(actor, CompareView(("OLD", "NEW")), HERE))
    assert [name for name in lines.columns if name.endswith("percent")] == ["NEW percent"]
    stored.shared = set()


def test_a_large_file_is_made_in_little_memory() -> None:
    ts = minutes("2024-05-01", "2024-07-04")
    market = MemoryMarket()
    market.add("BIG", Interval.M1, bars_at(ts, walk(len(ts))))
    query = "symbol=BIG&interval=1m&range=ALL&indicators=sma:20,macd:12:26:9"
    export = exporter(market).chart(ANALYST, view_of(query), HERE)
    tracemalloc.start()
    characters = sum(len(piece) for piece in export.pieces)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert characters > 200 * len(ts) > 3_000_000
    assert peak < 1_500_000
