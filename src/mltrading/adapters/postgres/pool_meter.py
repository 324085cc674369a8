"""What a pool of connections tells of itself, as numbers of the process."""

from __future__ import annotations

import threading

from mltrading.errors import DatabaseUnavailable
from mltrading.utils import measures
from mltrading.utils.measures import TALLY


class Unmeasured:
    """For connections that measure others, and must not show among them."""

    def taken(self, seconds: float, *, waited: bool) -> None:
        """A connection was taken out, and answered."""

    def returned(self) -> None: ...

    def exhausted(self) -> None:
        """None came free in time."""

    def repeated(self) -> None:
        """A read runs again."""

    def failed(self, kind: str, error: DatabaseUnavailable) -> DatabaseUnavailable:
        """Somebody met a failure of the database."""
        return error


class PoolMeter(Unmeasured):
    """Counts into TALLY. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._in_use = 0

    def taken(self, seconds: float, *, waited: bool) -> None:
        with self._lock:
            self._in_use += 1
            in_use = self._in_use
        TALLY.change(1, measures.POOL_IN_USE)
        TALLY.peak(in_use, measures.POOL_PEAK)
        TALLY.observe(seconds, measures.POOL_WAIT_SECONDS)
        if waited:
            TALLY.add(measures.POOL_WAITS)

    def returned(self) -> None:
        with self._lock:
            self._in_use -= 1
        TALLY.change(-1, measures.POOL_IN_USE)

    def exhausted(self) -> None:
        TALLY.add(measures.POOL_WAITS)
        TALLY.add(measures.POOL_EXHAUSTED)

    def repeated(self) -> None:
        TALLY.add(measures.READS_REPEATED)

    def failed(self, kind: str, error: DatabaseUnavailable) -> DatabaseUnavailable:
        TALLY.add(measures.DATABASE_FAILURES, kind)
        return error
