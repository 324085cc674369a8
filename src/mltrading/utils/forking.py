"""What must not cross a fork: threads, files, connections. Each process begins its own."""

from __future__ import annotations

import functools
import os
import threading
import weakref
from collections.abc import Callable


class OncePerProcess:
    """Calls its actions in order, in each process once. Others that call meanwhile wait for it."""

    def __init__(self, *actions: Callable[[], None]) -> None:
        self._actions = actions
        self._afresh()
        os.register_at_fork(after_in_child=functools.partial(_forget, weakref.ref(self)))

    def _afresh(self) -> None:
        self.done = False
        self._lock = threading.Lock()

    def __call__(self) -> None:
        if self.done:
            return
        with self._lock:
            if not self.done:
                for action in self._actions:
                    action()
                self.done = True


def _forget(reference: weakref.ref[OncePerProcess]) -> None:
    once = reference()
    if once is not None:
        once._afresh()  # pylint: disable=protected-access  # of its own class
