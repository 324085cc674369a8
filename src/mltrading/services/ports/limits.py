"""How often somebody may do something, counted over all workers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Taken:
    """The answer to one attempt. `again_after_seconds` is 0 where it is allowed; `first_refusal`:
    no other attempt of this window was refused before."""

    allowed: bool
    again_after_seconds: float
    first_refusal: bool


class RateLimiter(Protocol):
    def take(self, key: str, times: int, seconds: int) -> Taken:
        """Count one attempt under `key`: of those within `seconds` of the first, `times` are
        allowed, exactly, over all workers. The next window begins with its first attempt."""
