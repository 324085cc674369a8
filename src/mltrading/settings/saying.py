"""How a wrong setting is named: what was found, and what is allowed."""

from __future__ import annotations

from mltrading.settings.written import Odd
from mltrading.utils.text import nearest, one_line

LONGEST_SHOWN = 40


def suggest(name: str, known: list[str], prefix: str = "") -> str:
    """The known name that was most likely meant, and all that begin with `prefix`."""
    likely = nearest(name, known)
    allowed = ", ".join(sorted(item for item in known if item.startswith(prefix)))
    return f"nearest known: '{likely}' (known: {allowed})" if likely else f"known: {allowed}"


def found(value: object) -> str:
    """What was found instead, unless it might hold a password."""
    if isinstance(value, Odd):
        return f"{_shown(value.text)}{value.hint}"
    return _shown(repr(value)) if isinstance(value, bool | int | float | str) else ""


def _shown(text: str) -> str:
    safe = 0 < len(text) <= LONGEST_SHOWN and "@" not in text
    return f", not {one_line(text)}" if safe else ""
