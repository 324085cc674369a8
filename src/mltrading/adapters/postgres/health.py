"""Asks the database whether it answers, on one connection that nothing else uses.

The connection is asynchronous: every wait is ours and has a deadline. A server that froze leaves
`statement_timeout`, keepalives and TCP timeouts without effect; here it costs the deadline, and
closing the connection waits for nobody. (psycopg2's own hook for this is global and forbids COPY.)
"""

from __future__ import annotations

import select
import time

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE
from psycopg2.extensions import connection as Connection

from mltrading.adapters.postgres import connection as connections
from mltrading.adapters.postgres.migrate import STATE
from mltrading.services.ports import DatabaseState

_STATE = sql.SQL("""SELECT state.*, current_setting('transaction_read_only')::boolean
    FROM ({}) AS state""").format(sql.SQL(STATE))
CONNECT_SECONDS = 1.8
QUERY_SECONDS = 1.0


class PostgresProbe:
    """Keeps its connection between checks; one thread at a time. `schema` is the version that
    the program needs."""

    def __init__(self, url: str, schema: int) -> None:
        self._parameters = {**connections.parameters(url), "application_name": "mltrading-health"}
        self._schema = schema
        self._connection: Connection | None = None

    def check(self, timeout_seconds: float) -> DatabaseState:
        """What the database answers within the time; a lost connection is renewed once."""
        deadline = time.monotonic() + timeout_seconds
        state, kept = DatabaseState.UNREACHABLE, self._connection is not None
        for _ in range(2 if kept else 1):
            state = self._attempt(deadline)
            if state is not DatabaseState.UNREACHABLE:
                break
        return state

    def _attempt(self, deadline: float) -> DatabaseState:
        try:
            state = self._ask(deadline)
        except _TooLate:
            state = DatabaseState.TIMEOUT
        except connections.GONE:
            state = DatabaseState.UNREACHABLE
        except psycopg2.Error:
            state = DatabaseState.ERROR
        if not state.answers:
            self._drop()
        return state

    def _ask(self, deadline: float) -> DatabaseState:
        if self._connection is None:
            self._connection = psycopg2.connect(**self._parameters, async_=True)
            _wait(self._connection, min(deadline, time.monotonic() + CONNECT_SECONDS))
        with self._connection.cursor() as cursor:
            cursor.execute(_STATE)
            try:
                _wait(self._connection, min(deadline, time.monotonic() + QUERY_SECONDS))
            except errors.UndefinedTable:
                return DatabaseState.OUTDATED
            version, oldest, read_only = cursor.fetchone() or (0, 0, False)
        if oldest > self._schema:
            return DatabaseState.CONTRACTED
        if version < self._schema:
            return DatabaseState.OUTDATED
        return DatabaseState.READ_ONLY if read_only else DatabaseState.OK

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class _TooLate(Exception):
    """The deadline passed before the server answered."""


def _wait(connection: Connection, deadline: float) -> None:
    """Drive an asynchronous connection until its operation is over."""
    poller = select.poll()  # unlike select(), it takes any number of open files
    while (state := connection.poll()) != POLL_OK:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise _TooLate
        file = connection.fileno()
        poller.register(file, {POLL_READ: select.POLLIN, POLL_WRITE: select.POLLOUT}[state])
        poller.poll(remaining * 1000)
        poller.unregister(file)
