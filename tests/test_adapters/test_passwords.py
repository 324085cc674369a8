"""Hashes of passwords: their parameters, and how many are made at once."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from argon2 import PasswordHasher
from hypothesis import given, settings
from hypothesis import strategies as st

from mltrading.adapters.passwords import Argon2Passwords
from mltrading.errors import TooManyAttempts

CHEAP = Argon2Passwords(memory_kib=8, passes=1)


def test_parameters_are_those_of_owasp() -> None:
    hashed = Argon2Passwords().hash("nineteen blue herons")
    assert re.match(r"\$argon2id\$v=19\$m=19456,t=2,p=1\$", hashed)


@settings(max_examples=30, deadline=None)
@given(password=st.text(st.characters()), other=st.text(st.characters()))
def test_a_password_matches_its_own_hash_alone(password: str, other: str) -> None:
    hashed = CHEAP.hash(password)
    assert CHEAP.matches(hashed, password)
    assert CHEAP.matches(hashed, other) is (password == other)
    assert not CHEAP.matches(None, password)


def test_each_hash_has_its_own_salt() -> None:
    assert CHEAP.hash("same") != CHEAP.hash("same")


@pytest.mark.parametrize("stored", ["", "plain", "$argon2id$v=19$m=8", "$2b$12$abc"])
def test_what_is_no_hash_matches_nothing(stored: str) -> None:
    assert not CHEAP.matches(stored, "plain")


def test_hash_of_other_parameters_is_outdated() -> None:
    hashed = CHEAP.hash("nineteen blue herons")
    assert not CHEAP.outdated(hashed)
    assert Argon2Passwords(memory_kib=16, passes=1).outdated(hashed)
    assert Argon2Passwords(memory_kib=8, passes=2).outdated(hashed)


class Held(PasswordHasher):
    """Its hashes take until they may end; counts how many are made at once."""

    def __init__(self) -> None:
        super().__init__(memory_cost=8, time_cost=1, parallelism=1)
        self.may_end, self.begun = threading.Event(), threading.Semaphore(0)
        self.lock, self.at_once, self.most = threading.Lock(), 0, 0

    def hash(self, password: str | bytes, *, salt: bytes | None = None) -> str:
        with self.lock:
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        self.begun.release()
        self.may_end.wait()
        with self.lock:
            self.at_once -= 1
        return super().hash(password, salt=salt)


class Slow(Argon2Passwords):
    def __init__(self, wait_seconds: float) -> None:
        super().__init__(wait_seconds=wait_seconds)
        self._hasher = self.held = Held()


def test_two_are_made_at_once_and_others_wait() -> None:
    slow = Slow(wait_seconds=60)
    with ThreadPoolExecutor(6) as threads:
        made = [threads.submit(slow.hash, "x") for _ in range(6)]
        for _ in range(2):
            slow.held.begun.acquire()
        assert not slow.held.begun.acquire(timeout=0.1)
        slow.held.may_end.set()
        assert len({each.result() for each in made}) == 6
    assert slow.held.most == 2


def test_who_would_wait_too_long_is_told_to_come_again() -> None:
    slow = Slow(wait_seconds=0.05)
    with ThreadPoolExecutor(2) as threads:
        made = [threads.submit(slow.hash, "x") for _ in range(2)]
        for _ in range(2):
            slow.held.begun.acquire()
        with pytest.raises(TooManyAttempts) as refused:
            slow.hash("x")
        assert refused.value.seconds > 0
        slow.held.may_end.set()
        assert [each.result() for each in made]
    assert slow.hash("x")
