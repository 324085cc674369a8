"""`mltrading import` and `mltrading sample` as a user meets them, on a real database."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from unittest.mock import Mock

import pytest

from mltrading.__main__ import main
from mltrading.adapters.postgres import copy_binary
from mltrading.cli import sample
from tests.factories import SECRET_KEY

Sql = Callable[[str], list[tuple[object, ...]]]
Run = Callable[..., tuple[int, str, str]]
ROWS = "Date,Open,High,Low,Close,Volume\n2024-01-02,10,12,9,11,5\n2024-01-03,10,8,9,11,5\n"


@pytest.fixture
def run(
    database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run a command line; its exit code, stdout and stderr."""
    monkeypatch.setenv("DATABASE_URL", database_url)

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return run


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "aapl.csv"
    path.write_text(ROWS)
    return path


def test_json_has_the_promised_keys_and_a_second_import_changes_nothing(
    run: Run, file: Path
) -> None:
    for inserted in (1, 0):
        code, out, err = run("import", file, "--json")
        assert code == 0
        counts = json.loads(out)
        assert counts.pop("seconds") > 0
        assert counts.pop("notes") == [
            f"{file}: interval 1d, from dates without a time",
            f"{file}: symbol AAPL, from the name of the file",
        ]
        assert counts == {
            "read": 2,
            "inserted": inserted,
            "updated": 0,
            "unchanged": 1 - inserted,
            "quarantined": 1,
        }


def test_people_are_told_what_was_inferred_and_what_was_refused(run: Run, file: Path) -> None:
    code, out, _ = run("import", file)
    assert code == 0
    for said in (
        "AAPL 1d",
        "symbol AAPL, from the name of the file",
        "2 read: 1 inserted, 0 updated, 0 unchanged, 1 quarantined",
        "line 3: high 8 is below low 9: 2024-01-03,10,8,9,11,5",
        "table quarantine",
    ):
        assert said in out


def test_a_source_of_64_characters_is_stored_without_the_blanks_around_it(
    run: Run, file: Path, sql: Sql
) -> None:
    name = "Börse " + 58 * "x"
    assert run("import", file, "--source", f"  {name} ")[0] == 0
    assert sql("SELECT name FROM sources") == [(name,)]


def test_options_reach_the_import(run: Run, tmp_path: Path, sql: Sql) -> None:
    path = tmp_path / "x.csv"
    path.write_text("Time,Open,High,Low,Close\n01/07/2024 09:30,10,12,9,11\n")
    code, _, err = run(
        *("import", path, "--symbol", "IBM", "--interval", "1m", "--tz", "America/New_York"),
        *("--source", "desk", "--date-format", "%d/%m/%Y %H:%M"),
    )
    assert code == 0, err
    assert sql("SELECT code FROM symbols") == [("IBM",)]
    assert sql("SELECT (ts AT TIME ZONE 'UTC')::text FROM bars_1m") == [("2024-07-01 13:30:00",)]
    assert sql("SELECT name FROM sources") == [("desk",)]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("import", "/nowhere/x.csv"), 1, "/nowhere/x.csv does not exist"),
        (("import", "/"), 1, "is a folder"),
        (("import",), 2, "FILE"),
        (("import", "x.csv", "--interval", "3d"), 2, "must be one of 1m, 5m, 15m, 1h, 4h, 1d"),
        (("import", "x.csv", "--source", " "), 2, "--source: must be 1 to 64 printable"),
        (("import", "x.csv", "--source", "a\nb"), 2, "characters on one line, not 'a\\nb'"),
        (("import", "x.csv", "--source", "\u2028"), 2, "must be 1 to 64 printable"),
        (("import", "x.csv", "--source", "x" * 65), 2, "not 65 characters"),
        (("sample", "--until", "soon"), 2, "must be a day such as 2024-12-31"),
        (("sample", "--simulated", "--until", "2015-01-01"), 1, "opens on 2016-01-04"),
    ],
)
def test_mistakes_are_one_line_on_stderr(
    run: Run, words: tuple[str, ...], code: int, message: str
) -> None:
    ended, out, err = run(*words)
    assert (ended, out) == (code, "")
    assert message in err
    assert [line for line in err.splitlines() if line.startswith("mltrading: ")] == [
        err.splitlines()[-1]
    ]


@pytest.mark.parametrize("url", ["", "postgresql://127.0.0.1:1/none"])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.csv", "does not exist"),
        ("", "is a folder"),
        ("aapl.csv/x", "can not be read: Not a directory"),
        ("loop.csv", "can not be read: Too many levels of symbolic links"),
    ],
)
def test_a_file_that_can_not_be_read_is_said_before_any_database_is_asked(
    run: Run, file: Path, monkeypatch: pytest.MonkeyPatch, url: str, name: str, message: str
) -> None:
    home = file.with_name("home")
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("MLTRADING_HOME", str(home))
    monkeypatch.setenv("MLTRADING_POSTGRES_BIN", str(file.with_name("no binaries")))
    file.with_name("loop.csv").symlink_to("loop.csv")
    path = file.parent / name
    code, out, err = run("import", file, path)
    assert (code, out, err.splitlines()[:-1]) == (1, "", [])
    assert err.startswith(f"mltrading: {path} {message}")
    assert not home.exists()


def test_the_sample_is_loaded_once(run: Run, sql: Sql) -> None:
    code, out, _ = run("sample")
    assert (code, out.startswith("sample: 5 symbols, 12,154 bars inserted")) == (0, True)
    assert json.loads(run("sample", "--json")[1])["unchanged"] == 12_154
    assert sql("SELECT count(*), bool_or(simulated) FROM symbols") == [(5, False)]


