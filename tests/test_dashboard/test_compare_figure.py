"""The Compare chart: lines that stay apart, labels that do not overlap, text that stays text."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest

from mltrading.dashboard.figures.compare import DASHES, apart, colour, figure, point_labels
from mltrading.dashboard.theme import THEMES, palette
from mltrading.domain.bars import HOUR, Interval
from tests.factories import make_symbol, moment
from tests.test_dashboard.comparisons_made import make_comparison, without

EIGHT = tuple("ABCDEFGH")
DARK = palette("dark")


def test_one_line_a_symbol_over_the_dates_of_the_sessions() -> None:
    drawn = figure(make_comparison("AAPL", "IBM", count=30), DARK)
    assert [trace["name"] for trace in drawn["data"]] == ["AAPL", "IBM"]
    assert drawn["data"][0]["x"][:2] == ["2022-01-03", "2022-01-04"]
    assert drawn["data"][0]["y"][0] == 0.0
    assert len(drawn["data"][1]["y"]) == 30


def test_figure_travels_as_json_without_numpy() -> None:
    comparison = make_comparison(*EIGHT, count=1500)
    text = json.dumps(figure(comparison, DARK))
    assert "NaN" not in text
    assert len(text) < 400_000


def test_unknown_values_are_none_and_the_line_goes_on() -> None:
    comparison = make_comparison("AAPL", count=10)
    holed = replace(comparison.lines[0], values=without(comparison.lines[0].values, 4))
    drawn = figure(replace(comparison, lines=[holed]), DARK)
    assert drawn["data"][0]["y"][4] is None
    assert drawn["data"][0]["connectgaps"] is True


@pytest.mark.parametrize(("count", "first"), [(6, "4 Jan"), (30, "10 Jan"), (250, "Apr")])
def test_first_time_label_says_its_month(count: int, first: str) -> None:
    axis = figure(make_comparison("AAPL", count=count), DARK)["layout"]["xaxis"]
    assert axis["ticktext"][0] == first
    assert sum("Jan" in label for label in axis["ticktext"]) <= 1


def test_line_without_any_value_has_no_end_label() -> None:
    comparison = make_comparison("AAPL", "IBM", count=10)
    blank = replace(comparison.lines[1], values=np.full(10, np.nan))
    drawn = figure(replace(comparison, lines=[comparison.lines[0], blank]), DARK)
    assert [label["text"] for label in drawn["layout"]["annotations"]] == ["AAPL"]


def test_names_are_text_in_a_library_that_reads_html() -> None:
    hostile = make_symbol("<b>&x", name="<img src=x>")
    drawn = figure(make_comparison(symbols=[hostile], count=5), DARK)
    assert drawn["data"][0]["name"] == "&lt;b&gt;&amp;x"
    assert drawn["layout"]["annotations"][0]["text"] == "&lt;b&gt;&amp;x"


def test_percent_and_index_show_the_start_price_does_not() -> None:
    def base(query: str) -> list[float]:
        drawn = figure(make_comparison("AAPL", query=query), DARK)
        return [shape["y0"] for shape in drawn["layout"]["shapes"]]

    assert base("mode=percent") == [0]
    assert base("mode=indexed") == [100]
    assert base("mode=price") == []


def test_intraday_points_are_told_on_the_exchanges_clock() -> None:
    comparison = make_comparison("AAPL", count=3, interval=Interval.M1)
    assert point_labels(comparison)[0] == "2024-01-02 09:30"


def test_points_of_an_hour_that_came_twice_are_told_in_utc() -> None:
    first = moment("2024-11-03T05:30Z")  # 01:30 in New York, and an hour later again
    comparison = make_comparison("AAPL", count=2, interval=Interval.H1)
    comparison = replace(comparison, ts=np.array([first, first + HOUR]))
    assert point_labels(comparison) == ["2024-11-03 05:30 UTC", "2024-11-03 06:30 UTC"]


def test_end_labels_keep_their_distance_and_order() -> None:
    placed = apart([0.5, 0.51, 0.99, 1.0, 0.0], 0.05)
    ordered = sorted(placed)
    assert all(b - a >= 0.05 - 1e-9 for a, b in itertools.pairwise(ordered))
    assert 0 <= ordered[0] and ordered[-1] <= 1
    assert np.argsort(placed).tolist() == [4, 0, 1, 2, 3]


@pytest.mark.parametrize("theme", THEMES)
def test_every_line_stands_out_from_the_ground(theme: str) -> None:
    ground = _luminance(palette(theme)["ground"])
    for number in range(8):
        mine = _luminance(colour(number, palette(theme)))
        contrast = (max(mine, ground) + 0.05) / (min(mine, ground) + 0.05)
        assert contrast >= 3, f"series-{number + 1} has {contrast:.1f}:1"


@pytest.mark.parametrize("theme", THEMES)
def test_lines_of_one_dash_differ_in_grey_and_all_differ_in_colour(theme: str) -> None:
    colours = palette(theme)
    for a, b in itertools.combinations(range(8), 2):
        distance = np.linalg.norm(np.subtract(_lab(colour(a, colours)), _lab(colour(b, colours))))
        assert distance >= 20, f"series {a + 1} and {b + 1}: {distance:.0f} apart"
        grey = abs(_lab(colour(a, colours))[0] - _lab(colour(b, colours))[0])
        if DASHES[a] == DASHES[b]:
            assert grey >= 8, f"series {a + 1} and {b + 1}: {grey:.0f} apart in grey"


def _linear(colour: str) -> list[float]:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    return [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]


def _luminance(colour: str) -> float:
    red, green, blue = _linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _lab(colour: str) -> tuple[float, float, float]:
    """CIE L*a*b* (D65) of an sRGB colour: distances are about as large as they look."""
    red, green, blue = _linear(colour)
    x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505
    y = _luminance(colour)
    z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089
    fx, fy, fz = (
        v ** (1 / 3) if v > 216 / 24389 else (v * 24389 / 27 + 16) / 116 for v in (x, y, z)
    )
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)
