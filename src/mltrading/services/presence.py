"""Who was there today, counted without knowing who: by names that are of one day and of nobody."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Sequence
from datetime import date

from mltrading.utils.clock import Clock


class Present:
    """Notes users by their subject, and tells each once a day under a keyed hash of subject and
    day: without the key it leads to nobody, and two days do not lead to one another."""

    def __init__(self, secret: str, clock: Clock) -> None:
        self._secret = secret.encode()
        self._clock = clock
        self._lock = threading.Lock()
        self._day: date | None = None
        self._seen: set[str] = set()
        self._handed: set[str] = set()
        self._told: set[str] = set()

    def seen(self, user: str) -> None:
        with self._lock:
            self._seen.add(user)

    def names(self) -> Sequence[str]:
        """The names of those who were there and are not told yet."""
        with self._lock:
            today = self._clock.now().date()
            if today != self._day:
                self._day, self._told = today, set()
            self._handed = set(self._seen)
            new = self._handed - self._told
            return sorted(self._name(user, today) for user in new)

    def told(self) -> None:
        with self._lock:
            self._told |= self._handed
            self._seen -= self._handed

    def _name(self, user: str, day: date) -> str:
        return hmac.new(self._secret, f"{day} {user}".encode(), hashlib.sha256).hexdigest()[:32]
