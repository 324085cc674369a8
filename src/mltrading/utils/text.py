"""Words for people: suggestions and single lines."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")


def nearest(word: str, known: Iterable[str], closeness: float = 0.6) -> str | None:
    """The known word that a typing error most likely meant; None where none is like it, from 0
    (anything) to 1 (the same)."""
    by_folded = {name.casefold(): name for name in known}
    found = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=closeness)
    return by_folded[found[0]] if found else None


def one_line(text: str) -> str:
    """The text with every run of white space and control characters as one space."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def is_address(text: str) -> bool:
    """Whether the text is one plain e-mail address: nothing in it could begin another header."""
    return _ADDRESS.fullmatch(text) is not None
