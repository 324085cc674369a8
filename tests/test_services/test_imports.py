"""The import service on real PostgreSQL: nothing is lost, counted twice or half stored."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mltrading.adapters.postgres.bars import PostgresBars
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.symbols import PostgresSymbols
from mltrading.adapters.postgres.writer import PostgresBarWriter
from mltrading.adapters.sources import content
from mltrading.adapters.sources.files import LocalFiles
from mltrading.domain.access import DEVELOPER, Actor, Scope
from mltrading.domain.bars import Bars, Interval
from mltrading.errors import Conflict, Forbidden, ImportFailed
from mltrading.services import staging
from mltrading.services.imports import Batch, Importer, ImportSummary
from mltrading.services.ports import ReadOptions, ReadRows, Source
from mltrading.utils.progress import Progress
from tests.factories import SOURCE, make_bars, make_symbol_details, moment

Sql = Callable[[str], list[tuple[object, ...]]]
ALWAYS = 2**62


class FixedClock:
    def now(self) -> datetime:
        return datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def importer(database: Database) -> Importer:
    return Importer(LocalFiles(), PostgresBarWriter(database), FixedClock())


@pytest.fixture
def run(importer: Importer, tmp_path: Path) -> Callable[..., ImportSummary]:
    """Import a file of these lines."""

    def run(
        lines: list[str], name: str = "AAPL.csv", progress: Progress | None = None, **given: object
    ) -> ImportSummary:
        (tmp_path / name).write_text("date,open,high,low,close,volume\n" + "\n".join(lines))
        options = ReadOptions(now=0, **given)  # type: ignore[arg-type]
        return importer.run(DEVELOPER, [tmp_path / name], options, Source("test"), progress)

    return run


def stored(database: Database, code: str, interval: Interval) -> Bars:
    reader = PostgresBars(database)
    known = reader.stored(Scope.ALL, code)
    assert known is not None
    return reader.between(known.symbol.id, interval, -ALWAYS // 2**10, ALWAYS // 2**10)


def counts(summary: ImportSummary) -> tuple[int, int, int, int, int]:
    written = summary.written
    assert (
        summary.read == written.inserted + written.updated + written.unchanged + summary.quarantined
    )
    return (
        summary.read,
        written.inserted,
        written.updated,
        written.unchanged,
        summary.quarantined,
    )


DAYS = [f"2024-01-{day:02d},10,12,9,11,{day}" for day in range(2, 20)]


def test_importing_again_changes_nothing(run: Callable[..., ImportSummary], sql: Sql) -> None:
    assert counts(run(DAYS)) == (18, 18, 0, 0, 0)
    before = sql("SELECT * FROM bars_1d ORDER BY ts")
    assert counts(run(DAYS)) == (18, 0, 0, 18, 0)
    assert sql("SELECT * FROM bars_1d ORDER BY ts") == before


def test_a_changed_row_is_updated(run: Callable[..., ImportSummary], database: Database) -> None:
    run(DAYS)
    assert counts(run([*DAYS[:-1], "2024-01-19,10,12,9,10.5,7"])) == (18, 0, 1, 17, 0)
    bars = stored(database, "AAPL", Interval.D1)
    assert (bars.close[-1], bars.volume[-1]) == (10.5, 7)


def test_of_repeated_stamps_the_last_line_wins_and_every_row_is_counted(
    run: Callable[..., ImportSummary], database: Database
) -> None:
    lines = [*DAYS, "2024-01-05,10,12,9,11,5", "2024-01-05,10,12,9,10,77", DAYS[0]]
    assert counts(run(lines)) == (21, 18, 1, 2, 0)
    bars = stored(database, "AAPL", Interval.D1)
    assert len(bars) == 18
    assert bars.volume[bars.ts == moment("2024-01-05")].tolist() == [77]


def test_bad_rows_go_to_quarantine_once_and_good_ones_are_kept(
    run: Callable[..., ImportSummary], sql: Sql, tmp_path: Path
) -> None:
    lines = [*DAYS[:3], "2024-01-23,10,NaN,9,11,1", "2024-01-24,10,12,9,11,1\0", *DAYS[3:]]
    for inserted in (18, 0):
        summary = run(lines)
        assert counts(summary) == (20, inserted, 0, 18 - inserted, 2)
    assert [row.line for row in summary.files[0].first_refused] == [5, 6]
    kept = sql(
        "SELECT file, line, reason, row_text, symbol, interval FROM quarantine ORDER BY line"
    )
    name = str(tmp_path / "AAPL.csv")
    assert kept == [
        (name, 5, "high is not a number", "2024-01-23,10,NaN,9,11,1", "AAPL", "1d"),
        (name, 6, "holds a NUL byte", "2024-01-24,10,12,9,11,1\N{SYMBOL FOR NULL}", "AAPL", "1d"),
    ]


def test_volumes_too_large_to_add_up_are_put_aside_and_undo_nothing(
    run: Callable[..., ImportSummary], sql: Sql
) -> None:
    volumes = ["1e24", "1e24", "1.7e308", "1.7e308", "1.7e300B", "1.1e24", "3"]
    lines = [f"2024-01-02 15:0{minute},10,12,9,11,{v}" for minute, v in enumerate(volumes)]
    summary = run(lines, interval=Interval.M1)
    assert counts(summary) == (7, 3, 0, 0, 4)
    assert [(row.line, row.reason) for row in summary.files[0].first_refused] == [
        (4, "volume 1.7e+308 is out of range"),
        (5, "volume 1.7e+308 is out of range"),
        (6, "volume inf is out of range"),
        (7, "volume 1.1e+24 is out of range"),
    ]
    assert sql("SELECT volume FROM bars_1d") == [(2e24,)]


def test_what_the_summary_says_of_a_file(run: Callable[..., ImportSummary]) -> None:
    summary = run(DAYS)
    file = summary.files[0]
    assert (file.symbols, file.interval) == (("AAPL",), "1d")
    assert file.notes == (
        "interval 1d, from dates without a time",
        # the rows have a Saturday and a Sunday
        "trades round the clock: its days are UTC days; --tz says otherwise",
        "symbol AAPL, from the name of the file",
    )
    assert set(summary.counts()) == {
        *("read", "inserted", "updated", "unchanged", "quarantined", "seconds")
    }


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Blocks and sorted parts of a few hundred rows, so that small files take every path."""
    monkeypatch.setattr(content.Content.blocks, "__defaults__", (8192,))
    monkeypatch.setattr(staging, "PART_ROWS", 300)
    yield


