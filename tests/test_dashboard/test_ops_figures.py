"""The charts of the Ops page: what was not measured is a gap, and text is text."""

from __future__ import annotations

import json
from datetime import date, timedelta
from math import nan

import pytest

from mltrading.dashboard import theme
from mltrading.dashboard.figures.ops import Limit, Line, Span, by_day, lines
from mltrading.dashboard.pages import ops
from mltrading.services.operations import Limits
from mltrading.services.ports.operations import Window
from tests.test_services.operations_made import NOON, counts

pytestmark = pytest.mark.smoke

DARK = theme.palette("dark")
MINUTE = timedelta(minutes=1)
SPAN = Span(NOON - 10 * MINUTE, NOON, 60)
DAY, NONE = timedelta(days=1), Limits()
DAYS = (date(2026, 3, 3), date(2026, 3, 5))


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
    assert "nothing was measured" in json.dumps(by_day([], "users", DAYS, DARK))


def test_the_time_on_screen_is_the_chosen_one_whatever_was_measured() -> None:
    drawn = lines([NOON - MINUTE], [Line("a", [1.0])], SPAN, "", DARK)
    assert drawn["layout"]["xaxis"]["range"] == ["2026-03-04 12:20:00", "2026-03-04 12:30:00"]


def test_names_are_text() -> None:
    drawn = lines([NOON], [Line("<img src=x>", [1.0])], SPAN, "", DARK)
    assert drawn["data"][0]["name"] == "&lt;img src=x&gt;"
    assert by_day([(date(2026, 3, 4), 2)], "<b>", DAYS, DARK)["data"][0]["name"] == "&lt;b&gt;"


def test_days_are_named_by_day_and_month_and_users_are_whole() -> None:
    few = by_day([(date(2026, 3, 4), 2), (date(2026, 3, 5), 0)], "users", DAYS, DARK)
    [bars], layout = few["data"], few["layout"]
    assert (bars["x"], bars["y"]) == (["4 Mar", "5 Mar"], [2, 0])
    assert layout["xaxis"]["categoryarray"] == ["3 Mar", "4 Mar", "5 Mar"]
    assert layout["yaxis"]["dtick"] == 1
    many = by_day([(date(2026, 3, 4), 5000)], "users", DAYS, DARK)
    assert "dtick" not in many["layout"]["yaxis"]


def test_a_limit_is_drawn_across_the_whole_time_and_named_with_its_figure() -> None:
    limit = Limit("limit of <b>", 5.0)
    drawn = lines([NOON - MINUTE], [Line("a", [1.0])], SPAN, "ms", DARK, limit)
    line = drawn["data"][1]
    assert (line["name"], line["y"]) == ("limit of &lt;b&gt;, 5 ms", [5.0, 5.0])
    assert line["x"] == drawn["layout"]["xaxis"]["range"]
    assert drawn["layout"]["showlegend"]


def test_the_first_day_says_before_when_nothing_was_measured_and_its_one_point_is_seen() -> None:
    young = lines([NOON - MINUTE], [Line("a", [1.0])], SPAN, "", DARK)
    [said], [edge] = young["layout"]["annotations"], young["layout"]["shapes"]
    assert said["text"] == "nothing measured before 12:29 UTC"
    assert (edge["x0"], said["xanchor"]) == ("2026-03-04 12:29:00", "right")
    at = [NOON - n * MINUTE for n in (9, 8, 5)]
    old = lines(at, [Line("a", [1.0, 2.0, 3.0])], SPAN, "", DARK)
    assert "annotations" not in old["layout"]
    [drawn] = old["data"]
    assert drawn["marker"]["size"] == [3, 3, 3, 7]
    week = Span(NOON - timedelta(days=7), NOON, 3600)
    [said] = lines([NOON - timedelta(days=6)], [Line("a", [1.0])], week, "", DARK)["layout"][
        "annotations"
    ]
    assert said["text"] == "nothing measured before 26 Feb 12:30 UTC"
    assert said["xanchor"] == "left"


def test_a_step_that_is_not_over_counts_by_what_of_it_is() -> None:
    """24 h are shown by quarters of an hour; five minutes of the last one are over."""
    quarter = timedelta(minutes=15)
    begun = NOON - timedelta(minutes=5)
    window = Window(requests=30, samples=1, latency=counts(0.15), pool_in_use=2)
    drawn = ops.charts([(begun - quarter, window), (begun, window)], DAY, NOON, NONE)
    assert drawn["ops-requests-chart"]["data"][0]["y"] == [2.0, 6.0]
    [young] = [ops.charts([(NOON - 59 * timedelta(seconds=1), window)], DAY, NOON, NONE)]
    assert young["ops-requests-chart"]["data"] == []
    assert young["ops-pool-chart"]["data"][0]["y"] == [2.0]


def test_every_chart_of_the_page_is_drawn() -> None:
    assert set(ops.charts([], timedelta(hours=1), NOON, NONE)) == set(ops.CHARTS)


def test_measures_are_beside_what_they_should_not_exceed() -> None:
    window = Window(requests=30, samples=1, latency=counts(0.15), pool_in_use=2, memory_share=0.5)
    limits = Limits(answer_ms=800.0, failed_percent=1.0, connections=5)
    drawn = ops.charts([(NOON - MINUTE, window)], timedelta(hours=1), NOON, limits)
    named = {id: figure["data"][-1]["name"] for id, figure in drawn.items()}
    assert named["ops-latency-chart"] == "budget, 800 ms"
    assert named["ops-errors-chart"] == "budget, 1 %"
    assert named["ops-pool-chart"] == "its limit, 5"
    assert named["ops-machine-chart"] == "memory limit, 80 %"
