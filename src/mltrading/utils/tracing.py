"""Spans of a trace. Nothing is traced, and a span costs next to nothing, until somebody `begin`s:
app.py does where an exporter is configured (adapters/telemetry.py)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

Attributes = str | int | float
Open = Callable[[str, str, dict[str, Attributes]], AbstractContextManager[object]]

_open: Open | None = None
_NONE: AbstractContextManager[object] = nullcontext()


def begin(open_span: Open) -> None:
    """From now on `span(kind, name)` is what `open_span` returns."""
    global _open  # pylint: disable=global-statement  # of the process, as the tally is
    _open = open_span


def end() -> None:
    global _open  # pylint: disable=global-statement
    _open = None


def tracing() -> bool:
    return _open is not None


def span(kind: str, name: str, **attributes: Attributes) -> AbstractContextManager[object]:
    """What the block does, as a part of the trace; an exception that leaves it marks it failed."""
    return _NONE if _open is None else _open(kind, name, attributes)