def minute_lines(bars: Bars) -> list[str]:
    stamps = bars.ts.view("M8[us]").astype("M8[s]")
    columns = zip(stamps, bars.open, bars.high, bars.low, bars.close, bars.volume, strict=True)
    return [",".join(map(str, row)) for row in columns]


@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled", "two halves"])
@pytest.mark.usefixtures("small_pieces")
def test_the_order_of_rows_does_not_matter(
    run: Callable[..., ImportSummary], database: Database, order: str
) -> None:
    bars = make_bars(3000, seed=7)
    places = {
        "ascending": np.arange(3000),
        "descending": np.arange(3000)[::-1],
        "shuffled": np.random.default_rng(1).permutation(3000),
        "two halves": np.r_[1500:3000, 0:1500],
    }[order]
    lines = np.array(minute_lines(bars))[places].tolist()
    assert counts(run(lines, interval=Interval.M1)) == (3000, 3000, 0, 0, 0)
    assert_same(stored(database, "AAPL", Interval.M1), bars)


@pytest.mark.usefixtures("small_pieces")
def test_a_file_that_mixes_many_symbols_is_stored_by_symbol(
    importer: Importer, database: Database, tmp_path: Path
) -> None:
    bars = make_bars(300, "2023-01-02T00:00", Interval.D1, seed=5)
    lines = [
        f"S{symbol:02d},{line}" for line in minute_lines(bars) for symbol in range(20)
    ]  # by date, as market-wide exports are
    path = tmp_path / "market.csv"
    path.write_text("symbol,date,open,high,low,close,volume\n" + "\n".join(lines))
    summary = importer.run(DEVELOPER, [path])
    assert counts(summary) == (6000, 6000, 0, 0, 0)
    assert len(summary.files[0].symbols) == 20
    assert_same(stored(database, "S13", Interval.D1), bars)


