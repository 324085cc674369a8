"""E-mail addresses and passwords as they are typed, as they are kept, and which will do."""

from __future__ import annotations

import re
import unicodedata

from mltrading.errors import InvalidAccount, InvalidPassword
from mltrading.utils.text import is_address

LONGEST_ADDRESS = 254
SHORTEST_PASSWORD = 15
LONGEST_PASSWORD = 256
HARD_TO_GUESS = 8  # characters that are left when all that is easy to guess is taken away

# What the lists of passwords that were most often used are made of, beside first names and years.
COMMON = (
    """password passwort passw pass letmein welcome willkommen bienvenue login admin administrator
    root user test guest default changeme secret geheim private hello hallo iloveyou loveyou love
    sunshine princess dragon monkey football baseball basketball soccer superman batman starwars
    master shadow michael jennifer jordan ashley bailey charlie andrew thomas daniel robert hunter
    killer pepper ginger cookie cheese chocolate summer winter spring autumn sommer mustang ferrari
    computer internet google facebook whatever trustno freedom matrix access flower purple orange
    banana jesus blessed family forever friends money trading trader mltrading stocks market please
    qazwsx correcthorsebatterystaple""".split()
)
ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "yxcvbnm",
    "!\"#$%&'()",
    "!@#$%^&*()",
)
SHORTEST_RUN = 4  # neighbours on a row of keys, or of the alphabet
SHORTEST_WORD = 3

_LOOKALIKES = str.maketrans("0134578@$!|", "oleastbasil")
_REPEATED = re.compile(r"(.{1,32}?)\1+", re.DOTALL)


def normal_address(email: str) -> str:
    """The address as it is kept: in lower case. What is not ASCII stays, for some foreign letters
    become plain ones in lower case, and would name another person."""
    email = email.strip()
    return email.lower() if email.isascii() else email


def is_valid_address(email: str) -> bool:
    return len(email) <= LONGEST_ADDRESS and is_address(email)


def new_address(email: str) -> str:
    """The address of a new account as it is kept; InvalidAccount where it is none."""
    address = normal_address(email)
    if not is_valid_address(address):
        raise InvalidAccount(
            "that is no e-mail address: one person's, such as ann@example.com, is needed"
        )
    return address


def normal_password(password: str) -> str:
    """The password as it is hashed: a letter with an accent is one, however the keyboard made it.
    No more is looked at than tells a password that is too long from any that is allowed."""
    return unicodedata.normalize("NFKC", password[: LONGEST_PASSWORD + 1])


def new_password(password: str, email: str) -> str:
    """The new password of that user as it is hashed; InvalidPassword where it will not do.

    Its length is what counts (NIST SP 800-63B): no digits or capitals are asked for. But what is
    easy to guess does not count: common words, the user's own address, repetitions, rows of keys.
    """
    if len(password) < SHORTEST_PASSWORD:
        raise InvalidPassword(
            f"a password needs {SHORTEST_PASSWORD} characters or more, this one has"
            f" {len(password)}: four or five words that nobody else would put together will do"
        )
    if len(password) > LONGEST_PASSWORD:
        raise InvalidPassword(f"a password has {LONGEST_PASSWORD} characters at most")
    known = normal_password(password)
    if known.casefold() == email.casefold():
        raise InvalidPassword("that password is your e-mail address, which others know")
    hard, easy = _weighed(known, email)
    if len(hard) < HARD_TO_GUESS:
        raise InvalidPassword(
            f"that password is easy to guess: {' and '.join(easy) or 'spaces'} do not count, which"
            f" leaves {len(hard)} of the {HARD_TO_GUESS} characters that are needed"
        )
    return known


def _weighed(password: str, email: str) -> tuple[str, list[str]]:
    """What is left of a password when all that is easy to guess is taken away, and what that
    was."""
    folded = password.casefold()
    texts = folded, folded.translate(_LOOKALIKES)
    return min((_without_easy(text, email) for text in texts), key=lambda one: len(one[0]))


def _without_easy(text: str, email: str) -> tuple[str, list[str]]:
    text, easy = _without_words(text, set(re.split(r"[^a-z0-9]+", email.casefold())))
    for name, without in (
        ("years", _without_years),
        ("rows of keys or of the alphabet", _without_runs),
        # What was taken away left spaces, which would keep repetitions apart.
        ("repetitions", lambda text: _without_repetitions("".join(text.split()))),
    ):
        shorter = without(text)
        easy += [name] if "".join(shorter.split()) != "".join(text.split()) else []
        text = shorter
    return text, easy


def _without_words(text: str, own: set[str]) -> tuple[str, list[str]]:
    """Without common words and those of the user's own, the longest first."""
    easy = set()
    for word in sorted({*COMMON, *own}, key=len, reverse=True):
        if len(word) >= SHORTEST_WORD and word in text:
            text = text.replace(word, " ")
            easy.add("parts of your e-mail address" if word in own else "common words")
    return text, sorted(easy, reverse=True)


def _without_years(text: str) -> str:
    return re.sub(r"(19|20)\d\d", " ", text)


def _without_repetitions(text: str) -> str:
    shorter = _REPEATED.sub(r"\1", text)
    return text if shorter == text else _without_repetitions(shorter)


def _without_runs(text: str) -> str:
    """The text with each run along a row of keys, either way, as its first character."""
    left, at = [], 0
    while at < len(text):
        left.append(text[at])
        length = max(_run(text, at, row) for row in (*ROWS, *(row[::-1] for row in ROWS)))
        at += length if length >= SHORTEST_RUN else 1
    return "".join(left)


def _run(text: str, at: int, row: str) -> int:
    """How many characters from `at` on are neighbours on the row."""
    place, length = row.find(text[at]), 0
    while (
        0 <= place
        and place + length < len(row)
        and text[at + length : at + length + 1] == row[place + length]
    ):
        length += 1
    return length
