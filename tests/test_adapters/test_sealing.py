"""Seals and digests: what only the holder of SECRET_KEY can make or read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltrading.adapters.sealing import SecretKeySeals
from tests.identities import SECRET_KEY, SetClock

PLAIN = st.text(st.characters(exclude_categories=["Cs"]))


def seals(key: str = SECRET_KEY) -> SecretKeySeals:
    return SecretKeySeals(key, SetClock())


@given(purpose=PLAIN, text=PLAIN)
def test_what_is_sealed_opens_for_its_purpose_alone(purpose: str, text: str) -> None:
    sealed = seals().seal(purpose, text)
    assert seals().open(purpose, sealed) == text
    assert seals().open(purpose + "x", sealed) is None
    assert seals("another key " * 4).open(purpose, sealed) is None


@given(st.text())
def test_nothing_else_opens(sealed: str) -> None:
    assert seals().open("purpose", sealed) is None
    assert seals().open("purpose", sealed, 60) is None


@given(st.integers(0, 200), st.integers(1, 255))
def test_no_byte_may_change(place: int, change: int) -> None:
    sealed = bytearray(seals().seal("purpose", "x" * 60).encode())
    sealed[place % len(sealed)] ^= change
    text = sealed.decode("latin-1")
    opened = seals().open("purpose", text)
    # The last character of base64 carries bits that are not looked at.
    assert opened is None or place % len(sealed) >= len(sealed) - 3


@pytest.mark.parametrize("age, valid", [(59, True), (60, True), (61, False)])
def test_age_counts_where_it_is_asked_for(age: int, valid: bool) -> None:
    clock = SetClock()
    sealing = SecretKeySeals(SECRET_KEY, clock)
    sealed = sealing.seal("purpose", "text")
    clock.wait(age)
    assert (sealing.open("purpose", sealed, 60) == "text") is valid
    assert sealing.open("purpose", sealed) == "text"


@given(st.text(), st.text())
def test_digest_tells_texts_apart_and_keeps_them(one: str, other: str) -> None:
    digest = seals().digest("e-mail", one)
    assert digest == seals().digest("e-mail", one)
    assert len(digest) == 16 and digest.isascii()
    assert (digest == seals().digest("e-mail", other)) is (one == other)
    assert digest != seals().digest("person", one)
    assert digest != seals("another key " * 4).digest("e-mail", one)
