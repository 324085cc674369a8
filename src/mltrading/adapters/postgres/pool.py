"""The program's connections to one database: SQLAlchemy's pool, and the rules for using them.

A reader's function may run twice, a writer's never does. Nothing connects before the first use,
and a forked child starts with a pool of its own.
"""

from __future__ import annotations

import functools
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extensions import connection as Connection

from mltrading.adapters.postgres import connection as connections
from mltrading.adapters.postgres.connection import GONE
from mltrading.adapters.postgres.pool_meter import PoolMeter, Unmeasured
from mltrading.adapters.postgres.watchdog import Watchdog
from mltrading.errors import DatabaseBusy, DatabaseFull, DatabaseReadOnly, DatabaseUnavailable
from mltrading.utils import tracing
from mltrading.utils.context import seconds_left

if TYPE_CHECKING:
    from sqlalchemy.pool import PoolProxiedConnection, QueuePool

Result = TypeVar("Result")

RECYCLE_SECONDS = 1800
FIRST_PAUSE_SECONDS = 0.05
LONGEST_PAUSE_SECONDS = 1.0
OPENING_SECONDS = 3.0
LEAST_SECONDS = 0.05  # 0 would be no limit
GRACE_SECONDS = 2.0  # for the server to end a statement by itself before we hang up
IDLE_LIMIT_SECONDS = 60  # a hung client must not hold its locks for ever


