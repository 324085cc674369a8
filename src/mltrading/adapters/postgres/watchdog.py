"""Hangs up on a server that answers nothing: libpq alone would wait for it for ever.

One thread watches the connections of all others. A thread for each wait, as threading.Timer
starts, costs as much as a query.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from psycopg2.extensions import connection as Connection

TICK_SECONDS = 0.25  # so much later than asked for a connection may be broken


class Watchdog:
    """Watches no one until the first wait; a forked child needs one of its own."""

    def __init__(self) -> None:
        self._lines: dict[socket.socket, float] = {}  # and when each is broken
        self._changed = threading.Condition()
        self._asleep = False
        self._thread: threading.Thread | None = None

    @contextmanager
    def watching(self, connection: Connection, seconds: float) -> Iterator[None]:
        """Break the connection when the block is not over in time; the server's silence ends then
        as an error of psycopg2, one of connection.GONE. 0 sets no limit."""
        if not seconds:
            yield
            return
        # A line of ours, whatever libpq does to its own meanwhile.
        with socket.socket(fileno=os.dup(connection.fileno())) as line:
            self._begin(line, time.monotonic() + seconds)
            try:
                yield
            finally:
                with self._changed:
                    self._lines.pop(line, None)

    def _begin(self, line: socket.socket, until: float) -> None:
        with self._changed:
            self._lines[line] = until
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
                self._thread.start()
            elif self._asleep:
                self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while True:
                now = time.monotonic()
                for line in [line for line, until in self._lines.items() if until <= now]:
                    del self._lines[line]
                    with suppress(OSError):  # it is over already
                        line.shutdown(socket.SHUT_RDWR)
                # Nobody to watch: sleep until there is, so that an idle program uses no time.
                self._asleep = not self._lines
                self._changed.wait(None if self._asleep else TICK_SECONDS)
