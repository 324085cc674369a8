"""What a thread is working on, so that a line of the log and a number can say for which request."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

SHORT = 8  # characters of a request id that a person is told
_SANE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,127}")


@dataclass(slots=True)
class Work:
    """One request, or one attempt of a job. `user` is a subject, which says nothing of the person;
    `failure` names how a callback failed, which its answer does not show. `until`: when it has to
    be over, by time.monotonic."""

    request_id: str
    user: str = ""
    route: str = ""
    callback: str = ""
    status: int | None = None
    duration_ms: float | None = None
    failure: str = ""
    until: float = float("inf")

    @property
    def error_id(self) -> str:
        """What a message tells a person: the end of the request id. (Some makers of ids begin
        with the time.)"""
        return self.request_id[-SHORT:]


_CURRENT: ContextVar[Work | None] = ContextVar("work", default=None)


def current() -> Work | None:
    return _CURRENT.get()


def seconds_left() -> float:
    """Until what this thread works on has to be over; infinite where nobody waits for it."""
    work = _CURRENT.get()
    return work.until - time.monotonic() if work else float("inf")


@contextmanager
def working(work: Work) -> Iterator[Work]:
    """What this thread does in the block belongs to `work`."""
    token = _CURRENT.set(work)
    try:
        yield work
    finally:
        _CURRENT.reset(token)


def new_id() -> str:
    return secrets.token_hex(16)


def sane_id(given: str | None) -> str:
    """The id that somebody before us gave the request, else a new one: it is written into logs,
    so it is letters, digits and a few marks, 8 to 128 of them."""
    return given if given and _SANE_ID.fullmatch(given) else new_id()


def error_id() -> str:
    """What to tell a person who meets an error now, to be found in the log."""
    work = current()
    return work.error_id if work else new_id()[-SHORT:]
