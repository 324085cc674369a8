"""Times by bucket: which one, and what a percentile of them is."""

from __future__ import annotations

import math

import pytest

from mltrading.utils.histogram import BOUNDS_SECONDS, BUCKETS, added, bucket, over, quantile

pytestmark = pytest.mark.smoke


def counted(*seconds: float) -> list[int]:
    counts = [0] * BUCKETS
    for one in seconds:
        counts[bucket(one)] += 1
    return counts


def test_a_bound_belongs_to_its_bucket() -> None:
    for number, bound in enumerate(BOUNDS_SECONDS):
        assert bucket(bound) == number
        assert bucket(bound * 1.0001) == number + 1
    assert bucket(0) == 0


def test_a_quantile_lies_within_its_bucket_and_moves_with_the_share() -> None:
    counts = counted(*[0.15] * 90, *[4.0] * 10)
    assert 0.1 < quantile(counts, 0.5) < 0.2
    assert 2 < quantile(counts, 0.95) <= 5
    assert quantile(counts, 0.9) == pytest.approx(0.2)
    assert quantile(counted(*[0.15] * 4), 0.25) == pytest.approx(0.125)
    assert quantile(counted(0.02), 1) == pytest.approx(0.025)


def test_nothing_has_no_quantile_and_what_lies_beyond_is_the_last_bound() -> None:
    assert math.isnan(quantile([], 0.95))
    assert math.isnan(quantile([0] * BUCKETS, 0.95))
    assert quantile(counted(0.1, 99), 0.99) == BOUNDS_SECONDS[-1]


def test_slow_ones_are_counted_from_a_bound_on() -> None:
    assert over(counted(9, 10, 11, 30), 10.0) == 2


def test_histograms_add_up_also_with_an_empty_one() -> None:
    assert added(counted(0.1), counted(0.1, 7)) == tuple(counted(0.1, 0.1, 7))
    assert added([], counted(7)) == tuple(counted(7)) == added(counted(7), [])
