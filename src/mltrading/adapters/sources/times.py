"""Stamps as files write them: which form a column has, and reading it whole or one by one.

Reading gives microseconds and whether they are naive (wall clock, zone unknown) or an instant. For
daily bars the date as written counts, whatever the offset behind it. The column readers accept
only what the one-by-one reader accepts with the same meaning; they raise ValueError otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from mltrading.domain.bars import DAY, SECOND, Flags, Times

NO_TIME = int(np.iinfo(np.int64).min)
"""In place of a wall time that its zone skips or has twice."""

_EPOCH = datetime(1970, 1, 1)
_SOME_DAY = datetime(2001, 12, 23, tzinfo=UTC)
_ISO = re.compile(
    r"\d{4}-\d\d-\d\d([ T]\d\d(:\d\d(:\d\d([.,]\d+)?)?)?)? ?(Z|UTC|GMT|[+-]\d\d:?\d\d)?"
)
_SLASHED = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2\d{4}\b")
_DATES = (
    *("%Y%m%d", "%Y/%m/%d", "%Y.%m.%d", "%b %d, %Y", "%B %d, %Y", "%d-%b-%Y", "%d %b %Y"),
    *("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%m.%d.%Y", "%d-%m-%Y", "%m-%d-%Y"),
)
_CLOCKS = (
    *("", " %H:%M", " %H:%M:%S", " %H:%M:%S.%f", " %H%M%S", " %H%M", "%H%M%S", "%H%M", "T%H:%M:%S"),
    *(" %I:%M %p", " %I:%M:%S %p", " %H:%M %z", " %H:%M:%S %z", " %H:%M:%S.%f GMT%z"),
)


@dataclass(frozen=True, slots=True)
class TimeForm:
    """`iso`, `epoch` or a strptime pattern."""

    pattern: str


ISO = TimeForm("iso")
EPOCH = TimeForm("epoch")


def form_of(samples: list[str]) -> TimeForm | None:
    """The form that reads most of the samples, at least half; None where none does."""
    texts = [text for text in samples if text][:2000]
    forms = [
        ISO,
        *_patterns([texts[at] for at in {0, len(texts) // 2, -1}] if texts else []),
        EPOCH,
    ]
    counts = {form.pattern: sum(reads(form, text) for text in texts) for form in forms}
    best = max(forms, key=lambda form: counts[form.pattern])
    return best if 2 * counts[best.pattern] >= max(1, len(texts)) else None


def given_form(pattern: str) -> TimeForm:
    """The form that a user gives; ValueError with the reason where it tells no day."""
    try:
        read_back = datetime.strptime(_SOME_DAY.strftime(pattern), pattern)
    except (ValueError, re.error) as error:  # strptime makes a regular expression of the pattern
        raise ValueError(str(error)) from None
    if read_back.date() != _SOME_DAY.date():
        raise ValueError("it tells no day, month and year")
    return TimeForm(pattern)


def reads(form: TimeForm, text: str) -> bool:
    """Whether the text is a stamp of this form."""
    try:
        read_one(text, form, daily=False)
    except (ValueError, OverflowError):
        return False
    return True


def day_and_month_order(texts: Iterable[str]) -> str | None:
    """For dates like 01/02/2024: "%d...%m" or "%m...%d" if one of them settles it, else "".
    None if the texts hold no such date."""
    seen = False
    for text in texts:
        if match := _SLASHED.match(text):
            seen = True
            if int(match[1]) > 12 >= int(match[3]):
                return f"%d{match[2]}%m{match[2]}%Y"
            if int(match[3]) > 12 >= int(match[1]):
                return f"%m{match[2]}%d{match[2]}%Y"
    return "" if seen else None


def ambiguous(texts: Iterable[str]) -> bool:
    """Whether dates like 01/02/2024 leave open which is the day."""
    return day_and_month_order(texts) == ""


def read_one(text: str, form: TimeForm, daily: bool, zone: str = "UTC") -> tuple[int, bool]:
    """(microseconds, naive) of one stamp; ValueError where it is none. An epoch has no date as
    written: for daily bars it is the one in `zone`."""
    text = text.strip()
    if form == EPOCH:
        instant = _epoch_one(text)
        return int(walls_in(np.array([instant]), zone)[0]) if daily else instant, False
    stamp = _iso_one(text) if form == ISO else _pattern_one(text, form)
    wall = stamp.replace(tzinfo=None)
    if daily or stamp.tzinfo is None:
        return _micros(wall), stamp.tzinfo is None
    return _micros(stamp.astimezone(UTC).replace(tzinfo=None)), False


def read_column(column: Any, form: TimeForm, daily: bool, zone: str = "UTC") -> tuple[Times, bool]:
    """The same for a pyarrow column of strings (epoch: of int64), all naive or none."""
    if form == EPOCH:
        instants = epoch_micros(column.to_numpy())
        return walls_in(instants, zone) if daily else instants, False
    if form != ISO:
        return _read_pattern(column, form)
    try:
        return _cast(column, pa.timestamp("us")), True
    except pa.ArrowInvalid:
        instants = _cast(column, pa.timestamp("us", "UTC"))
    if not daily:
        return instants, False
    return _cast(pc.utf8_slice_codeunits(column, 0, 10), pa.timestamp("us")), False


def epoch_micros(values: Times) -> Times:
    """Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by size: the
    limits lie at the years 5138 (s), 5138 (ms) and 5138 (µs)."""
    size = np.abs(values)
    return np.select(
        [size < 10**11, size < 10**14, size < 10**17],
        [values * SECOND, values * 1000, values],
        values // 1000,
    )


def localized(values: Times, naive: Flags | bool, zone: str) -> Times:
    """Instants for values of which some are wall times in `zone`; NO_TIME for those that the
    zone skips or has twice."""
    if not np.any(naive) or zone == "UTC":
        return values
    walls = pd.DatetimeIndex(values.view("M8[us]"))
    there = walls.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").tz_convert("UTC")
    instants = np.asarray(there.tz_localize(None).as_unit("us"), dtype="M8[us]").view(np.int64)
    return np.where(naive, instants, values)


def walls_in(instants: Times, zone: str) -> Times:
    """What the clocks in `zone` show at the instants."""
    if zone == "UTC":
        return instants
    stamps = pd.DatetimeIndex(instants.view("M8[us]")).tz_localize("UTC").tz_convert(zone)
    walls = np.asarray(stamps.tz_localize(None).as_unit("us"), dtype="M8[us]")
    return walls.view(np.int64)


def session_labels(walls: Times) -> Times:
    return walls // DAY * DAY


def _patterns(texts: list[str]) -> list[TimeForm]:
    patterns = (date + clock for date in _DATES for clock in _CLOCKS)
    return [form for p in patterns if any(reads(form := TimeForm(p), text) for text in texts)]


def _iso_one(text: str) -> datetime:
    if not _ISO.fullmatch(text):
        raise ValueError(f"not an ISO date: {text}")
    text = re.sub(r" ?(UTC|GMT)$", "Z", text).replace(",", ".")
    return datetime.fromisoformat(re.sub(r" (?=[Z+-])", "", text[:10] + text[10:]))


def _epoch_one(text: str) -> int:
    whole, _, fraction = text.partition(".")
    if not re.fullmatch(r"[+-]?\d{1,19}", whole) or not re.fullmatch(r"\d*", fraction):
        raise ValueError(f"not a number of seconds: {text}")
    number = int(whole)
    if abs(number) >= 2**63:
        raise ValueError("out of range")
    micros = int(epoch_micros(np.array([number], np.int64))[0])
    return micros + (int((fraction + "000000")[:6]) if abs(number) < 10**11 else 0)


def _pattern_one(text: str, form: TimeForm) -> datetime:
    stamp = datetime.strptime(text, form.pattern)
    if _compact(form) and stamp.strftime(form.pattern) != text:
        raise ValueError(
            f"not {form.pattern}: {text}"
        )  # strptime lets 1704067200 be a date of 1704
    return stamp


def _compact(form: TimeForm) -> bool:
    """Whether digits of different fields touch, so that only full widths can be told apart."""
    return "%Y%m" in form.pattern or "%H%M" in form.pattern


def _read_pattern(column: Any, form: TimeForm) -> tuple[Times, bool]:
    if "%z" in form.pattern:
        raise ValueError("offsets are read one by one")
    if _compact(form) and not (width := pc.utf8_length(column).unique()).equals(
        pa.array([len(_EPOCH.strftime(form.pattern))], width.type)
    ):
        raise ValueError("not all of full width")
    stamps = pd.to_datetime(column.to_numpy(zero_copy_only=False), format=form.pattern)
    return np.asarray(stamps.as_unit("us"), dtype="M8[us]").view(np.int64), True


def _cast(column: Any, kind: Any) -> Times:
    values: Times = pc.cast(column, kind).to_numpy(zero_copy_only=False).view(np.int64)
    return values


def _micros(wall: datetime) -> int:
    return (wall - _EPOCH) // timedelta(microseconds=1)
