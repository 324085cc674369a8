"""How a wrong setting is named: what was found, and what is allowed."""

from __future__ import annotations

from mltrading.utils.text import nearest


def suggest(name: str, known: list[str], prefix: str = "") -> str:
    """The known name that was most likely meant, and all that begin with `prefix`."""
    likely = nearest(name, known)
    allowed = ", ".join(sorted(item for item in known if item.startswith(prefix)))
    return f"nearest known: '{likely}' (known: {allowed})" if likely else f"known: {allowed}"


def found(value: object) -> str:
    """What was found instead, unless it might hold a password."""
    text = repr(value)
    safe = isinstance(value, bool | int | float | str) and len(text) <= 40 and "@" not in text
    return f", not {text}" if safe else ""
