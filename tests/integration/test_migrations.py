"""The migration runner on a real server: order, races, refusals."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import psycopg2
import pytest

from mltrading.adapters.postgres.migrate import FOLDER, migrations, pending, upgrade, version
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.symbols import PostgresSymbols
from mltrading.adapters.postgres.writer import PostgresBarWriter
from mltrading.domain.access import Scope
from mltrading.domain.bars import Bars, Interval
from mltrading.domain.latest import newest_facts
from mltrading.errors import ConfigurationError, DatabaseUnavailable
from tests.database_fixtures import execute
from tests.factories import SOURCE, make_sessions, make_symbol_details, moment

MIGRATOR = """
import sys
from pathlib import Path
from mltrading.adapters.postgres.migrate import upgrade
sys.stdin.readline()
print(upgrade(sys.argv[1], folder=Path(sys.argv[2])))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four small migrations; the last two fail or double when applied twice."""
    files = {
        "0001_table.sql": "CREATE TABLE a (id int PRIMARY KEY)",
        "0002_column.sql": "ALTER TABLE a ADD COLUMN v int; INSERT INTO a VALUES (1, 1)",
        "0003_index.sql": "CREATE INDEX a_v ON a (v)",
        "0004_data.sql": "UPDATE a SET v = v + 1",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def test_our_own_migrations_apply_once(empty_database_url: str) -> None:
    every = [migration.version for migration in migrations()]
    assert every and pending(empty_database_url) == every
    told: list[str] = []
    assert upgrade(empty_database_url, told.append) == every
    assert [line.split()[-1] for line in told] == sorted(path.name for path in FOLDER.iterdir())
    assert pending(empty_database_url) == []
    assert upgrade(empty_database_url, told.append) == []
    assert len(told) == len(every)


def test_what_was_stored_before_factors_is_read_relative_to_its_newest_bar(
    empty_database_url: str, tmp_path: Path
) -> None:
    for path in sorted(FOLDER.iterdir())[:2]:
        (tmp_path / path.name).write_text(path.read_text())
    upgrade(empty_database_url, folder=tmp_path)
    execute(
        empty_database_url,
        """INSERT INTO symbols
            (code, name, exchange, calendar, timezone, sector, industry, currency)
            VALUES ('AAPL', '', '', '', 'America/New_York', '', '', 'USD');
        INSERT INTO bars_1d SELECT id, session, 440, 440, 420, close, close / 8, 1, 1, true, false
            FROM symbols, (VALUES ('2013-02-28Z'::timestamptz, 424), ('2013-03-01Z', 432))
            AS days (session, close);
        INSERT INTO latest SELECT id, '2013-03-01Z', '1d', '2013-03-01', 54, 1, 53,
            NULL, NULL, NULL, 55, 52.5, '{53,54}' FROM symbols""",
    )
    upgrade(empty_database_url)
    database = Database(empty_database_url)
    try:
        [latest] = PostgresSymbols(database).latest(Scope.ALL)
    finally:
        database.close()
    assert (latest.close, latest.close_1d, latest.high_52w) == (432, 424, 440)
    assert (latest.spark, latest.volume) == ((424, 432), 1)
    assert math.isnan(latest.close_1w)


def test_breaks_that_were_stored_before_are_found_as_an_import_finds_them(
    empty_database_url: str,
) -> None:
    upgrade(empty_database_url)
    database, bars = Database(empty_database_url), make_sessions(500)
    moved = ("base_sessions", "base_ratios", "high_52w", "low_52w", "spark")
    columns = ", ".join((*moved, *(f"close_{span}" for span in ("1d", "1w", "1mo", "1y"))))
    try:
        for code, breaks in (("NONE", []), ("OLD", [100]), ("NEW", [50, 470]), ("LAST", [499])):
            later = np.searchsorted(breaks, np.arange(500), side="right")
            broken = replace(bars, adj_close=bars.close / 3.0**later)
            with PostgresBarWriter(database).transaction() as opened:
                opened.write(make_symbol_details(code), Interval.D1, broken, SOURCE)
        with database.transaction() as connection, connection.cursor() as cursor:
            ask = f"SELECT code, {columns} FROM latest JOIN symbols ON id = symbol_id ORDER BY code"
            cursor.execute(ask)
            imported = cursor.fetchall()
            assert [len(row[1]) for row in imported] == [1, 2, 0, 1]
            # As the release before stored them: everything is compared with everything.
            cursor.execute("ALTER TABLE latest DROP COLUMN base_sessions, DROP COLUMN base_ratios")
            for code in ("LAST", "NEW"):
                _forget_breaks(cursor, code)
            cursor.execute((FOLDER / "0008_bases.sql").read_text())
            cursor.execute(ask)
            assert cursor.fetchall() == imported
    finally:
        database.close()


def _forget_breaks(cursor: Any, code: str) -> None:
    """Have `latest` hold the facts of a symbol's days as if they were of one base."""
    cursor.execute("SELECT id FROM symbols WHERE code = %s", (code,))
    [(symbol_id,)] = cursor.fetchall()
    cursor.execute(
        "SELECT ts, open, high, low, close, adj_close, volume, is_final FROM bars_1d"
        " WHERE symbol_id = %s ORDER BY ts",
        (symbol_id,),
    )
    days = Bars(*(np.array(column) for column in zip(*cursor.fetchall(), strict=True)))
    stamps = np.array([moment(ts.isoformat()) for ts in days.ts])
    facts = asdict(newest_facts(replace(days, ts=stamps)))
    assigned = ", ".join(f"{name} = %({name})s" for name in facts)
    cursor.execute(f"UPDATE latest SET {assigned} WHERE symbol_id = {symbol_id}", facts)


