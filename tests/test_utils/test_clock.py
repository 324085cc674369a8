from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from mltrading.utils.clock import SystemClock, microseconds

pytestmark = pytest.mark.smoke


def test_system_clock_is_aware_and_now() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert now.utcoffset() == timedelta(0)
    assert before <= now <= datetime.now(UTC)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1),
        (datetime(2013, 3, 1, 0, 0, 0, 1, tzinfo=UTC), 1_362_096_000_000_001),
        (datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), 0),
        (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), 253_402_300_799_999_999),
    ],
)
def test_microseconds_are_exact(moment: datetime, expected: int) -> None:
    assert microseconds(moment) == expected
