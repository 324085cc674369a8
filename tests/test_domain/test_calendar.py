"""Sessions of real exchanges: holidays, half days, lunch breaks, crypto, and unknown ones."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from mltrading.domain.bars import DAY, HOUR, MINUTE
from mltrading.domain.calendar import Calendar, Calendars
from mltrading.domain.trust import age_text, staleness
from tests.factories import moment

NOW = moment("2024-07-05T15:00")  # a Friday after Independence Day, New York 11:00


def calendar(name: str) -> Calendar:
    found = Calendars().get(name, NOW)
    assert found is not None
    return found


def dates(labels: np.ndarray) -> list[str]:
    return [str(label) for label in labels.astype("M8[us]").astype("M8[D]")]


def test_holidays_and_weekends_are_no_sessions() -> None:
    found = calendar("XNYS").between(moment("2024-07-03"), moment("2024-07-09"))
    assert dates(found) == ["2024-07-03", "2024-07-05", "2024-07-08"]


def test_half_days_close_early() -> None:
    new_york = calendar("XNYS")
    assert new_york.is_open(moment("2024-07-03T16:59"))
    assert not new_york.is_open(moment("2024-07-03T17:00"))
    assert new_york.next_close(moment("2024-07-03T15:00")) == moment("2024-07-03T17:00")


def test_opens_and_closes_follow_daylight_saving() -> None:
    new_york = calendar("XNYS")
    assert new_york.next_open(moment("2024-01-10")) == moment("2024-01-10T14:30")
    assert new_york.next_open(NOW) == moment("2024-07-08T13:30")
    assert new_york.next_close(NOW) == moment("2024-07-05T20:00")
    assert not new_york.is_open(moment("2024-07-05T13:29"))
    assert new_york.is_open(moment("2024-07-05T13:30"))


def test_lunch_breaks_are_closed() -> None:
    hong_kong = calendar("XHKG")
    noon = moment("2024-07-05T04:00")
    assert hong_kong.is_open(noon - MINUTE)
    assert not hong_kong.is_open(noon)
    assert hong_kong.is_open(noon + HOUR)
    assert hong_kong.next_open(noon) == noon + HOUR
    assert hong_kong.next_close(noon - HOUR) == noon


def test_round_the_clock_is_always_open() -> None:
    crypto = calendar("24/7")
    assert crypto.is_open(moment("2024-07-06T03:00"))
    assert len(crypto.between(moment("2024-01-01"), moment("2025-01-01"))) == 366
    assert crypto.last_completed(NOW) == moment("2024-07-04")


def test_the_running_session_is_not_completed() -> None:
    new_york = calendar("XNYS")
    assert new_york.last_completed(NOW) == moment("2024-07-03")
    assert new_york.last_completed(moment("2024-07-05T20:00")) == moment("2024-07-05")
    assert new_york.last_completed(moment("1980-01-01")) is None
    assert not new_york.is_open(moment("1980-01-01"))


def test_missing_sessions_are_named() -> None:
    new_york = calendar("XNYS")
    labels = new_york.between(moment("2024-07-01"), moment("2024-07-13"))
    missing = new_york.missing(np.delete(labels, [2, 4]), int(labels[0]), int(labels[-1]) + 1)
    assert dates(missing) == dates(labels[[2, 4]])
    assert not len(new_york.missing(labels, int(labels[0]), int(labels[-1]) + 1))


def test_calendar_knows_how_far_it_reaches() -> None:
    new_york = calendar("XNYS")
    assert new_york.covers(moment("1990-01-02"), NOW)
    assert not new_york.covers(moment("1989-12-29"), NOW)
    assert not new_york.covers(NOW, moment("2026-01-02"))


@pytest.mark.parametrize("name", ["", "NOPE", "XNYS\0", "ASEX"])
def test_unknown_calendars_are_none_or_whole(name: str) -> None:
    found = Calendars().get(name, NOW)
    assert found is None or len(found.sessions) > 1000


def test_calendar_with_fewer_recorded_years_is_taken_as_it_is() -> None:
    tokyo = calendar("XTKS")
    assert not tokyo.covers(moment("1990-01-02"), NOW)
    assert dates(tokyo.between(moment("2024-01-01"), moment("2024-01-06"))) == [
        "2024-01-04",
        "2024-01-05",
    ]


def test_calendar_is_built_once() -> None:
    assert Calendars().get("XNYS", NOW) is Calendars().get("XNYS", NOW + DAY)


def test_importing_the_module_leaves_pandas_alone() -> None:
    code = "import sys, mltrading.services.market; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("newest", "sessions", "text"),
    [
        ("2024-07-05", 0, ""),
        ("2024-07-03", 0, ""),  # the next session is still running
        ("2024-07-02", 1, "1 session"),
        ("2024-06-28", 3, "3 sessions"),
        ("2024-05-01", 43, "2 mo"),
        ("2013-03-01", 2854, "11 y"),
    ],
)
def test_staleness_counts_completed_sessions(newest: str, sessions: int, text: str) -> None:
    found = staleness(calendar("XNYS"), moment(newest), NOW)
    assert (found.sessions, found.text, found.stale) == (sessions, text, sessions > 0)


def test_staleness_without_a_calendar_says_so() -> None:
    fresh = staleness(None, NOW - 3 * DAY, NOW)
    assert (fresh.stale, fresh.sessions, fresh.text) == (False, None, "")
    old = staleness(None, NOW - 40 * DAY, NOW)
    assert (old.stale, old.sessions, old.text) == (True, None, "40 d, trading days unknown")


@pytest.mark.parametrize(
    ("days", "text"), [(1, "1 d"), (59, "59 d"), (61, "2 mo"), (729, "23 mo"), (731, "2 y")]
)
def test_ages_in_words(days: int, text: str) -> None:
    assert age_text(days * DAY) == text