def test_a_function_that_connects_serves_as_well(empty_database_url: str, folder: Path) -> None:
    assert upgrade(lambda: psycopg2.connect(empty_database_url), folder=folder) == [1, 2, 3, 4]


def test_six_at_once_apply_each_file_once(empty_database_url: str, folder: Path) -> None:
    command = [sys.executable, "-c", MIGRATOR, empty_database_url, str(folder)]
    pipe = subprocess.PIPE
    starters = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(6)]
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.write("go\n")
        starter.stdin.flush()
    answers = [starter.communicate()[0] for starter in starters]
    assert [starter.returncode for starter in starters] == [0] * 6
    applied = [version for answer in answers for version in json.loads(answer)]
    assert sorted(applied) == [1, 2, 3, 4]
    assert execute(empty_database_url, "SELECT v FROM a") == [(2,)]


def test_a_file_that_alters_the_version_table_does_not_lock_with_those_that_wait(
    empty_database_url: str, folder: Path
) -> None:
    """Who waited at the table's row held a lock that ALTER TABLE waited for: a deadlock."""
    (folder / "0002_column.sql").write_text("""
        DO $$ BEGIN
            WHILE NOT EXISTS (SELECT 1 FROM pg_stat_activity
                    WHERE wait_event_type = 'Lock' AND datname = current_database()) LOOP
                PERFORM pg_stat_clear_snapshot(), pg_sleep(0.01);
            END LOOP;
        END $$;
        ALTER TABLE schema_version ADD COLUMN extra int;
        ALTER TABLE a ADD COLUMN v int;
        INSERT INTO a VALUES (1, 1)""")
    with ThreadPoolExecutor() as pool:
        starters = [pool.submit(upgrade, empty_database_url, folder=folder) for _ in range(2)]
        applied = [starter.result(timeout=60) for starter in starters]
    assert sorted(sum(applied, [])) == [1, 2, 3, 4]


def test_only_what_is_missing_is_applied(empty_database_url: str, folder: Path) -> None:
    later = (folder / "0004_data.sql").rename(folder / "kept")
    assert upgrade(empty_database_url, folder=folder) == [1, 2, 3]
    later.rename(folder / "0004_data.sql")
    assert pending(empty_database_url, folder) == [4]
    assert upgrade(empty_database_url, folder=folder) == [4]