class OneMoment:
    """A transaction already begun, to read in as from a Database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def read(self, function: Callable[[Connection], Result]) -> Result:
        return function(self._connection)


class Database:
    """Connections to `url`: at most `pool_size` kept, twice as many, or `slots`, for moments
    (`most`).

    `wait_seconds` bounds the wait for a free connection; it counts from when one was last taken or
    given back: where all stand still nobody else waits. `outage_seconds` bounds the wait for a
    server that restarts, `timeout_seconds` each statement of a reader or writer and, with
    GRACE_SECONDS more, all of its transaction: a server that froze ends nothing by itself. A
    request that is answered has less, where its time is nearly over (utils.context). Every failure
    to reach the server is a DatabaseUnavailable; errors of the SQL itself stay psycopg2's.
    `measured`: what happens here is counted among the numbers of the process.
    """

    def __init__(
        self,
        url: str,
        pool_size: int = 4,
        *,
        slots: int | None = None,
        wait_seconds: float = 0.5,
        outage_seconds: float = 5.0,
        timeout_seconds: float = 20.0,
        measured: bool = True,
    ) -> None:
        self._parameters = connections.parameters(url)
        self._url = url
        self._pool_size = pool_size
        self.most = min(slots or 2 * pool_size, 2 * pool_size)
        self._wait_seconds = wait_seconds
        self._outage_seconds = outage_seconds
        self._timeout_seconds = timeout_seconds
        self._measured = measured
        self._start_afresh()
        os.register_at_fork(after_in_child=functools.partial(_forget, weakref.ref(self)))

    def _start_afresh(self) -> None:
        # psycopg2 does not close in a child what the parent opened, so dropping it is safe.
        self._pool: QueuePool | None = None
        self._guard = threading.Lock()
        self._slots = threading.BoundedSemaphore(self.most)
        self._moved = time.monotonic()  # when a slot was last taken or given back
        self._watchdog = Watchdog()
        self._meter = PoolMeter() if self._measured else Unmeasured()

    def read(
        self, function: Callable[[Connection], Result], *, timeout_seconds: float | None = None
    ) -> Result:
        """What `function` returns, in a read-only transaction that sees one moment. It runs once
        more when the server went away under it, so it must not change anything outside."""
        try:
            return self._read_once(function, timeout_seconds)
        except _Lost:
            self._meter.repeated()
        try:
            return self._read_once(function, timeout_seconds)
        except _Lost as lost:
            error = connections.unavailable(self._url, lost.reason)
            raise self._meter.failed("lost", error) from None

    def _read_once(
        self, function: Callable[[Connection], Result], timeout_seconds: float | None
    ) -> Result:
        with self._transaction(
            "ISOLATION LEVEL REPEATABLE READ, READ ONLY", timeout_seconds
        ) as connection:
            return function(connection)

    def write(
        self, function: Callable[[Connection], Result], *, timeout_seconds: float | None = None
    ) -> Result:
        """What `function` returns; committed when this returns, never run twice."""
        with self.transaction(timeout_seconds=timeout_seconds) as connection:
            return function(connection)

    @contextmanager
    def transaction(self, *, timeout_seconds: float | None = None) -> Iterator[Connection]:
        """A connection in one transaction, committed at the end of the block; for writing.
        `timeout_seconds=0` sets no limit to a statement (imports)."""
        try:
            # Not READ WRITE, which would write where an operator set the server to read-only.
            with self._transaction("", timeout_seconds) as connection:
                yield connection
        except psycopg2.errors.ReadOnlySqlTransaction:
            raise self._meter.failed("read_only", _read_only()) from None
        except _Lost as lost:
            error = DatabaseUnavailable(
                f"the database went away during a change: {connections.reason(lost.reason)};"
                " look whether it was saved, then try again"
            )
            raise self._meter.failed("lost", error) from None

    def at_once(self, statement: sql.Composable) -> list[tuple[Any, ...]]:
        """The rows of one statement, which is a transaction of its own: one message there and one
        back, where `read` and `write` need three of each. It is repeated on a new connection where
        the one at hand turns out to be dead, so twice must do no harm."""
        limit = sql.Literal(round(OPENING_SECONDS * 1000))
        opening = sql.SQL("SET LOCAL statement_timeout = {}; {}").format(limit, statement)
        try:
            with self._checked_out(opening) as proxy:
                rows: list[tuple[Any, ...]] = proxy.info.pop("rows")
                return rows
        except psycopg2.errors.ReadOnlySqlTransaction:
            raise self._meter.failed("read_only", _read_only()) from None

    def warm(self) -> None:
        """Load the pool's code and make the first connection, ahead of the first request."""
        self.read(lambda _: None)

    def close(self) -> None:
        """Close the idle connections; those in use close when they come back."""
        with self._guard:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.dispose()

    @contextmanager
    def _transaction(self, mode: str, timeout_seconds: float | None) -> Iterator[Connection]:
        seconds = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        if (left := seconds_left()) < (seconds or float("inf")):
            seconds = max(left, LEAST_SECONDS)
        with tracing.span("database", "READ" if "ONLY" in mode else "WRITE"):
            # One message begins the transaction and proves that the connection lives.
            opening = (
                f"BEGIN {mode}; SET LOCAL statement_timeout = {round(seconds * 1000)};"
                f" SET LOCAL idle_in_transaction_session_timeout = {IDLE_LIMIT_SECONDS * 1000}"
            )
            with self._checked_out(opening) as proxy:
                # A transaction that nobody ends is rolled back where the connection is given back.
                # pylint: disable-next=contextmanager-generator-missing-cleanup
                with self._using(proxy, seconds) as connection:
                    yield connection

    @contextmanager
    def _using(self, proxy: PoolProxiedConnection, seconds: float) -> Iterator[Connection]:
        """The open transaction of a connection."""
        connection = _driver(proxy)
        left = min(seconds or float("inf"), seconds_left())
        limit = 0.0 if left == float("inf") else max(left, 0.0) + GRACE_SECONDS
        try:
            with self._watchdog.watching(connection, limit):
                yield connection
                _end(connection, "COMMIT")
        except psycopg2.errors.QueryCanceled:
            error = DatabaseUnavailable(
                f"the database took longer than {seconds:.3g} s: ask for less, or try again later"
            )
            raise self._meter.failed("timeout", error) from None
        except psycopg2.errors.DiskFull:
            if connection.closed:  # it could not even write its log, and ended
                proxy.invalidate()
            raise self._meter.failed("disk_full", _full()) from None
        except GONE as gone:
            if not connection.closed:
                raise
            proxy.invalidate()
            # The idle ones too: sessions of a killed server can outlive it for a moment, and a
            # second try must not meet one of them.
            self.close()
            raise _Lost(gone) from None

    @contextmanager
    def _checked_out(self, opening: str | sql.Composable) -> Iterator[PoolProxiedConnection]:
        """A connection that answered `opening`; it goes back to the pool afterwards."""
        started = time.monotonic()
        waited = self._take_slot()
        try:
            proxy = self._check_out(opening)
            self._meter.taken(time.monotonic() - started, waited=waited)
            try:
                yield proxy
            finally:
                _leave(proxy)
                self._meter.returned()
        finally:
            self._moved = time.monotonic()
            self._slots.release()

    def _take_slot(self) -> bool:
        """Whether none was free at first. Whoever waits for a server that is away has one too, so
        that a program always has threads left for those who need no database. (Had each its own
        wait, a few that ask again would keep those threads waiting for slots that do not move.)"""
        # pylint: disable=consider-using-with  # _checked_out gives it back
        free = self._slots.acquire(blocking=False)
        if not free:
            wait = self._moved + self._wait_seconds - time.monotonic()
            if not self._slots.acquire(timeout=max(0.0, min(wait, seconds_left()))):
                self._meter.exhausted()
                raise DatabaseBusy(
                    f"all {self.most} connections to the database are busy: try again in a moment"
                )
        self._moved = time.monotonic()
        return not free

    def _check_out(self, opening: str | sql.Composable) -> PoolProxiedConnection:
        left = seconds_left()
        if left <= 0:
            error = DatabaseUnavailable("the database took too long: ask for less, or try later")
            raise self._meter.failed("timeout", error)
        pause, until = FIRST_PAUSE_SECONDS, time.monotonic() + min(self._outage_seconds, left)
        while True:
            try:
                return self._checked_connection(opening)
            except GONE as gone:
                if time.monotonic() + pause > until or not _may_pass(gone):
                    error = connections.unavailable(self._url, gone)
                    raise self._meter.failed("unreachable", error) from None
            time.sleep(pause * random.uniform(0.5, 1))
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _checked_connection(self, opening: str | sql.Composable) -> PoolProxiedConnection:
        """A connection that answered. After a restart of the server every idle one is dead, so the
        dead are dropped without a pause until the pool connects anew."""
        while True:
            proxy = self._take()
            fresh = not proxy.info.get("used", False)
            proxy.info["used"] = True
            try:
                driver = _driver(proxy)
                limit = max(LEAST_SECONDS, min(OPENING_SECONDS, seconds_left())) + GRACE_SECONDS
                with self._watchdog.watching(driver, limit), driver.cursor() as cursor:
                    cursor.execute(opening)
                    proxy.info["rows"] = cursor.fetchall() if cursor.description else []
                return proxy
            except psycopg2.errors.DiskFull:
                _leave(proxy)
                raise self._meter.failed("disk_full", _full()) from None
            except GONE:
                proxy.invalidate()
                proxy.close()
                self.close()  # a frozen server costs the wait once, not once for each idle one
                if fresh:
                    raise
            except BaseException:
                _leave(proxy)
                raise

    def _take(self) -> PoolProxiedConnection:
        # Half a second to import. The whole before a part: two threads that begin with parts of a
        # package may each get it half made.
        import sqlalchemy  # noqa: F401 - see above

        return self._get_pool().connect()

    def _get_pool(self) -> QueuePool:
        from sqlalchemy.pool import QueuePool

        with self._guard:
            if self._pool is None:
                self._pool = QueuePool(
                    self._connect,
                    pool_size=self._pool_size,
                    max_overflow=-1,  # the slots are the bound
                    recycle=RECYCLE_SECONDS,
                    use_lifo=True,  # so that the extra ones of a busy moment grow old and go
                    reset_on_return=None,  # _leave does
                )
            return self._pool

    def _connect(self) -> Any:  # SQLAlchemy's protocol asks for what psycopg2's stubs leave out
        connection = psycopg2.connect(**self._parameters)
        connection.autocommit = True  # BEGIN is ours: psycopg2 sends one as a message of its own
        return connection


