"""Which passwords will do, and how addresses are kept."""

from __future__ import annotations

import secrets
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mltrading.errors import InvalidAccount, InvalidPassword
from mltrading.services.credentials import (
    LONGEST_PASSWORD,
    new_address,
    new_password,
    normal_address,
    normal_password,
)

EMAIL = "ann.smith@example.com"


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "nineteen blue herons",
        "Xk2-9fw_Qm4+7tLz",
        "tri sinih kita i les, \u043b\u0435\u0441",
        "\U0001f40b\U0001f335\U0001f3ba\U0001f9ca\U0001f9f5\U0001fa81\U0001f6f6\U0001f968" * 2,
        "x" * 5 + secrets.token_urlsafe(187),
    ],
)
def test_long_and_unlikely_will_do(password: str) -> None:
    assert new_password(password, EMAIL)


@pytest.mark.parametrize(
    "password",
    [
        "aaaaaaaaaaaaaaaa",
        "abcabcabcabcabcabc",
        "abcdefghijklmnopq",
        "zyxwvutsrqponmlkj",
        "123456789012345678",
        "qwertyuiopasdfghjkl",
        "qwertzuiop1234567890",
        "passwordpassword1",
        "P@ssw0rdP@ssw0rd!!",
        "Password123456789!",
        "mltrading2026admin",
        "ann.smith@example.com",
        "Annsmith Annsmith 99",
        "smith smith smith ann 1984",
        "letmeinletmein1234",
        "                    ",
        "correcthorsebatterystaple",
        "1qaz2wsx3edc4rfv"[:14],
        "fourteen chars",
        "",
    ],
)
def test_easy_to_guess_will_not(password: str) -> None:
    with pytest.raises(InvalidPassword):
        new_password(password, EMAIL)


def test_length_is_told() -> None:
    with pytest.raises(InvalidPassword, match="15 characters or more"):
        new_password("fourteen chars", EMAIL)
    with pytest.raises(InvalidPassword, match="256 characters at most"):
        new_password(secrets.token_hex(200), EMAIL)


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("fourteen chars", "15 characters or more, this one has 14"),
        ("Ann.Smith@Example.com", "is your e-mail address"),
        ("ann.smith ann.smith!", ": parts of your e-mail address and repetitions do not count"),
        ("P@ssw0rd letmein", ": common words do not count, which leaves 0 of the 8 characters"),
        ("1984 1999 2001 2024", ": years do not count"),
        ("qwertyuiop!asdfghjkl", ": rows of keys or of the alphabet do not count"),
        ("k7k7k7k7k7k7k7k7", ": repetitions do not count, which leaves 2 of"),
        (" k 7 x 2 v 9 m ", ": spaces do not count, which leaves 7 of"),
    ],
)
def test_a_refusal_says_its_own_reason(password: str, said: str) -> None:
    with pytest.raises(InvalidPassword) as refused:
        new_password(password, EMAIL)
    assert said in str(refused.value)


def test_the_address_counts_for_its_own_user_alone() -> None:
    password = "weatherhead kilburn"
    assert new_password(password, EMAIL)
    with pytest.raises(InvalidPassword):
        new_password(password, "kilburn.weatherhead@example.com")


@given(st.text(max_size=400), st.emails())
def test_any_text_is_judged(password: str, email: str) -> None:
    try:
        known = new_password(password, email)
    except InvalidPassword as refused:
        assert len(password) == 0 or password not in str(refused) or len(password) < 15
    else:
        assert 15 <= len(password) <= LONGEST_PASSWORD
        assert known == normal_password(password)


@example("OM0010C00000000", 7)  # "com" is of the address, and left spaces between repetitions
@given(st.text(string.ascii_letters + string.digits, min_size=15, max_size=20), st.integers(0, 9))
def test_no_repetition_makes_a_short_password_long_enough(text: str, length: int) -> None:
    with pytest.raises(InvalidPassword):
        new_password((text[: min(length, 7)] or "a") * 20, EMAIL)


def test_random_passwords_are_accepted() -> None:
    for _ in range(200):
        assert new_password(secrets.token_urlsafe(15), EMAIL)


@pytest.mark.parametrize("email", ["Ann@Example.com ", " ann@example.COM"])
def test_address_is_kept_in_lower_case(email: str) -> None:
    assert new_address(email) == "ann@example.com"


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ann",
        "ann@host",
        "a@b@example.com",
        "ann smith@example.com",
        "ann@example.com\nbcc: bob@example.com",
        "<ann@example.com>",
        "x" * 250 + "@example.com",
        "\u212aate@example.com",  # the Kelvin sign: a plain k in lower case
    ],
)
def test_no_address(email: str) -> None:
    with pytest.raises(InvalidAccount):
        new_address(email)


@given(st.text())
def test_a_foreign_letter_becomes_no_plain_one(email: str) -> None:
    assert email.isascii() or not normal_address(email).isascii() or email.strip().isascii()
