"""The daily digest: when it is due, and that it says what the tables hold and no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mltrading.domain.access import Actor
from mltrading.domain.bars import Bars, Interval
from mltrading.domain.calendar import Calendars
from mltrading.errors import Forbidden
from mltrading.services.digest import DailyDigest
from mltrading.services.ports import DayFacts, Deployment
from mltrading.services.ports.audit import TrailHead, TrailState
from mltrading.utils.message import DELIVERED, Message, Outcome
from tests.memory import MemoryMarket
from tests.test_services.job_runs import SetClock
from tests.test_services.markets import daily

EIGHT = datetime(2024, 7, 5, 8, tzinfo=UTC)
DEPLOYED = Deployment("production", "0.2.0", "0123456789abcdef", "v12", EIGHT - timedelta(hours=1))
HASH = "ab" * 32
EMPTY = DayFacts((), 0, 0, None, 0)
FRESH = daily("2024-06-03", "2024-07-04")  # the 4th is a holiday, so the 3rd is the last session
OLD = daily("2013-02-01", "2013-03-02")


class Book:
    def __init__(self, facts: DayFacts) -> None:
        self.told = facts
        self.asked: list[tuple[datetime, datetime]] = []

    def facts(self, since: datetime, until: datetime) -> DayFacts:
        self.asked.append((since, until))
        return self.told


class Recorder:
    def __init__(self, name: str) -> None:
        self.name = name
        self.messages: list[Message] = []

    def send(self, message: Message) -> Outcome:
        self.messages.append(message)
        return DELIVERED


class Made:
    """A digest over a market in memory, and what it sent."""

    def __init__(self, facts: DayFacts = EMPTY, **symbols: Bars) -> None:
        """`symbols` maps a code to its daily bars."""
        market = MemoryMarket()
        for code, bars in symbols.items():
            market.add(code, Interval.D1, bars)
        self.book = Book(facts)
        self.channels = [Recorder("slack #info"), Recorder("email a@b.c")]
        self.job = DailyDigest(
            "production", self.channels, market, Calendars(), self.book, SetClock(EIGHT)
        )

    def message(self) -> Message:
        assert self.job.perform("slack #info", EIGHT) == DELIVERED
        [message] = self.channels[0].messages
        return message


def test_it_is_due_once_its_hour_has_struck() -> None:
    job = Made().job
    assert job.due(EIGHT - timedelta(microseconds=1)) is None
    assert job.due(EIGHT) == EIGHT
    assert job.due(EIGHT + timedelta(hours=15, minutes=59)) == EIGHT
    assert job.due(EIGHT + timedelta(hours=16)) is None
    assert job.due(EIGHT + timedelta(days=1)) == EIGHT + timedelta(days=1)


def test_it_says_what_the_day_held() -> None:
    trail = TrailState(TrailHead(1187, "cd" * 32), TrailHead(1204, HASH))
    facts = DayFacts((DEPLOYED,), 2, 1_234_567, 1_230_000, 3, ("sub-a", "sub-b"), trail)
    made = Made(facts, FRESH=FRESH, OLD=OLD)
    message = made.message()
    assert made.book.asked == [(EIGHT - timedelta(days=1), EIGHT)]
    assert message.severity == "info"
    assert message.title == (
        "production 2024-07-05: 1 deployment, 1 of 2 symbols stale, 3 rows quarantined"
    )
    assert message.text.splitlines() == [
        "The 24 hours to 2024-07-05 08:00 UTC",
        "Deployments: 1",
        "  07:00 production v12 0.2.0 0123456789ab",
        "Symbols with bars: 2; listed in these hours: 2",
        "Bars stored, all intervals: 1,234,567 (+4,567 since the day before)",
        "Stale symbols: 1 (OLD 11 y)",
        "Rows put into quarantine: 3",
        f"Audit trail: 17 events, head 1204:{HASH}",
        "Accounts erased, as the trail names them: sub-a, sub-b",
    ]


def test_what_is_not_known_is_not_made_up() -> None:
    text = Made().message().text
    assert "Bars stored, all intervals: 0 (no count of the day before to compare with)" in text
    assert "Stale symbols: 0\n" in text
    assert text.endswith("Audit trail: 0 events")


def test_a_market_that_stood_still_is_told_by_name_up_to_a_screenful() -> None:
    made = Made(EMPTY, **{f"S{number:02}": OLD for number in range(23)})
    [line] = [line for line in made.message().text.splitlines() if line.startswith("Stale")]
    assert line.startswith("Stale symbols: 23 (S00 11 y, S01")
    assert line.endswith("S19 11 y, and 3 more)")


def test_the_same_days_digest_to_a_channel_has_the_same_id() -> None:
    made = Made()
    for _ in range(2):
        made.job.perform("slack #info", EIGHT)
        made.job.perform("email a@b.c", EIGHT)
    made.job.perform("slack #info", EIGHT + timedelta(days=1))
    first, again, next_day = (message.id for message in made.channels[0].messages)
    other = made.channels[1].messages[0].id
    assert first == again
    assert len({first, next_day, other}) == 3


def test_it_needs_the_right_to_see_all_data() -> None:
    with pytest.raises(Forbidden, match="can_view_all_data"):
        Made().job.digest(Actor("somebody", frozenset()), EIGHT)
