"""The digest tells how the deployment ran and was used, beside the day before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mltrading.domain.calendar import Calendars
from mltrading.services.days import DayReader
from mltrading.services.digest import DailyDigest
from mltrading.services.ports.operations import Timing, Usage, Window
from mltrading.utils.message import DELIVERED
from tests.memory import MemoryMarket
from tests.test_services.digest_made import DigestChannel, NoFacts
from tests.test_services.job_runs import SetClock
from tests.test_services.operations_made import Book, Samples, counts

pytestmark = pytest.mark.smoke

EIGHT = datetime(2026, 3, 4, 8, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def sent(samples: Samples, book: Book) -> list[str]:
    """The lines of the digest of that morning."""
    channel = DigestChannel()
    job = DailyDigest(
        "production",
        lambda: [channel],
        MemoryMarket(),
        Calendars(),
        NoFacts(),
        SetClock(EIGHT),
        running=DayReader(samples, book),
    )
    assert job.perform(channel.name, EIGHT) == DELIVERED
    return channel.messages[0].text.splitlines()


def window(requests: int, errors: int, seconds: float) -> Window:
    latency = counts(*[seconds] * requests)
    return Window(requests=requests, errors=errors, samples=240, latency=latency)


def test_it_says_how_it_ran_what_was_used_and_whether_that_is_better() -> None:
    samples = Samples(
        {EIGHT - HOUR: window(2000, 1, 0.15), EIGHT - DAY - HOUR: window(1000, 10, 0.4)}
    )
    book = Book(
        used=[
            (EIGHT - HOUR, Usage("page", "/charts", 1300, 0, 0.0, counts())),
            (EIGHT - HOUR, Usage("page", "/", 90, 0, 0.0, counts())),
            (EIGHT - HOUR, Usage("callback", "fast.data", 5, 0, 0.1, counts(*[0.02] * 5))),
            (EIGHT - HOUR, Usage("callback", "slow.data", 5, 0, 9.0, counts(*[2.0] * 5))),
        ],
        timed=[(EIGHT - HOUR, Timing("/charts", "paint", "", 0.4, counts(0.15, 0.15)))],
        users=[((EIGHT - DAY).date(), 12), ((EIGHT - 2 * DAY).date(), 10)],
    )
    lines = sent(samples, book)
    told = lines[lines.index("Performance and use, beside the day before:") + 1 :]
    assert told == [
        "  Requests: 2,000 (1,000, more)",
        "  Users: 12 (10, more)",
        "  Failed: 0.05 % (1.00 %, better)",
        "  Answers, 95 of 100: 195 ms (490 ms, better)",
        "  Slower than 10 s: 0 (0, same)",
        "  Callbacks, 95 of 100: 1,900 ms (not known)",
        "  Pages loaded, 3 of 4: not known (not known)",
        "  Charts painted, 3 of 4: 175 ms (not known)",
        "  Pages most used: /charts 1,300, / 90",
        "  Slowest callbacks, 95 of 100: slow.data 1,950 ms, fast.data 24 ms",
    ]


def test_a_day_that_was_not_measured_is_said_to_be_so() -> None:
    assert sent(Samples(), Book())[-1] == "Performance and use: nothing was measured"


def test_where_nobody_measures_nothing_is_said() -> None:
    channel = DigestChannel()
    job = DailyDigest(
        "production", lambda: [channel], MemoryMarket(), Calendars(), NoFacts(), SetClock(EIGHT)
    )
    job.perform(channel.name, EIGHT)
    assert "Performance" not in channel.messages[0].text
