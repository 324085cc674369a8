"""Kept calendars: the same answers as built ones, without pandas, whatever lies in the folder."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from mltrading.adapters.calendar_files import KeptCalendars
from mltrading.domain.calendar import Calendar, Calendars
from tests.factories import moment

NOW = moment("2026-03-02T12:00")


def assert_same(one: Calendar | None, other: Calendar | None) -> None:
    assert one is not None
    assert other is not None
    for field in fields(Calendar):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


@pytest.mark.parametrize("name", ["XNYS", "XTKS", "24/7"])
def test_a_kept_calendar_is_the_built_one(tmp_path: Path, name: str) -> None:
    KeptCalendars(tmp_path).get(name, NOW)
    kept = KeptCalendars(tmp_path).get(name, NOW)
    assert_same(kept, Calendars().get(name, NOW))
    assert kept is not None
    assert kept.is_open(moment("2026-03-02T15:00")) == (name != "XTKS")


def test_the_next_year_reaches_further(tmp_path: Path) -> None:
    calendars = KeptCalendars(tmp_path)
    this, later = calendars.get("XNYS", NOW), calendars.get("XNYS", moment("2027-03-02"))
    assert this is not None
    assert later is not None
    assert later.sessions[-1] > this.sessions[-1]


def test_an_unknown_name_is_none_and_leaves_no_file(tmp_path: Path) -> None:
    assert KeptCalendars(tmp_path).get("../NOWHERE", NOW) is None
    assert KeptCalendars(tmp_path).get("", NOW) is None
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"\x80\x04pickle"])
def test_a_damaged_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    KeptCalendars(tmp_path).get("XNYS", NOW)
    (kept,) = tmp_path.iterdir()
    kept.write_bytes(content)
    assert_same(KeptCalendars(tmp_path).get("XNYS", NOW), Calendars().get("XNYS", NOW))
    assert kept.stat().st_size > 1000
    assert list(tmp_path.iterdir()) == [kept]


def test_a_folder_that_can_not_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert KeptCalendars(tmp_path / "file" / "below").get("XNYS", NOW) is not None


def test_a_kept_calendar_needs_no_pandas(tmp_path: Path) -> None:
    KeptCalendars(tmp_path).get("XNYS", NOW)
    program = (
        "import sys; from pathlib import Path;"
        "from mltrading.adapters.calendar_files import KeptCalendars;"
        f"calendar = KeptCalendars(Path(sys.argv[1])).get('XNYS', {NOW});"
        "print(len(calendar.sessions) > 9000, 'pandas' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "True False\n"
