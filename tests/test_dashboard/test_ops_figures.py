"""The charts of the Ops page: what was not measured is a gap, and text is text."""

from __future__ import annotations

import json
from datetime import date, timedelta
from math import nan

import pytest

from mltrading.dashboard import theme
from mltrading.dashboard.figures.ops import Line, Span, by_day, lines
from mltrading.dashboard.pages import ops
from mltrading.services.ports.operations import Window
from tests.test_services.operations_made import NOON, counts

pytestmark = pytest.mark.smoke

DARK = theme.palette("dark")
MINUTE = timedelta(minutes=1)
SPAN = Span(NOON - 10 * MINUTE, NOON, 60)


def test_a_step_that_nobody_measured_breaks_the_line() -> None:
    at = [NOON - n * MINUTE for n in (9, 8, 5, 4)]
    [drawn] = lines(at, [Line("a", [1.0, 2.0, 3.0, 4.0])], SPAN, "ms", DARK)["data"]
    assert drawn["y"] == [1.0, 2.0, None, 3.0, 4.0]
    assert drawn["x"][2] == "2026-03-04 12:23:00"
    assert not drawn["connectgaps"]


def test_what_is_not_known_is_no_zero() -> None:
    [drawn] = lines([NOON, NOON + MINUTE], [Line("a", [nan, 0.0])], SPAN, "", DARK)["data"]
    assert drawn["y"] == [None, 0.0]


@pytest.mark.parametrize("values", [[], [nan]])
def test_a_chart_of_nothing_says_so(values: list[float]) -> None:
    drawn = lines([NOON] * len(values), [Line("a", values)], SPAN, "", DARK)
    assert drawn["data"] == []
    assert "nothing was measured" in drawn["layout"]["annotations"][0]["text"]
    assert "nothing was measured" in json.dumps(by_day([], "users", DARK))


def test_the_time_on_screen_is_the_chosen_one_whatever_was_measured() -> None:
    drawn = lines([NOON - MINUTE], [Line("a", [1.0])], SPAN, "", DARK)
    assert drawn["layout"]["xaxis"]["range"] == ["2026-03-04 12:20:00", "2026-03-04 12:30:00"]


def test_names_are_text() -> None:
    drawn = lines([NOON], [Line("<img src=x>", [1.0])], SPAN, "", DARK)
    assert drawn["data"][0]["name"] == "&lt;img src=x&gt;"
    assert by_day([(date(2026, 3, 4), 2)], "<b>", DARK)["data"][0]["name"] == "&lt;b&gt;"


def test_days_are_named_by_day_and_month() -> None:
    [bars] = by_day([(date(2026, 3, 4), 2), (date(2026, 3, 5), 0)], "users", DARK)["data"]
    assert (bars["x"], bars["y"]) == (["4 Mar", "5 Mar"], [2, 0])


def test_a_step_that_is_not_over_counts_by_what_of_it_is() -> None:
    """24 h are shown by quarters of an hour; five minutes of the last one are over."""
    quarter = timedelta(minutes=15)
    begun = NOON - timedelta(minutes=5)
    window = Window(requests=30, samples=1, latency=counts(0.15), pool_in_use=2)
    drawn = ops.charts([(begun - quarter, window), (begun, window)], timedelta(hours=24), NOON)
    assert drawn["ops-requests-chart"]["data"][0]["y"] == [2.0, 6.0]
    [young] = [ops.charts([(NOON - 59 * timedelta(seconds=1), window)], timedelta(hours=24), NOON)]
    assert young["ops-requests-chart"]["data"] == []
    assert young["ops-pool-chart"]["data"][0]["y"] == [2.0]


def test_every_chart_of_the_page_is_drawn() -> None:
    assert set(ops.charts([], timedelta(hours=1), NOON)) == set(ops.CHARTS)
