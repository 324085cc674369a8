"""Every migration lets the release before go on running; the checker is tried on planted ones."""

from __future__ import annotations

import pytest

from mltrading.adapters.postgres.migrate import Migration, migrations
from tests.expand_contract import FIRST_BOUND, breaks

pytestmark = pytest.mark.smoke


@pytest.mark.parametrize("migration", migrations()[FIRST_BOUND - 1 :], ids=lambda one: one.name)
def test_a_migration_expands_or_says_since_when_it_may_contract(migration: Migration) -> None:
    assert migration.contract is not None or breaks(migration.sql) == []


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE symbols",
        "drop table symbols",
        "CREATE TABLE x (a int); ALTER TABLE symbols\n  DROP COLUMN name;",
        "ALTER TABLE symbols RENAME COLUMN name TO title",
        "ALTER TABLE symbols RENAME TO instruments",
        "ALTER TABLE symbols ALTER COLUMN name TYPE varchar(10)",
        "ALTER TABLE symbols ALTER name SET DATA TYPE varchar(10)",
        "ALTER TABLE symbols ALTER COLUMN name SET NOT NULL",
        "ALTER TABLE symbols ADD COLUMN isin text NOT NULL",
        "ALTER TABLE symbols ADD isin text NOT NULL",
        "ALTER TABLE symbols ADD COLUMN a int DEFAULT 1, ADD COLUMN isin text NOT NULL",
        "ALTER TABLE symbols ADD CONSTRAINT short CHECK (length(name) < 10)",
        "ALTER TABLE symbols ADD UNIQUE (name)",
        "CREATE UNIQUE INDEX one ON symbols (name)",
        "DROP INDEX deployments_finished_at",
        "TRUNCATE bars_1m",
        "DELETE FROM quarantine",
        "DO $$ BEGIN EXECUTE 'DROP TABLE symbols'; END $$",
        "/* -- */ DROP VIEW v -- harmless?",
        "INSERT INTO sources (name) VALUES ('a; --'); DROP TABLE symbols",
    ],
)
def test_a_planted_break_is_found(sql: str) -> None:
    assert breaks(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE x (id int PRIMARY KEY, name text NOT NULL UNIQUE, type text)",
        "ALTER TABLE symbols ADD COLUMN isin text",
        "ALTER TABLE symbols ADD COLUMN isin text NOT NULL DEFAULT ''",
        "ALTER TABLE symbols ADD COLUMN n bigint GENERATED ALWAYS AS IDENTITY NOT NULL",
        "ALTER TABLE symbols ALTER COLUMN name DROP NOT NULL",
        "ALTER TABLE symbols ALTER COLUMN name DROP DEFAULT",
        "CREATE INDEX by_name ON symbols (name)",
        "CREATE TABLE x (a int); ALTER TABLE x ADD CONSTRAINT c CHECK (a > 0)",
        "CREATE TABLE x (a int); CREATE UNIQUE INDEX one ON x (a)",
        "-- DROP TABLE symbols\nINSERT INTO sources (name) VALUES ('DROP TABLE x; RENAME')",
    ],
)
def test_what_only_adds_passes(sql: str) -> None:
    assert breaks(sql) == []
