"""Exchange calendars kept as files. Building one imports pandas (more than a second); reading a
kept one takes a millisecond, so every start but the first shows its first page without that."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import fields
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote
from zipfile import BadZipFile

import numpy as np

from mltrading.domain.calendar import Calendar, Calendars
from mltrading.domain.query import from_micros


class KeptCalendars(Calendars):
    """Calendars by name, from `folder` where it holds them. What can not be read is built anew;
    what can not be written is built again by the next process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[Path, Calendar] = {}

    def get(self, name: str, now: int) -> Calendar | None:
        """The calendar as far as the end of the year after `now`; None for an unknown name."""
        path = self._path(name, from_micros(now).year)
        calendar = self._known.get(path) or _read(path)
        if calendar is None:
            calendar = super().get(name, now)
            if calendar is None:
                return None
            _write(path, calendar)
        self._known[path] = calendar
        return calendar

    def _path(self, name: str, year: int) -> Path:
        # Every part that decides the content is in the name, so no file is ever out of date.
        return self._folder / f"{quote(name, safe='')}-{year}-{_made_by()}.npz"


@cache
def _made_by() -> str:
    return version("exchange-calendars")


def _read(path: Path) -> Calendar | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            values: dict[str, Any] = {
                key: str(kept[key]) if kept[key].ndim == 0 else kept[key] for key in kept.files
            }
        return Calendar(**values)
    except (OSError, ValueError, TypeError, EOFError, BadZipFile):
        return None


def _write(path: Path, calendar: Calendar) -> None:
    """Whole or not at all: another process may be reading or writing the same."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as file:
            np.savez(
                file, **{field.name: getattr(calendar, field.name) for field in fields(calendar)}
            )
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
