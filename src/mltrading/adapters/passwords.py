"""Passwords as argon2id hashes, by OWASP's parameters: 19 MiB, two passes, one lane."""

from __future__ import annotations

import secrets
import threading
from functools import cached_property

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError

from mltrading.errors import TooManyAttempts

MEMORY_KIB = 19 * 1024
PASSES = 2
LANES = 1
AT_ONCE = 2  # of one process: each takes its memory, and a core for some 30 ms
WAIT_SECONDS = 2.0


class Argon2Passwords:
    """The port services.ports.identity.Passwords."""

    def __init__(
        self,
        memory_kib: int = MEMORY_KIB,
        passes: int = PASSES,
        *,
        at_once: int = AT_ONCE,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._hasher = PasswordHasher(passes, memory_kib, LANES, type=Type.ID)
        self._turns = threading.BoundedSemaphore(at_once)
        self._wait_seconds = wait_seconds

    def hash(self, password: str) -> str:
        with self._turn():
            return self._hasher.hash(_bytes(password))

    def matches(self, password_hash: str | None, password: str) -> bool:
        dummy = self._dummy
        with self._turn():
            try:
                self._hasher.verify(password_hash or dummy, _bytes(password))
            except (VerificationError, InvalidHashError):
                return False
        return password_hash is not None

    def outdated(self, password_hash: str) -> bool:
        return self._hasher.check_needs_rehash(password_hash)

    @cached_property
    def _dummy(self) -> str:
        """The hash of a password that nobody knows."""
        return self.hash(secrets.token_hex(32))

    def _turn(self) -> _Turn:
        return _Turn(self._turns, self._wait_seconds)


class _Turn:
    """One of the few places at which a hash is made; the wait for it is bounded."""

    def __init__(self, turns: threading.BoundedSemaphore, wait_seconds: float) -> None:
        self._turns = turns
        self._wait_seconds = wait_seconds

    def __enter__(self) -> None:
        if not self._turns.acquire(timeout=self._wait_seconds):
            raise TooManyAttempts(
                "too many people sign in at this moment; try again in some seconds",
                self._wait_seconds,
            )

    def __exit__(self, *_: object) -> None:
        self._turns.release()


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
