"""Parquet files of bars: streamed, typed times with and without a zone, the same rules as text."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mltrading.adapters.sources import parquet_file
from mltrading.domain.bars import HOUR, Interval
from mltrading.errors import ImportFailed
from tests.factories import make_bars, moment
from tests.test_adapters.tables import read

PRICES = {"open": [10.0] * 3, "high": [12.0] * 3, "low": [9.0] * 3, "close": [11.0] * 3}
MINUTES = [moment(f"2024-07-01T13:3{n}") for n in range(3)]
DAYS = [moment(f"2024-07-0{n}") for n in (1, 2, 3)]


def write(folder: Path, columns: dict[str, object], **options: object) -> Path:
    path = folder / "AAPL.parquet"
    pq.write_table(pa.table(columns), path, **options)
    return path


def test_bars_are_read_back_exactly_over_many_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_file, "BATCH", 700)
    bars = make_bars(5000, seed=3, adjustment=0.37)
    names = ("open", "high", "low", "close", "adj_close", "volume")
    stamps = pa.array(bars.ts, pa.timestamp("us", "UTC"))
    columns = {"timestamp": stamps} | {name: getattr(bars, name) for name in names}
    got, refused, file = read(write(tmp_path, columns, row_group_size=999))
    assert refused == []
    assert (file.interval, file.size, file.symbols[0].code) == (Interval.M1, 5000, "AAPL")
    for name in ("ts", *names):
        np.testing.assert_array_equal(getattr(got, name), getattr(bars, name))


@pytest.mark.parametrize(
    ("times", "zone", "want"),
    [
        (pa.array(MINUTES, pa.timestamp("us", "UTC")), None, MINUTES),
        (pa.array([t * 1000 for t in MINUTES], pa.timestamp("ns", "Asia/Tokyo")), None, MINUTES),
        (pa.array(MINUTES, pa.timestamp("us")), None, MINUTES),
        (
            pa.array(MINUTES, pa.timestamp("us")),
            "America/New_York",
            [t + 4 * HOUR for t in MINUTES],
        ),
        (pa.array([t // 1000 for t in MINUTES], pa.int64()), None, MINUTES),
        (pa.array(["2024-07-01T13:30Z", "2024-07-01T13:31Z", "2024-07-01T13:32Z"]), None, MINUTES),
        (pa.array([date(2024, 7, n) for n in (1, 2, 3)]), None, DAYS),
        (pa.array(["2024-07-01", "2024-07-02", "2024-07-03"]), None, DAYS),
        # Midnights in Tokyo: days as that column shows them, though UTC has the day before.
        (pa.array([t - 9 * HOUR for t in DAYS], pa.timestamp("us", "Asia/Tokyo")), None, DAYS),
    ],
)  # fmt: skip
def test_every_type_of_time(
    tmp_path: Path, times: pa.Array, zone: str | None, want: list[int]
) -> None:
    got, refused, _ = read(write(tmp_path, {"Date": times, **PRICES}), timezone=zone)
    assert refused == []
    assert got.ts.tolist() == want


def test_bad_rows_are_refused_by_their_number(tmp_path: Path) -> None:
    columns = {
        "ticker": ["A", "B", None],
        "date": pa.array([DAYS[0], None, DAYS[2]], pa.timestamp("us")),
        "open": pa.array([None, 10.0, 10.0]),
        **{name: values for name, values in PRICES.items() if name != "open"},
    }
    got, refused, _ = read(write(tmp_path, columns))
    assert len(got) == 0
    assert [(row.line, row.symbol, row.reason) for row in refused] == [
        (1, "A", "open is not a number"),
        (2, "B", "the time is missing or can not be read"),
        (3, "", "the symbol is not 1 to 32 printable characters without a comma"),
    ]
    assert set(refused[1].row_text.split(",")) == {"B", "", "10.0", "12.0", "9.0", "11.0"}


def test_a_long_file_names_its_symbols(tmp_path: Path) -> None:
    columns = {
        "symbol": ["A", "B", "A"],
        "name": ["Alpha", None, "Alpha"],
        "timestamp": pa.array(DAYS, pa.timestamp("us", "UTC")),
        **PRICES,
    }
    _, _, file = read(write(tmp_path, columns))
    assert [(symbol.code, symbol.name) for symbol in file.symbols] == [("A", "Alpha"), ("B", "")]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"timestamp": DAYS, "open": [1.0] * 3}, "no column for high, low, close; it has: .*open"),
        ({"timestamp": [], **{name: [] for name in PRICES}}, "holds|no rows"),
        ({"date": pa.array(DAYS, pa.timestamp("us")), **PRICES, "open": ["a", "b", "c"]},
         "the column open holds string"),
        ({"date": ["01/02/2024"] * 3, **PRICES}, "can not be told"),
        ({"date": [True, False, True], **PRICES}, "holds bool, not times"),
    ],
)  # fmt: skip
def test_what_is_no_table_of_bars_is_said_in_one_line(
    tmp_path: Path, columns: dict[str, object], message: str
) -> None:
    with pytest.raises(ImportFailed, match=message) as failure:
        read(write(tmp_path, columns))
    assert "\n" not in str(failure.value)


def test_a_date_format_tells_how_texts_are_written(tmp_path: Path) -> None:
    path = write(tmp_path, {"date": ["01/02/2024", "02/02/2024", "05/02/2024"], **PRICES})
    bars, refused, _ = read(path, date_format="%d/%m/%Y")
    assert (bars.ts[0], refused) == (moment("2024-02-01"), [])
    with pytest.raises(ImportFailed, match="line 1: the time '01/02/2024' is not written as"):
        read(path, date_format="%Y-%m-%d")


@pytest.mark.parametrize("kept", [0.2, 0.6, 0.95])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: float) -> None:
    path = write(tmp_path, {"date": pa.array(DAYS, pa.timestamp("us")), **PRICES})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(ImportFailed, match="damaged or truncated"):
        read(path)


def test_a_damaged_page_is_refused_when_it_is_reached(tmp_path: Path) -> None:
    bars = make_bars(20_000)
    columns = {"ts": pa.array(bars.ts, pa.timestamp("us", "UTC"))} | {
        name: getattr(bars, name) for name in PRICES
    }
    path = write(tmp_path, columns, row_group_size=10_000, compression="gzip")
    data = bytearray(path.read_bytes())
    middle = len(data) * 3 // 4
    data[middle : middle + 2000] = bytes(2000)
    path.write_bytes(data)
    with pytest.raises(ImportFailed, match="damaged or truncated"):
        read(path)


def test_a_column_that_unfolds_into_far_more_than_the_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_file, "EXPANSION_FLOOR", 1 << 20)
    monkeypatch.setattr(parquet_file, "EXPANSION", 100)
    same = np.ones(500_000)
    columns = {"ts": np.zeros(500_000, np.int64)} | {name: same for name in PRICES}
    with pytest.raises(ImportFailed, match="expands more than 100 times"):
        read(write(tmp_path, columns))
