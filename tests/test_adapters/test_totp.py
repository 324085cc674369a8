"""Codes of a second factor against the test vectors of RFC 6238."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltrading.adapters.totp import TotpCodes

SECRET = base64.b32encode(b"12345678901234567890").decode()
VECTORS = [  # the last six of the eight digits in appendix B, SHA-1
    (59, "287082"),
    (1111111109, "081804"),
    (1111111111, "050471"),
    (1234567890, "005924"),
    (2000000000, "279037"),
    (20000000000, "353130"),
]


@pytest.mark.parametrize("seconds, code", VECTORS)
def test_vectors_of_the_standard(seconds: int, code: str) -> None:
    codes, moment = TotpCodes(), datetime.fromtimestamp(seconds, UTC)
    assert codes.step(SECRET, code, moment) == seconds // 30


@pytest.mark.parametrize("drift, valid", [(-2, False), (-1, True), (1, True), (2, False)])
def test_a_code_is_of_its_step_within_one(drift: int, valid: bool) -> None:
    moment = datetime.fromtimestamp(1234567890 + 30 * drift, UTC)
    step = TotpCodes().step(SECRET, "005924", moment)
    assert step == (1234567890 // 30 if valid else None)


@given(st.text())
def test_any_text_is_judged(code: str) -> None:
    step = TotpCodes().step(SECRET, code, datetime.fromtimestamp(59, UTC))
    assert step is None or code in {"755224", "287082", "359152"}


def test_secrets_are_of_160_bits_and_no_two_alike() -> None:
    made = {TotpCodes().new_secret() for _ in range(50)}
    assert len(made) == 50
    assert all(len(base64.b32decode(secret)) == 20 for secret in made)
