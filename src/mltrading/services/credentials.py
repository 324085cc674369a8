"""E-mail addresses and passwords as they are typed, and as they are kept."""

from __future__ import annotations

import unicodedata

from mltrading.utils.text import is_address

LONGEST_ADDRESS = 254
LONGEST_PASSWORD = 256


def normal_address(email: str) -> str:
    """The address as it is kept: in lower case. What is not ASCII stays, for some foreign letters
    become plain ones in lower case, and would name another person."""
    email = email.strip()
    return email.lower() if email.isascii() else email


def is_valid_address(email: str) -> bool:
    return len(email) <= LONGEST_ADDRESS and is_address(email)


def normal_password(password: str) -> str:
    """The password as it is hashed: a letter with an accent is one, however the keyboard made it.
    No more is looked at than tells a password that is too long from any that is allowed."""
    return unicodedata.normalize("NFKC", password[: LONGEST_PASSWORD + 1])