def test_the_newest_price_of_the_sample_is_what_was_traded(run: Run, sql: Sql) -> None:
    """Its adjusted closes are relative to years later: a split of 7 more, and dividends."""
    run("sample")
    traded = "(SELECT close FROM bars_1d WHERE bars_1d.symbol_id = latest.symbol_id"
    assert sql(
        f"SELECT code, round((close / factor)::numeric, 2)::float8,"
        f" {traded} ORDER BY ts DESC LIMIT 1) FROM latest JOIN symbols ON id = symbol_id"
        " WHERE code IN ('AAPL', 'IBM') ORDER BY code"
    ) == [("AAPL", 430.47, 430.47), ("IBM", 202.91, 202.91)]


def test_newer_bars_of_another_base_are_said_and_nothing_is_compared_across(
    run: Run, tmp_path: Path, sql: Sql
) -> None:
    """The sample's AAPL is adjusted for a split of 7 in 2014; the file has prices as traded."""
    run("sample")
    head = "Date,Open,High,Low,Close,Volume\n"
    before = "2013-02-27,448.4,452.4,440.6,444.6,1\n2013-02-28,444,447.9,441.4,441.4,1\n"
    days = "2013-03-01,438,438,429.9,430.5,1\n2013-03-04,427.8,428.2,419,420.1,1\n"
    file = tmp_path / "AAPL.csv"
    file.write_text(head + days.splitlines()[1] + "\n")
    code, out, _ = run("import", file)
    [warning] = [line for line in out.splitlines() if "warning" in line]
    assert code == 0 and warning.strip() == (
        "warning: AAPL: another base of adjusted prices from 2013-03-04 on (adj_close / close is"
        " 0.130409 on 2013-03-01, 1 on 2013-03-04), and no split or dividend explains it: nothing"
        " is compared across. Import the whole history from one download, or the later bars again"
        " with 2 or more days up to 2013-03-01"
    )
    facts = (
        "SELECT base_sessions::text, base_ratios[1], round((close / close_1d - 1)::numeric, 3),"
        " cardinality(spark), round((close / close_1y - 1)::numeric, 2)"
        " FROM latest JOIN symbols ON id = symbol_id WHERE code = 'AAPL'"
    )
    assert sql(facts) == [("{2013-03-04}", None, None, 1, None)]
    assert warning.strip() in json.loads(run("import", file, "--json")[1])["notes"][-1]

    file.write_text(head + before + days)  # days that the sample has too
    out = run("import", file)[1]
    assert "warning" not in out and "those before are read times 7.6" in out
    [(sessions, ratio, day, spark, year)] = sql(facts)
    assert (sessions, spark, str(day)) == ("{2013-02-27}", 60, "-0.024")
    assert isinstance(ratio, float) and 7.5 < ratio < 7.8 and -0.25 < float(str(year)) < -0.15


def test_the_simulated_exchange_ends_where_told(run: Run, sql: Sql) -> None:
    code, out, err = run("sample", "--simulated", "--until", "2016-02-01")
    assert code == 0, err
    assert "simulated exchange SIM: 100 symbols" in out
    assert sql("SELECT count(*) FROM symbols WHERE simulated AND exchange = 'SIM'") == [(100,)]
    assert sql("SELECT max(session)::text FROM latest JOIN symbols ON id = symbol_id"
               " WHERE simulated") == [("2016-02-01",)]  # fmt: skip
    assert "0 bars inserted, 0 updated" in run("sample", "--simulated", "--until", "2016-02-01")[1]


def test_production_never_holds_simulated_bars(
    run: Run, sql: Sql, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = tmp_path / "staging.yml"
    config.write_text("environment: staging\nfeatures:\n  test_mode: false\n")
    monkeypatch.setenv("ENVIRONMENT", "staging")
    monkeypatch.setenv("SECRET_KEY", SECRET_KEY)
    monkeypatch.setenv("MLTRADING_CONFIG", str(config))
    code, _, err = run("sample", "--simulated")
    assert code == 1
    assert "features.test_mode" in err
    assert sql("SELECT count(*) FROM symbols") == [(0,)]


def test_a_first_start_loads_both_and_a_second_start_nothing(
    database_url: str, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[str] = []
    real = sample.load_sample

    def counted(*arguments: object) -> object:
        loads.append("sample")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(sample, "load_sample", counted)
    monkeypatch.setattr(sample, "load_simulated", lambda *_: loads.append("simulated"))
    for _ in range(2):
        sample.load_if_empty(database_url, lambda title: None)
    assert sorted(loads) == ["sample", "simulated"]
    assert sql("SELECT count(*) FROM symbols") == [(5,)]


def test_a_first_start_that_was_cut_between_the_loads_is_completed_by_the_next(
    database_url: str, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulated = sample.load_simulated
    monkeypatch.setattr(
        sample, "load_simulated", lambda service, say: simulated(service, say, date(2016, 2, 1))
    )
    with monkeypatch.context() as cut, pytest.raises(KeyboardInterrupt):
        cut.setattr(sample, "load_sample", Mock(side_effect=KeyboardInterrupt))
        sample.load_if_empty(database_url, lambda title: None)
    assert sql("SELECT count(*), bool_and(simulated) FROM symbols") == [(100, True)]
    monkeypatch.setattr(sample, "load_simulated", Mock(side_effect=AssertionError("again")))
    sample.load_if_empty(database_url, lambda title: None)
    assert sql("SELECT count(*) FROM symbols WHERE NOT simulated") == [(5,)]


def test_ctrl_c_in_the_middle_of_the_rows_is_no_fault_of_the_database(
    run: Run, sql: Sql, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copy_binary, "_records", Mock(side_effect=KeyboardInterrupt))
    code, out, err = run("import", file)
    assert (code, out) == (130, "")
    assert "mltrading:" not in err
    assert sql("SELECT count(*) FROM symbols") == [(0,)]
