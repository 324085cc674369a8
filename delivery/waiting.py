"""Wait for a condition of a platform, with a deadline and a clock that a test can drive."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from delivery.errors import DeliveryError

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Clock:
    """`monotonic` in seconds; `sleep` waits that many."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def say(line: str) -> None:
    """One line of progress, at once: the log of a workflow is read while it runs."""
    print(line, flush=True)


def poll(
    condition: Callable[[], Value | None], what: str, seconds: float, clock: Clock, pause: float = 2
) -> Value:
    """The first answer of `condition` that is not None; asked at least once.

    DeliveryError with `what` when `seconds` have passed. What the condition raises goes through.
    """
    deadline = clock.monotonic() + seconds
    while (value := condition()) is None:
        left = deadline - clock.monotonic()
        if left <= 0:
            raise DeliveryError(f"waited {seconds:g} s in vain: {what}")
        clock.sleep(min(pause, left))
    return value
