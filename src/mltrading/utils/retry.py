"""How long to wait before trying again."""

from __future__ import annotations

import random
from collections.abc import Callable

FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 900.0


def pause_seconds(
    attempt: int, asked_seconds: float | None = None, draw: Callable[[], float] = random.random
) -> float:
    """The pause after the attempt (1, 2, ...): twice as long each time, up to 15 minutes; a
    quarter of it at most is left out by chance (`draw` gives 0 to 1), so that those who failed
    together do not come again together. Never shorter than the other side asked for."""
    grown = min(FIRST_PAUSE_SECONDS * 2.0 ** min(attempt - 1, 20), LONGEST_PAUSE_SECONDS)
    return max(asked_seconds or 0.0, grown * (1 - draw() / 4))
