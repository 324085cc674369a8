"""Counts attempts in the database, so that all workers share one count."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

from psycopg2 import sql
from psycopg2.extensions import connection as Connection

from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.symbols import storable
from mltrading.services.ports.limits import Taken

CLEAN_EVERY = 200  # attempts, on the average
CLEAN_AT_ONCE = 1000
LONGEST_KEY = 200

# One statement: the row is locked while it is counted. The count stops two above what is allowed,
# where it tells the first refusal from a later one.
_TAKE = sql.SQL("""INSERT INTO rate_limits AS kept (key, began_at, ends_at, taken)
    VALUES ({key}, now(), now() + make_interval(secs => {seconds}), 1)
    ON CONFLICT (key) DO UPDATE SET
        began_at = CASE WHEN kept.ends_at <= now() THEN excluded.began_at ELSE kept.began_at END,
        ends_at = CASE WHEN kept.ends_at <= now() THEN excluded.ends_at ELSE kept.ends_at END,
        taken = CASE WHEN kept.ends_at <= now() THEN 1
            ELSE least(kept.taken + 1, {times} + 2) END
    RETURNING taken, extract(epoch FROM ends_at - now())::float8""")
_CLEAN = """DELETE FROM rate_limits WHERE key IN (
    SELECT key FROM rate_limits WHERE ends_at <= now() ORDER BY ends_at LIMIT %s
    FOR UPDATE SKIP LOCKED)"""


class PostgresLimiter:
    """The port services.ports.limits.RateLimiter. A window is of the database's clock."""

    def __init__(self, database: Database, draw: Callable[[], float] = random.random) -> None:
        self._database = database
        self._draw = draw

    def take(self, key: str, times: int, seconds: int) -> Taken:
        values = {"key": _short(key), "times": times, "seconds": seconds}
        bound = {name: sql.Literal(value) for name, value in values.items()}
        [(taken, left)] = self._database.at_once(_TAKE.format(**bound))
        if self._draw() * CLEAN_EVERY < 1:
            self.clean()
        allowed = taken <= times
        return Taken(allowed, 0.0 if allowed else max(left, 0.0), taken == times + 1)

    def clean(self) -> None:
        """Forget windows that are over."""

        def clean(connection: Connection) -> None:
            with connection.cursor() as cursor:
                cursor.execute(_CLEAN, (CLEAN_AT_ONCE,))

        self._database.write(clean)


def _short(key: str) -> str:
    """The key, or its digest where an index could not hold it."""
    if len(key) <= LONGEST_KEY and storable(key):
        return key
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
