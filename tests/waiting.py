"""Wait for a condition, never for a time; hold a port, never guess one."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Value = TypeVar("Value")


def wait_until(condition: Callable[[], Value], what: str, timeout: float = 60) -> Value:
    """The first true value of `condition`; AssertionError with `what` after `timeout` seconds,
    which are there to end a hang: what has to be fast is asked of `within`."""
    pause = threading.Event()
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        assert time.monotonic() < deadline, f"waited {timeout:g} s in vain: {what}"
        pause.wait(0.03)
    return value


def within(seconds: float, act: Callable[[], Value], tries: int = 3) -> Value:
    """What `act` returns in less than `seconds`. Others on the machine may hold up any one try;
    AssertionError where every one was too slow."""
    best = float("inf")
    for _ in range(tries):
        started = time.monotonic()
        value = act()
        best = min(best, time.monotonic() - started)
        if best < seconds:
            return value
    raise AssertionError(f"took {best:.2f} s at best in {tries} tries, {seconds:g} s are allowed")


@contextmanager
def held_port() -> Iterator[int]:
    """A port of 127.0.0.1 that nobody else is given meanwhile. Nobody listens on it, but a server
    that sets SO_REUSEADDR, as every one of ours does, may."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield int(held.getsockname()[1])
