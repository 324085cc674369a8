"""What was made of stored bars once, kept until these change."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from mltrading.domain.bars import Bars, Interval, Series, Times

KEPT_SERIES = 64
"""Of 20 years of weeks about 100 kB each."""


class Derived:
    """Weeks and months made of all days of a symbol, the ones used last; for any thread. They are
    asked for by the version of the days, so that a stale one is never found."""

    def __init__(self, most: int = KEPT_SERIES) -> None:
        self._most = most
        self._guard = threading.Lock()
        self._made: OrderedDict[tuple[Series, Interval], tuple[Bars, Times]] = OrderedDict()

    def get(
        self, days: Series, interval: Interval, make: Callable[[], tuple[Bars, Times]]
    ) -> tuple[Bars, Times]:
        """The bars of `interval` and the labels of the days, by `make` where they are not here."""
        key = (days, interval)
        with self._guard:
            made = self._made.get(key)
        made = make() if made is None else made
        with self._guard:
            self._made[key] = made
            self._made.move_to_end(key)
            while len(self._made) > self._most:
                self._made.popitem(last=False)
        return made
