"""A day beside the day before: sums and percentiles of all of it, and nothing where nothing was."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from mltrading.services.days import DayReader, Trend, together
from mltrading.services.ports.operations import Timing, Usage, Window
from tests.test_services.operations_made import NOON, Book, Samples, counts

pytestmark = pytest.mark.smoke

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
END = NOON.replace(minute=0)


def window(requests: int, errors: int, *latency: float, samples: int = 240) -> Window:
    return Window(requests=requests, errors=errors, samples=samples, latency=counts(*latency))


def test_windows_become_one_by_their_sums_and_their_worst() -> None:
    one = Window(10, 1, 0, 2, 0.1, 0.5, 0.1, 0.9, 4, 3.0, counts(0.15, 0.15))
    other = Window(30, 0, 1, 0, 9.0, math.nan, 0.3, 0.2, 4, 7.0, counts(12.0, 0.15))
    both = together([one, other])
    assert (both.requests, both.errors, both.slow, both.database_failures) == (40, 1, 1, 2)
    assert (both.memory_share, both.cpu_share, both.disk_free_share) == (0.5, 0.3, 0.2)
    assert (both.samples, both.newest_age_seconds) == (8, 7.0)
    assert both.latency == counts(0.15, 0.15, 0.15, 12.0)
    assert 10 < both.latency_p95_seconds <= 25
    assert together([]) == Window(latency_p95_seconds=together([]).latency_p95_seconds) or (
        math.isnan(together([]).latency_p95_seconds)
    )


def test_a_day_is_twenty_four_whole_hours() -> None:
    samples = Samples(
        {
            END: window(1, 0),  # has only begun
            END - HOUR: window(10, 1, *[0.15] * 10),
            END - DAY: window(20, 0, *[0.15] * 20),
            END - DAY - HOUR: window(40, 4, *[0.4] * 40),
            END - 2 * DAY - HOUR: window(99, 0),
        }
    )
    days = DayReader(samples, Book()).days(NOON)
    assert (days.now.window.requests, days.before.window.requests) == (30, 40)
    assert samples.steps == [3600, 3600]
    trends = {one.name: one for one in days.trends()}
    assert trends["Requests"].words == "less"
    assert (trends["Failed"].now, trends["Failed"].before) == (pytest.approx(100 / 30), 10.0)
    assert trends["Failed"].words == "better"
    assert 100 < trends["Answers, 95 of 100"].now <= 200
    assert 300 < trends["Answers, 95 of 100"].before <= 500


def test_usage_and_browsers_are_of_the_same_day() -> None:
    def callback(name: str, *seconds: float) -> Usage:
        return Usage("callback", name, len(seconds), 0, sum(seconds), counts(*seconds))

    book = Book(
        used=[(END - HOUR, callback("a", *[0.02] * 19)), (END - HOUR, callback("b", 4.0))],
        timed=[
            (END - HOUR, Timing("/charts", "paint", "", 1.0, counts(0.15, 0.15, 0.15, 4.0))),
            (END - HOUR, Timing("/", "load", "", 1.0, counts(0.9))),
        ],
        users=[((END - DAY).date(), 7), (END.date(), 3)],
    )
    days = DayReader(Samples({END - HOUR: window(1, 0)}), book).days(NOON)
    assert days.now.users == 7
    assert days.now.p95(days.now.callbacks) <= 0.025
    assert 0.1 < days.now.browser("paint", 0.75) <= 0.2
    assert 0.75 < days.now.browser("load", 0.75) <= 1.0
    assert math.isnan(days.before.browser("load", 0.75))


def test_a_day_of_which_nothing_was_measured_has_no_figures() -> None:
    days = DayReader(Samples(), Book()).days(NOON)
    assert not days.measured
    assert all(math.isnan(one.now) and math.isnan(one.before) for one in days.trends())
    assert {one.words for one in days.trends()} == {""}


@pytest.mark.parametrize(
    ("now", "before", "lower", "words"),
    [
        (90, 100, True, "better"),
        (110, 100, True, "worse"),
        (101, 100, True, "same"),
        (110, 100, False, "better"),
        (110, 100, None, "more"),
        (90, 100, None, "less"),
        (0, 0, True, "same"),
        (1, 0, True, "worse"),
        (math.nan, 1, True, ""),
        (1, math.nan, None, ""),
    ],
)
def test_a_trend_says_what_the_change_means(
    now: float, before: float, lower: bool | None, words: str
) -> None:
    assert Trend("x", "", now, before, lower).words == words