def test_a_failing_file_keeps_what_came_before_and_nothing_of_itself(
    empty_database_url: str, folder: Path
) -> None:
    (folder / "0003_index.sql").write_text("INSERT INTO a VALUES (2, 2); SELECT nonsense")
    with pytest.raises(ConfigurationError, match="0003_index.sql failed: column .nonsense.") as e:
        upgrade(empty_database_url, folder=folder)
    assert "\n" not in str(e.value)
    assert execute(empty_database_url, "SELECT id FROM a") == [(1,)]
    assert pending(empty_database_url, folder) == [3, 4]


def test_a_server_lost_on_the_way_is_told_as_that(empty_database_url: str, folder: Path) -> None:
    (folder / "0003_index.sql").write_text("SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(DatabaseUnavailable, match="went away while 0003_index.sql was applied"):
        upgrade(empty_database_url, folder=folder)
    assert pending(empty_database_url, folder) == [3, 4]


@pytest.mark.parametrize("verb", [upgrade, pending])
def test_an_older_program_works_on_a_newer_database(
    empty_database_url: str, folder: Path, verb: Callable[..., object]
) -> None:
    upgrade(empty_database_url, folder=folder)
    (folder / "0004_data.sql").unlink()
    assert verb(empty_database_url, folder=folder) == []
    assert version(empty_database_url) == 4


@pytest.mark.parametrize("verb", [upgrade, pending])
def test_a_program_older_than_a_contract_allows_is_refused(
    empty_database_url: str, folder: Path, verb: Callable[..., object]
) -> None:
    (folder / "0005_contract.sql").write_text("-- contract: 3\nDROP INDEX a_v")
    assert upgrade(empty_database_url, folder=folder) == [1, 2, 3, 4, 5]
    for name in ("0005_contract.sql", "0004_data.sql"):
        (folder / name).unlink()
    assert verb(empty_database_url, folder=folder) == []  # knows 3, which the contract allows
    (folder / "0003_index.sql").unlink()
    with pytest.raises(
        ConfigurationError,
        match="version 5 and works with programs that know 3 or newer, this one knows up to 2",
    ):
        verb(empty_database_url, folder=folder)


@pytest.mark.parametrize("mark", ["1", "5", "7", "2\n-- contract: 3"])
def test_a_contract_that_can_not_be_is_refused(folder: Path, mark: str) -> None:
    (folder / "0005_contract.sql").write_text(f"-- contract: {mark}\nDROP INDEX a_v")
    with pytest.raises(ConfigurationError, match="0005_contract.sql must be marked once"):
        migrations(folder)


def test_a_database_of_before_the_oldest_was_kept_is_upgraded(empty_database_url: str) -> None:
    execute(empty_database_url, "CREATE TABLE schema_version (id int PRIMARY KEY, version int)")
    execute(empty_database_url, "INSERT INTO schema_version VALUES (1, 0)")
    first = migrations()[0]
    execute(empty_database_url, first.sql)
    execute(empty_database_url, "UPDATE schema_version SET version = 1")
    assert pending(empty_database_url) == [one.version for one in migrations()[1:]]
    assert upgrade(empty_database_url) == [one.version for one in migrations()[1:]]
    assert execute(empty_database_url, "SELECT oldest FROM schema_version") == [(1,)]


def test_a_user_without_rights_on_a_migrated_database_is_no_error(
    empty_database_url: str, folder: Path
) -> None:
    upgrade(empty_database_url, folder=folder)
    execute(empty_database_url, "ALTER DATABASE " + name_of(empty_database_url) + READ_ONLY)
    assert pending(empty_database_url, folder) == []


READ_ONLY = " SET default_transaction_read_only = on"


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


@pytest.mark.parametrize("names", [["0002_a.sql"], ["0001_a.sql", "0003_b.sql"], ["1_a.sql"]])
def test_a_gap_in_the_numbers_is_refused(tmp_path: Path, names: list[str]) -> None:
    for name in names:
        (tmp_path / name).write_text("SELECT 1")
    with pytest.raises(ConfigurationError, match="out of order or misnamed"):
        migrations(tmp_path)
