"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "error"]
OK: State = "ok"
WARNING: State = "warning"
ERROR: State = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """`detail` is the fact, `way_out` what to do about it; neither holds a secret."""

    check: str
    state: State
    detail: str
    way_out: str = ""


def ok(check: str, detail: str) -> Finding:
    return Finding(check, OK, detail)


def warning(check: str, detail: str, way_out: str) -> Finding:
    return Finding(check, WARNING, detail, way_out)


def error(check: str, detail: str, way_out: str) -> Finding:
    return Finding(check, ERROR, detail, way_out)


def told(check: str, failure: Exception) -> Finding:
    """One of our own errors, which carries fact and way out in its text."""
    return Finding(check, ERROR, str(failure))