@pytest.mark.usefixtures("small_pieces")
def test_sorting_on_disk_leaves_nothing_behind(
    run: Callable[..., ImportSummary], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    summary = run(minute_lines(make_bars(2000))[::-1], interval=Interval.M1)
    assert any("sorted on disk" in note for note in summary.files[0].notes)
    assert [path.name for path in tmp_path.iterdir()] == ["AAPL.csv"]


KILLED_WHILE_SORTING = """
import os, sys
import numpy as np
from mltrading.domain.bars import Bars
from mltrading.services import staging
from mltrading.services.ports import ReadRows

ts, price = np.arange(50_000)[::-1] * 1_000_000, np.ones(50_000)
bars = Bars(ts, price, price, price, price, price, price, price > 0)
staging.PART_ROWS = 1_000
runs = staging.in_order([ReadRows(np.zeros(25_000, np.int32), bars[at::2], (), 0)
                         for at in (0, 1)], lambda: None)
assert len(next(runs)[1]) > 1
os.kill(os.getpid(), int(sys.argv[1]))
"""


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGKILL])
def test_an_import_that_is_killed_while_it_sorts_leaves_no_file_behind(
    tmp_path: Path, ended_by: signal.Signals
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED_WHILE_SORTING, str(int(ended_by))],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=False,
        timeout=60,
    )
    assert ended.returncode == -ended_by
    assert list(tmp_path.iterdir()) == []


def assert_same(got: Bars, want: Bars) -> None:
    for name in ("ts", "open", "high", "low", "close", "adj_close", "volume"):
        np.testing.assert_array_equal(getattr(got, name), getattr(want, name), err_msg=name)


class Interrupting(Progress):
    """A user who presses Ctrl-C once so many bytes are read."""

    def update(self, done: float, total: float | None = None, unit: str = "") -> None:
        if done > 40_000:
            raise KeyboardInterrupt


@pytest.mark.usefixtures("small_pieces")
def test_ctrl_c_in_the_middle_stores_nothing(run: Callable[..., ImportSummary], sql: Sql) -> None:
    lines = ["2024-01-02T14:30,1,1,1,-1,1", *minute_lines(make_bars(3000))]
    with Interrupting() as progress, pytest.raises(KeyboardInterrupt):
        run(lines, progress=progress, interval=Interval.M1)
    for table in ("symbols", "bars_1m", "bars_1d", "series", "latest", "quarantine"):
        assert sql(f"SELECT count(*) FROM {table}") == [(0,)]


@pytest.mark.usefixtures("small_pieces")
def test_a_file_that_turns_out_damaged_stores_nothing_but_the_files_before_it(
    importer: Importer, tmp_path: Path, sql: Sql
) -> None:
    header = "date,open,high,low,close,volume\n"
    good, bad = tmp_path / "GOOD.csv", tmp_path / "BAD.csv"
    good.write_text(header + "\n".join(DAYS))
    lines = header + "\n".join(minute_lines(make_bars(9000)))
    bad.write_bytes(lines.encode() + b"\n2024-01-02,\xff\xfe,1,1,1,1")
    with pytest.raises(
        ImportFailed, match=r"line 9002 is not UTF-8 .*\(files stored before it: 1\)"
    ):
        importer.run(DEVELOPER, [good, bad])
    assert sql("SELECT code FROM symbols") == [("GOOD",)]
    assert sql("SELECT count(*) FROM bars_1m") == [(0,)]


def test_a_file_whose_beginning_is_wrong_stops_all_files(
    importer: Importer, tmp_path: Path, sql: Sql
) -> None:
    good, bad = tmp_path / "GOOD.csv", tmp_path / "BAD.csv"
    good.write_text("date,open,high,low,close,volume\n" + "\n".join(DAYS))
    bad.write_bytes(gzip.compress(b"nothing of use"))
    with pytest.raises(ImportFailed, match="no column for"):
        importer.run(DEVELOPER, [good, bad])
    assert sql("SELECT count(*) FROM symbols") == [(0,)]


def test_only_who_may_modify_settings_may_import(importer: Importer, tmp_path: Path) -> None:
    nobody = Actor("viewer", frozenset())
    with pytest.raises(Forbidden, match="can_modify_settings"):
        importer.run(nobody, [tmp_path / "x.csv"])
    with pytest.raises(Forbidden, match="can_modify_settings"):
        importer.load(nobody, "x", [], SOURCE)