class _Lost(Exception):
    """The connection broke inside the block."""

    def __init__(self, reason: Exception) -> None:
        super().__init__()
        self.reason = reason


def _forget(reference: weakref.ref[Database]) -> None:
    database = reference()
    if database is not None:
        database._start_afresh()  # pylint: disable=protected-access  # of its own class


def _end(connection: Connection, statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _leave(proxy: PoolProxiedConnection) -> None:
    """Give a connection back to the pool, with no transaction open."""
    if proxy.is_valid and _driver(proxy).info.transaction_status != TRANSACTION_STATUS_IDLE:
        try:
            _end(_driver(proxy), "ROLLBACK")
        except psycopg2.Error:
            proxy.invalidate()
    proxy.close()


def _driver(proxy: PoolProxiedConnection) -> Connection:
    driver = proxy.driver_connection
    assert isinstance(driver, Connection)
    return driver


def _read_only() -> DatabaseReadOnly:
    return DatabaseReadOnly("the database takes no changes at present: nothing was saved")


def _full() -> DatabaseFull:
    return DatabaseFull(
        "the disk of the database is full: nothing was saved; make room and try again"
    )


def _may_pass(error: Exception) -> bool:
    """Whether waiting can help: not against a wrong password or a missing database."""
    refused = ("authentication failed", "does not exist", "no pg_hba.conf entry")
    return not any(text in str(error) for text in refused)
