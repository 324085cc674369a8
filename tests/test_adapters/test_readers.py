"""Text files of bars: what is written is read back exactly, what is wrong is refused by its line,
and nothing but ImportFailed leaves the reader, whatever the bytes."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mltrading.adapters.sources import content as contents
from mltrading.adapters.sources.columns import TextTables
from mltrading.domain.bars import Bars, Interval
from mltrading.errors import ImportFailed
from mltrading.services.ports import Refused
from tests.factories import moment
from tests.test_adapters.tables import Row, Written, assert_read_back, dialects, read, tables

Found = tuple[Bars, list[Refused]] | str
"""The bars of a file and the rows that were refused, or why all of it was."""

ONE_FOLDER = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
DAYS = "Date,Open,High,Low,Close,Volume\n"
GOOD = "2024-01-02,10,12,9,11,100"


def write(folder: Path, data: str | bytes, name: str = "AAPL.csv") -> Path:
    path = folder / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@given(rows=tables(), dialect=dialects)
@ONE_FOLDER
def test_a_table_in_any_dialect_is_read_back_exactly(
    tmp_path: Path, rows: list[Row], dialect: Written
) -> None:
    bars, refused, file = read(write(tmp_path, dialect.render(rows)))
    assert not refused
    assert file.interval is Interval.M1
    assert_read_back(bars, rows)


@given(rows=tables(), dialect=dialects, broken=st.data())
@ONE_FOLDER
def test_column_wise_and_line_by_line_reading_agree(
    tmp_path: Path, rows: list[Row], dialect: Written, broken: st.DataObject
) -> None:
    lines = replace(dialect, packed=False, newline="\n").render(rows).split(b"\n")
    for at in broken.draw(st.sets(st.integers(1, len(lines) - 1), max_size=6)):
        junk = broken.draw(
            st.sampled_from([b"", b"x", b'"', b"nan", b"-1", b"\0", b"1e999", b",;"])
        )
        cut = broken.draw(st.integers(0, len(lines[at])))
        lines[at] = lines[at][:cut] + junk + lines[at][cut + len(junk) :]
    path = write(tmp_path, b"\n".join(lines))
    fast, slow = _read_both_ways(path)
    if isinstance(fast, str) or isinstance(slow, str):
        assert fast == slow  # so much is broken that what is left has no spacing of bars
        return
    assert fast[1] == slow[1]
    for name in ("ts", "open", "high", "low", "close", "adj_close", "volume"):
        np.testing.assert_array_equal(getattr(fast[0], name), getattr(slow[0], name))


def test_a_table_whose_lines_left_show_no_spacing_is_refused_alike(tmp_path: Path) -> None:
    minutes = [0, 2, 4, 6, 8, 10, 11, 12, 13]  # of which hypothesis had broken those between
    lines = [f"2024-01-20 00:{minute:02d},1,1,1,1,0" for minute in minutes]
    fast, slow = _read_both_ways(
        write(tmp_path, "\n".join(["Date,Open,High,Low,Close,Volume", *lines]))
    )
    assert fast == slow
    assert "its bars are 2 minutes apart; give --interval" in str(fast)


def _read_both_ways(path: Path) -> tuple[Found, Found]:
    """Column by column, and line by line as where a column is not whole."""
    fast = _read(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TextTables, "whole", lambda self, block: None)
        return fast, _read(path)


def _read(path: Path) -> Found:
    try:
        bars, refused, _ = read(path)
    except ImportFailed as failure:
        return str(failure)
    return bars, refused


@given(data=st.binary(max_size=600))
@ONE_FOLDER
def test_garbage_is_refused_in_one_line(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ImportFailed) as failure:
        read(write(tmp_path, data))
    assert "\n" not in str(failure.value)


@given(data=st.binary(max_size=300), at=st.integers(0, 400), packed=st.booleans())
@ONE_FOLDER
def test_garbage_inside_a_table_never_breaks_the_reader(
    tmp_path: Path, data: bytes, at: int, packed: bool
) -> None:
    good = (DAYS + f"{GOOD}\n" * 20).encode()
    spoilt = good[:at] + data + good[at:]
    packed_and_cut = gzip.compress(good, mtime=0)[: max(1, at)] + data
    try:
        bars, refused, _ = read(write(tmp_path, packed_and_cut if packed else spoilt))
    except ImportFailed as failure:
        assert "\n" not in str(failure)
    else:
        assert len(bars) + len(refused) <= spoilt.count(b"\n") + spoilt.count(b"\r") + 1


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2024-01-03,NaN,12,9,11,1", "open is not a number"),
        ("2024-01-03,10,Infinity,9,11,1", "high is infinite"),
        ("2024-01-03,10,12,0,11,1", "low 0 is not above zero"),
        ("2024-01-03,10,12,9,-11,1", "close -11 is not above zero"),
        ("2024-01-03,10,8,9,8.5,1", "high 8 is below low 9"),
        ("2024-01-03,13,12,9,11,1", "open 13 is outside low 9 to high 12"),
        ("2024-01-03,10,12,9,8,1", "close 8 is outside low 9 to high 12"),
        ("2024-01-03,10,12,9,11,-5", "volume -5 is negative"),
        ("2024-01-03,10,12,9,11,nan", "volume is not a number"),
        ("2024-01-03,10,12,9,11,1e30", "volume 1e+30 is out of range"),
        ("2024-01-03,1e300,1e300,1e300,1e300,1", "open 1e+300 is out of range"),
        ("2099-01-03,10,12,9,11,1", "the time 2099-01-03T00:00:00Z is in the future"),
        ("1492-01-03,10,12,9,11,1", "the time is before 1700"),
        ("2024-02-30,10,12,9,11,1", "the time '2024-02-30' can not be read"),
        (",10,12,9,11,1", "the time is missing"),
        ("2024-01-03,10,12,9,,1", "close is missing"),
        ("2024-01-03,10,12,9,null,1", "close 'null' is not a number"),
        ("2024-01-03,10,12,9,1_1,1", "close '1_1' is not a number"),
        ("2024-01-03,10,12,9,11", "5 fields where 6 are expected"),
        ("2024-01-03,10,12,9,11,1,1", "7 fields where 6 are expected"),
        ("2024-01-03,10,12,9,1\0,1", "holds a NUL byte"),
    ],
)
def test_a_bad_row_is_refused_with_line_and_reason(tmp_path: Path, row: str, reason: str) -> None:
    data = f"{DAYS}{GOOD}\n\n{row}\n2024-01-04,10,12,9,11,100\n"
    bars, refused, _ = read(write(tmp_path, data))
    assert len(bars) == 2
    assert [(bad.line, bad.reason, bad.symbol) for bad in refused] == [(4, reason, "AAPL")]
    assert refused[0].row_text == row.replace("\0", "\N{SYMBOL FOR NULL}")


def test_bad_rows_are_found_by_line_in_every_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents.Content.blocks, "__defaults__", (4096,))
    good = [f"{moment('2024-01-02') // 1_000_000 + 60 * n},10,12,9,11,1" for n in range(3000)]
    bad = {17: "x", 1500: "", 2999: "1,2"}
    lines = [bad.get(n, line) for n, line in enumerate(good)]
    bars, refused, _ = read(write(tmp_path, DAYS + "\n".join(lines)), interval=Interval.M1)
    assert len(bars) == 2997
    assert [row.line for row in refused] == [19, 3001]  # an empty line is no row


def test_rounding_of_float32_sources_is_tolerated(tmp_path: Path) -> None:
    bars, refused, _ = read(write(tmp_path, DAYS + "2024-01-02,10,12.0000001,9,12.0000012,1\n"))
    assert (len(bars), refused) == (1, [])


@pytest.mark.parametrize(
    ("header", "row", "want"),
    [
        ("Date,Open,High,Low,Close,Adj Close,Volume", "2024-01-02,10,12,9,11,5.5,7", (5.5, 7)),
        ("Date,Close/Last,Volume,Open,High,Low", '01/31/2024,11.00,"7,000",10,12,9', (11, 7000)),
        ("timestamp,1. open,2. high,3. low,4. close,5. volume",
         "2024-01-02,10,12,9,11,7", (11, 7)),
        ("unix,date,o,h,l,c,Volume BTC,Volume USD", "1704153600,x,10,12,9,11,7,70", (11, 7)),
        ('"Date","Price","Open","High","Low","Vol.","Change %"',
         '"Jan 02, 2024","11","10","12","9","7.5K","1%"', (11, 7500)),
        ("<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
         "AAPL.US,D,20240102,000000,10,12,9,11,7,0", (11, 7)),
        ("time;open;high;low;close", "2024-01-02;10,5;12,0;9,0;11,0", (11, 0)),
    ],
)  # fmt: skip
def test_the_columns_of_known_exports_are_found(
    tmp_path: Path, header: str, row: str, want: tuple[float, float]
) -> None:
    bars, refused, file = read(write(tmp_path, f"{header}\n{row}\n"))
    assert refused == []
    assert (bars.adj_close[0], bars.volume[0]) == want
    assert (bars.high[0], bars.low[0]) == (12, 9)
    assert file.interval is Interval.D1


@pytest.mark.parametrize("scale", [1000, 1_000_000])
@pytest.mark.parametrize("header", [False, True])
def test_binance_klines_with_and_without_header(tmp_path: Path, scale: int, header: bool) -> None:
    names = (
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
        "taker_buy_volume,taker_buy_quote_volume,ignore\n"
    )
    start = moment("2025-01-01") // 1_000_000
    rows = [f"{(start + 60 * n) * scale},10,12,9,11,1.5,0,0,0,0,0,0\n" for n in range(3)]
    name = "BTCUSDT-1m-2025-01.csv"
    bars, refused, file = read(write(tmp_path, names * header + "".join(rows), name))
    assert refused == []
    assert bars.ts.tolist() == [moment(f"2025-01-01T00:0{n}") for n in range(3)]
    assert file.symbols[0].code == "BTCUSDT"
    assert file.interval is Interval.M1


def test_the_three_heads_of_yfinance_name_the_symbol(tmp_path: Path) -> None:
    data = (
        "Price,Adj Close,Close,High,Low,Open,Volume\nTicker,MSFT,MSFT,MSFT,MSFT,MSFT,MSFT\n"
        "Date,,,,,,\n2024-01-02,5.5,11,12,9,10,7\n2024-01-03,5.5,11,8,9,10,7\n"
    )
    bars, refused, file = read(write(tmp_path, data, "download.csv"))
    assert [symbol.code for symbol in file.symbols] == ["MSFT"]
    assert (bars.open[0], bars.close[0], bars.adj_close[0]) == (10, 11, 5.5)
    assert [(row.line, row.reason) for row in refused] == [(5, "high 8 is below low 9")]


@pytest.mark.parametrize("dirty", ["", "x,1,1,1,1,A\n"])
def test_several_names_without_symbols_are_not_mixed(tmp_path: Path, dirty: str) -> None:
    data = "date,open,high,low,close,Name\n2024-01-02,1,1,1,1,AAL\n2024-01-02,1,1,1,1,AAPL\n"
    path = write(tmp_path, data + dirty)
    with pytest.raises(ImportFailed, match="several names .AAL, AAPL, ...* rename that column"):
        read(path)
    assert len(read(path, symbol="AAL")[0]) == 2


def test_metatrader_rows_without_header(tmp_path: Path) -> None:
    data = "2024.01.02,09:30,10,12,9,11,5\n2024.01.02,09:35,10,12,9,11,5\n"
    bars, _, file = read(write(tmp_path, data))
    assert bars.ts.tolist() == [moment("2024-01-02T09:30"), moment("2024-01-02T09:35")]
    assert file.interval is Interval.M5


@pytest.mark.parametrize(
    ("stamp", "zone", "want"),
    [
        ("2024-07-01 09:30:00", None, "2024-07-01T09:30"),
        ("2024-07-01 09:30:00", "America/New_York", "2024-07-01T13:30"),
        ("2024-01-02 09:30:00", "America/New_York", "2024-01-02T14:30"),
        ("2024-07-01 09:30:00-04:00", "Asia/Tokyo", "2024-07-01T13:30"),
        ("2024-07-01T13:30:00Z", "Asia/Tokyo", "2024-07-01T13:30"),
        ("2024-07-01 13:30:00 UTC", None, "2024-07-01T13:30"),
        ("1719840600", "Asia/Tokyo", "2024-07-01T13:30"),
    ],
)
def test_intraday_times_become_instants(
    tmp_path: Path, stamp: str, zone: str | None, want: str
) -> None:
    data = f"Time,Open,High,Low,Close\n{stamp},10,12,9,11\n"
    bars, _, file = read(write(tmp_path, data), timezone=zone, interval=Interval.M1)
    assert bars.ts.tolist() == [moment(want)]
    assumed = any("taken as UTC" in note for note in file.notes)
    assert assumed == (zone is None and want == "2024-07-01T09:30")


@pytest.mark.parametrize(
    ("stamp", "zone"),
    [
        ("2024-07-01", "Asia/Tokyo"),
        ("2024-07-01 00:00:00-04:00", None),
        ("2024-07-01 00:00:00+09:00", None),  # the evening before in UTC
        ("2024-07-01 23:59:00", "America/New_York"),
        ("1719792000", None),
        ("1719806400", "America/New_York"),  # its midnight
        ("20240701", None),
        ("01-Jul-2024", None),
    ],
)
def test_a_daily_bar_is_stamped_with_its_date_as_written(
    tmp_path: Path, stamp: str, zone: str | None
) -> None:
    data = f"Date,Open,High,Low,Close\n{stamp},10,12,9,11\n"
    bars, _, _ = read(write(tmp_path, data), timezone=zone, interval=Interval.D1)
    assert bars.ts.tolist() == [moment("2024-07-01")]


def test_times_that_the_clock_skips_or_repeats_are_refused(tmp_path: Path) -> None:
    data = (
        "Time,Open,High,Low,Close\n2024-11-03 01:30,10,12,9,11\n"
        "2024-03-10 02:30,10,12,9,11\n2024-03-10 03:30,10,12,9,11\n"
    )
    bars, refused, _ = read(
        write(tmp_path, data), timezone="America/New_York", interval=Interval.H1
    )
    assert bars.ts.tolist() == [moment("2024-03-10T07:30")]
    reason = "the clocks in America/New_York skip this time or show it twice"
    assert [(row.line, row.reason) for row in refused] == [(2, reason), (3, reason)]


@pytest.mark.parametrize(
    ("dates", "want"),
    [
        (["01/02/2024", "13/02/2024"], "2024-02-01"),
        (["01/02/2024", "01/13/2024"], "2024-01-02"),
        (["01.02.2024", "29.02.2024"], "2024-02-01"),
    ],
)
def test_one_day_above_twelve_settles_the_order(
    tmp_path: Path, dates: list[str], want: str
) -> None:
    data = "Date,Open,High,Low,Close\n" + "".join(f"{d},10,12,9,11\n" for d in dates)
    bars, _, _ = read(write(tmp_path, data))
    assert bars.ts[0] == moment(want)


def test_a_day_above_twelve_far_down_the_file_settles_the_order(tmp_path: Path) -> None:
    early = [f"0{1 + n % 9}/02/2024 {n % 24:02d}:{n % 60:02d},10,12,9,11\n" for n in range(20_000)]
    data = "Time,Open,High,Low,Close\n" + "".join(early) + "29/02/2024 10:00,10,12,9,11\n"
    bars, _, _ = read(write(tmp_path, data), interval=Interval.M1)
    assert bars.ts[-1] == moment("2024-02-29T10:00")
    assert bars.ts[0] == moment("2024-02-01T00:00")


def test_ambiguous_dates_are_refused_unless_told(tmp_path: Path) -> None:
    path = write(tmp_path, "Date,Open,High,Low,Close\n01/02/2024,10,12,9,11\n")
    with pytest.raises(ImportFailed, match="day or month first; give --date-format"):
        read(path)
    bars, _, _ = read(path, date_format="%d/%m/%Y")
    assert bars.ts.tolist() == [moment("2024-02-01")]


@pytest.mark.parametrize(
    ("step", "want"),
    [(1, "1m"), (5, "5m"), (15, "15m"), (60, "1h"), (240, "4h"), (1440, "1d")],
)
@pytest.mark.parametrize("shuffled", [False, True])
def test_the_interval_is_found_in_the_spacing(
    tmp_path: Path, step: int, want: str, shuffled: bool
) -> None:
    order = np.random.default_rng(0).permutation(400) if shuffled else np.arange(400)
    start = np.datetime64("2024-01-02T00:00")
    rows = [f"{start + n * step},10,12,9,11\n" for n in order]
    _, _, file = read(write(tmp_path, "Time,Open,High,Low,Close\n" + "".join(rows)))
    assert file.interval.value == want
    assert file.notes[0].startswith(f"interval {want}, from ")


def test_a_long_file_names_its_symbols_and_their_details(tmp_path: Path) -> None:
    data = (
        "symbol,name,sector,date,open,high,low,close\nA,Alpha,Tech,2024-01-02,1,1,1,1\n"
        '\'; DROP TABLE,<img src=x>,,2024-01-02,1,1,1,1\n"B,C",,,2024-01-02,1,1,1,1\n'
        "A,,,2024-01-03,1,1,1,1\n"
    )
    bars, refused, file = read(write(tmp_path, data))
    assert [(s.code, s.name, s.sector) for s in file.symbols] == [
        ("A", "Alpha", "Tech"),
        ("'; DROP TABLE", "<img src=x>", ""),
    ]
    assert len(bars) == 3
    assert [row.line for row in refused] == [4]
    with pytest.raises(ImportFailed, match="several symbols .* would merge"):
        read(write(tmp_path, data), symbol="X")


@pytest.mark.parametrize(
    ("name", "days", "zone", "want"),
    [
        ("BTC.csv", range(1, 15), None, ("24/7", "UTC")),
        ("BTC.csv", range(1, 15), "Asia/Tokyo", ("24/7", "Asia/Tokyo")),
        ("ETHUSDT-1d-2024.csv", range(1, 6), None, ("24/7", "UTC")),
        ("IBM.csv", [1, 2, 3, 4, 5, 8, 9, 10], None, ("", "")),
        ("SONY.csv", [1, 2, 3, 4, 5, 8, 9, 10], "Asia/Tokyo", ("", "Asia/Tokyo")),
    ],
)
def test_a_market_that_never_closes_is_told_by_its_saturdays(
    tmp_path: Path, name: str, days: list[int], zone: str | None, want: tuple[str, str]
) -> None:
    rows = "".join(f"2024-07-{day:02d},10,12,9,11,1\n" for day in days)
    _, _, file = read(write(tmp_path, DAYS + rows, name), timezone=zone)
    assert [(symbol.calendar, symbol.timezone) for symbol in file.symbols] == [want]


@pytest.mark.parametrize(
    ("zone", "note"),
    [
        (None, "trades round the clock: its days are UTC days; --tz says otherwise"),
        ("Asia/Tokyo", "trades round the clock: its days are those of Asia/Tokyo, as given"),
    ],
)
def test_whose_days_a_market_that_never_closes_has_is_noted(
    tmp_path: Path, zone: str | None, note: str
) -> None:
    rows = "".join(f"2024-07-{day:02d},10,12,9,11,1\n" for day in range(1, 15))
    _, _, file = read(write(tmp_path, DAYS + rows), timezone=zone)
    assert note in file.notes


def test_new_yorks_friday_is_no_saturday_where_it_is_written_in_tokyo_time(tmp_path: Path) -> None:
    friday = np.datetime64("2024-07-05T22:30")
    rows = "".join(f"{friday + minute},10,12,9,11,1\n" for minute in range(390))
    _, _, file = read(write(tmp_path, DAYS + rows), timezone="Asia/Tokyo")
    assert file.symbols[0].calendar == ""


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("aapl.csv", "AAPL"),
        ("brk.b.csv.gz", "BRK.B"),
        ("AAPL (1).csv", "AAPL"),
        ("ETHUSDT-1d-2024.csv", "ETHUSDT"),
    ],
)
def test_without_a_symbol_column_the_file_name_is_the_symbol(
    tmp_path: Path, name: str, code: str
) -> None:
    _, _, file = read(write(tmp_path, DAYS + GOOD, name))
    assert [symbol.code for symbol in file.symbols] == [code]
    assert f"symbol {code}, from the name of the file" in file.notes


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "holds no line of data"),
        (DAYS.encode(), "has a header and no rows"),
        (b"Date,Open,High\n2024-01-02,1,1\n", "no column for low, close; .* Date, Open, High"),
        (b"No data", "its first line has: No data"),
        (b"Date,Open,High,Low,Close,Close\n1,1,1,1,1,1\n", "'close' more than once"),
        ((DAYS + GOOD).encode("utf-16"), "UTF-16"),
        ((DAYS + GOOD).encode("utf-16-le"), "binary or UTF-16"),
        (f"{DAYS}{GOOD}\n2024-01-03,\xe9,1,1,1,1".encode("latin-1"), "line 3 is not UTF-8"),
        (bytes(range(256)) * 40, "binary"),
        (b"PK\x03\x04rest", "zip archive"),
        (b"PAR1rest", "damaged or truncated Parquet"),
        (b"\x1f", "truncated gzip file: it breaks off in line 1; copy or download it again"),
        (gzip.compress((DAYS + GOOD).encode(), mtime=0)[:-9],
         "truncated gzip file: it breaks off in line 2; copy or download it again"),
        (gzip.compress((DAYS + f"{GOOD}\n" * 50).encode(), mtime=0)[:-4] + b"abcd",
         r"damaged gzip file \(.*\); copy or download it again"),
        (b"Date,Open,High,Low,Close\n2024-01-02,1,1,1\n2024-01-03,x,1,1,1\n",
         "no row can be read; line 2: 4 fields where 5 are expected"),
        (b"Date,Open,High,Low,Close\nx,1,1,1,1\ny,1,1,1,1\n", "in no known form"),
        (b"Date;Open;High;Low;Close\n2024-01-02,1,1,1,1\n", "no row has the 5 fields"),
        (b"Date\tOpen\tHigh\tLow\tClose\n2024-01-02\t1,234\t1,234\t1,234\t1,234\n", "thousands"),
        (b"Date,Open,High,Low,Close\n2024-01-01,1,1,1,1\n2024-01-08,1,1,1,1\n2024-01-15,1,1,1,1\n",
         "7 days apart; weeks and months are derived"),
        (b"Time,Open,High,Low,Close\n2024-01-01 10:00,1,1,1,1\n", "give --interval"),
        (b"Time,Open,High,Low,Close\n2024-01-01 10:00,1,1,1,1\n2024-01-01 10:02,1,1,1,1\n",
         "2 minutes apart; give --interval"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_bars_is_said_in_one_line(
    tmp_path: Path, data: bytes, message: str
) -> None:
    with pytest.raises(ImportFailed, match=message) as failure:
        read(write(tmp_path, data))
    assert "\n" not in str(failure.value)


def test_a_long_gzip_file_that_breaks_off_says_its_line(tmp_path: Path) -> None:
    rows = "".join(f"{1704067200 + 60 * n},10,12,9,11,{n * 7919 % 9973}\n" for n in range(60_000))
    path = write(tmp_path, gzip.compress((DAYS + rows).encode())[:-20_000])
    with pytest.raises(ImportFailed, match=r"it breaks off in line 5\d{4}; copy"):
        read(path)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("%d/%m/%Y", r"AAPL.csv: line 2: the time '2024-01-02' is not written as --date-format"
         " %d/%m/%Y says; leave it out, or write it as the file does"),
        ("%Y-%m-%d %H:%M", "line 2: the time '2024-01-02' is not written as"),
        ("%q", r"'q' is a bad directive .*; write one such as %d/%m/%Y %H:%M"),
        ("%d%d", "--date-format '%d%d' is no form of dates"),
        ("%", "--date-format '%' is no form of dates"),
        ("%m-%d", r"--date-format '%m-%d' is no form of dates \(it tells no day, month and year\)"),
        ("", "--date-format '' is no form of dates"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("interval", [None, Interval.D1, Interval.H1])
def test_a_date_format_that_does_not_fit_is_said(
    tmp_path: Path, pattern: str, message: str, interval: Interval | None
) -> None:
    with pytest.raises(ImportFailed, match=message) as failure:
        read(write(tmp_path, f"{DAYS}{GOOD}\n"), date_format=pattern, interval=interval)
    assert "\n" not in str(failure.value)


def test_rows_that_do_not_fit_a_date_format_are_refused_where_most_do(tmp_path: Path) -> None:
    rows = "02/01/2024,10,12,9,11,1\n2024-01-03,10,12,9,11,1\n04/01/2024,10,12,9,11,1\n"
    bars, refused, _ = read(write(tmp_path, DAYS + rows), date_format="%d/%m/%Y")
    assert (len(bars), [row.line for row in refused]) == (2, [3])


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "BOMB_FLOOR", 1 << 20)
    path = write(tmp_path, gzip.compress((DAYS + f"{GOOD}\n" * 100_000).encode()))
    with pytest.raises(ImportFailed, match="expands more than 100 times"):
        read(path)


def test_an_endless_line_is_refused_without_reading_it_all(tmp_path: Path) -> None:
    data = DAYS.encode() + GOOD.encode() + b"\n" + b"1" * (contents.BLOCK + (2 << 20))
    with pytest.raises(ImportFailed, match="longer than 1 MB"):
        read(write(tmp_path, data))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"symbol": "A,B"}, "1 to 32 printable characters without a comma"),
        ({"timezone": "Mars/Olympus"}, "unknown time zone 'Mars/Olympus'"),
        ({"interval": Interval.W1}, "derived from daily bars"),
        ({"interval": Interval.M1}, "no time, so --interval 1m can not be"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    tmp_path: Path, given: dict[str, object], message: str
) -> None:
    with pytest.raises(ImportFailed, match=message):
        read(write(tmp_path, DAYS + GOOD), **given)


def test_an_interval_longer_than_the_spacing_is_refused(tmp_path: Path) -> None:
    rows = Written().render([_minute(n) for n in range(15)])
    with pytest.raises(ImportFailed, match="1 minutes apart, too close for --interval 1d"):
        read(write(tmp_path, rows), interval=Interval.D1)


SPARSE_4H = [
    *(
        "2024-03-08T14:30Z",
        "2024-03-08T18:30Z",
        "2024-03-11T13:30Z",
    ),  # summer time began on the 10th
    *("2024-03-12T17:30Z", "2024-03-14T13:30Z", "2024-03-19T17:30Z"),
]


def _rows_at(stamps: list[str]) -> str:
    return "Time,Open,High,Low,Close\n" + "\n".join(f"{stamp},10,12,9,11" for stamp in stamps)


def test_a_given_interval_holds_over_a_change_of_the_clocks(tmp_path: Path) -> None:
    """What divides the distances of such bars is an hour, though none is nearer than 4."""
    bars, refused, file = read(write(tmp_path, _rows_at(SPARSE_4H)), interval=Interval.H4)
    assert (len(bars), refused, file.interval) == (6, [], Interval.H4)


def test_a_given_interval_is_refused_where_sparse_bars_would_overlap(tmp_path: Path) -> None:
    near = [*SPARSE_4H, "2024-03-19T19:30Z"]
    with pytest.raises(ImportFailed, match="too close for --interval 4h"):
        read(write(tmp_path, _rows_at(near)), interval=Interval.H4)
    off = [*SPARSE_4H, "2024-03-20T17:31Z"]
    with pytest.raises(ImportFailed, match="1 minutes apart, too close for --interval 4h"):
        read(write(tmp_path, _rows_at(off)), interval=Interval.H4)


def test_folders_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportFailed, match="is a folder"):
        read(tmp_path)
    with pytest.raises(ImportFailed, match="does not exist"):
        read(tmp_path / "none.csv")


def test_the_bar_that_is_not_over_is_not_final(tmp_path: Path) -> None:
    rows = [_minute(n) for n in range(3)]
    after_two = int(rows[2][0].timestamp()) * 1_000_000 - 1
    bars, refused, _ = read(write(tmp_path, Written().render(rows)), now=after_two)
    assert bars.is_final.tolist() == [True, False]
    assert [row.line for row in refused] == [4]  # the third begins a microsecond later


def _minute(n: int) -> Row:
    return (datetime(2024, 1, 20, tzinfo=UTC) + timedelta(minutes=n), 10.0, 12.0, 9.0, 11.0, 5.0)
