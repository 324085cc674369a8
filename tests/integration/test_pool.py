"""The pool against a real server: restarts, exhaustion, forks, and what errors say."""

from __future__ import annotations

from mltrading.adapters.postgres.pool import Database


def test_a_read_sees_the_migrated_schema(database: Database) -> None:
    def count(connection):
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM symbols")
            return cursor.fetchone()[0]

    assert database.read(count) == 0