def test_hostile_symbols_are_text(importer: Importer, tmp_path: Path, database: Database) -> None:
    path = tmp_path / "long.csv"
    codes = ["'; DROP TABLE symbols; --", "<img src=x onerror=alert(1)>", "=1+1"]
    rows = [f"{code},{code},2024-01-02,10,12,9,11" for code in codes]
    path.write_text("symbol,name,date,open,high,low,close\n" + "\n".join(rows))
    importer.run(DEVELOPER, [path])
    assert {symbol.code for symbol in PostgresSymbols(database).find(Scope.ALL, "", 9)} == set(
        codes
    )


def test_another_import_in_the_way_is_waited_out(
    importer: Importer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "AAPL.csv"
    path.write_text("date,open,high,low,close,volume\n" + "\n".join(DAYS))
    conflicts = iter([True, True, False])
    writer = importer._writer
    begin = writer.transaction

    def transaction() -> object:
        if next(conflicts):
            raise Conflict("another import")
        return begin()

    monkeypatch.setattr(writer, "transaction", transaction)
    assert counts(importer.run(DEVELOPER, [path])) == (18, 18, 0, 0, 0)
    monkeypatch.setattr(writer, "transaction", lambda: (_ for _ in ()).throw(Conflict("again")))
    with pytest.raises(Conflict):
        importer.run(DEVELOPER, [path])


def test_batches_of_ours_are_loaded_in_one_transaction(importer: Importer, sql: Sql) -> None:
    bars = make_bars(500)

    def batches(fail: bool) -> Iterator[Batch]:
        yield make_symbol_details("A"), Interval.M1, bars
        if fail:
            raise ImportFailed("the source broke off")
        yield make_symbol_details("B"), Interval.M1, bars

    with pytest.raises(ImportFailed):
        importer.load(DEVELOPER, "test", batches(fail=True), SOURCE)
    assert sql("SELECT count(*) FROM symbols") == [(0,)]
    summary = importer.load(DEVELOPER, "test", batches(fail=False), SOURCE)
    assert counts(summary) == (1000, 1000, 0, 0, 0)
    assert summary.files[0].symbols == ("A", "B")


@given(
    rows=st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 30), st.integers(1, 3)), max_size=120
    ),
    cuts=st.sets(st.integers(1, 119), max_size=4),
    part_rows=st.integers(1, 50),
)
@settings(
    deadline=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_rows_in_any_pieces_come_out_ascending_with_the_last_line_winning(
    rows: list[tuple[int, int, int]], cuts: set[int], part_rows: int
) -> None:
    table = np.array(rows, np.int64).reshape(-1, 3)
    pieces = [_piece(part) for part in np.split(table, sorted(c for c in cuts if c < len(table)))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(staging, "PART_ROWS", part_rows)
        patch.setattr(staging, "SAMPLE_EVERY", 3)
        patch.setattr(staging, "MIXED_SYMBOLS", 2)
        runs = list(staging.in_order(pieces, lambda: None))
    assert sum(len(bars) for _, bars in runs) == len(rows)
    got: dict[tuple[int, int], float] = {}
    for symbol, bars in runs:
        unique, repeated = staging.last_wins(bars)
        assert np.all(np.diff(unique.ts) > 0)
        assert len(unique) + repeated.updated + repeated.unchanged == len(bars)
        got |= {(symbol, int(t)): c for t, c in zip(unique.ts, unique.close, strict=True)}
    assert got == {(symbol, at * 1_000_000): float(close) for symbol, at, close in rows}


def test_descending_rows_wait_for_the_end_of_the_file() -> None:
    """Else a transaction would begin early and idle while the rest is read and sorted."""
    unread = [_piece(np.array([[0, at, 1]])) for at in range(3)]  # the newest is popped first
    runs = staging.in_order(iter(lambda: unread.pop() if unread else None, None), lambda: None)
    _, bars = next(runs)
    assert unread == []
    assert bars.ts.tolist() == [0, 1_000_000, 2_000_000]


def test_ascending_rows_pass_on_as_they_come() -> None:
    pieces = iter([_piece(np.array([[0, at, 1]])) for at in range(9)])
    next(staging.in_order(pieces, lambda: None))
    assert len(list(pieces)) > 5


def _piece(table: np.ndarray) -> ReadRows:
    ts, close = table[:, 1] * 1_000_000, table[:, 2].astype(float)
    bars = Bars(ts, close, close, close, close, close, close, np.ones(len(ts), bool))
    return ReadRows(table[:, 0].astype(np.int32), bars, (), 0)
