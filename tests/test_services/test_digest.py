"""The daily digest: when it is due, and that it says what the tables hold and no more."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from mltrading.domain.access import Actor
from mltrading.domain.bars import Bars, Interval
from mltrading.domain.calendar import Calendars
from mltrading.errors import Forbidden
from mltrading.services.digest import DailyDigest, DigestMoment
from mltrading.services.ports import DayFacts, Deployment
from mltrading.services.ports.audit import TrailHead, TrailState
from mltrading.utils.message import DELIVERED, Message, Outcome
from tests.memory import MemoryMarket
from tests.test_services.job_runs import SetClock
from tests.test_services.markets import daily

EIGHT = datetime(2024, 7, 5, 8, tzinfo=UTC)
DAY_OF_EIGHT = datetime(2024, 7, 5, tzinfo=UTC)
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
        self.moment = DigestMoment()
        self.job = DailyDigest(
            "production",
            lambda: self.channels,
            market,
            Calendars(),
            self.book,
            SetClock(EIGHT),
            lambda: self.moment,
        )

    def message(self) -> Message:
        assert self.job.perform("slack #info", DAY_OF_EIGHT) == DELIVERED
        [message] = self.channels[0].messages
        return message


def test_it_is_due_once_its_hour_has_struck() -> None:
    job = Made().job
    assert job.due(EIGHT - timedelta(microseconds=1)) is None
    assert job.due(EIGHT) == DAY_OF_EIGHT
    assert job.due(EIGHT + timedelta(hours=15, minutes=59)) == DAY_OF_EIGHT
    assert job.due(EIGHT + timedelta(hours=16)) is None
    assert job.due(EIGHT + timedelta(days=1)) == DAY_OF_EIGHT + timedelta(days=1)


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
        made.job.perform("slack #info", DAY_OF_EIGHT)
        made.job.perform("email a@b.c", DAY_OF_EIGHT)
    made.job.perform("slack #info", DAY_OF_EIGHT + timedelta(days=1))
    first, again, next_day = (message.id for message in made.channels[0].messages)
    other = made.channels[1].messages[0].id
    assert first == again
    assert len({first, next_day, other}) == 3


def test_it_needs_the_right_to_see_all_data() -> None:
    with pytest.raises(Forbidden, match="can_view_all_data"):
        Made().job.digest(Actor("somebody", frozenset()), EIGHT - timedelta(days=1), EIGHT)


def dues(moment: DigestMoment, first: str, days: int) -> list[tuple[str, str]]:
    """Each day's digest as a worker that looks every minute meets it: when, and of which day."""
    made = Made()
    made.moment = moment
    now, met = datetime.fromisoformat(first).replace(tzinfo=UTC), {}
    for _ in range(days * 24 * 60):
        day = made.job.due(now)
        if day is not None:
            met.setdefault(day, now)
        now += timedelta(minutes=1)
    return [(f"{at:%d %H:%M}", f"{day:%d}") for day, at in met.items()]


@pytest.mark.parametrize(
    ("at", "zone", "first", "expected"),
    [
        # The clocks of Berlin go forward on 29 March 2026 at 02:00, back on 25 October at 03:00.
        (
            8,
            "Europe/Berlin",
            "2026-03-28",
            [("28 07:00", "28"), ("29 06:00", "29"), ("30 06:00", "30")],
        ),
        (
            8,
            "Europe/Berlin",
            "2026-10-24",
            [("24 06:00", "24"), ("25 07:00", "25"), ("26 07:00", "26")],
        ),
        # 02:30 does not come on the 29th, and comes twice on the 25th.
        (
            2.5,
            "Europe/Berlin",
            "2026-03-28",
            [("28 01:30", "28"), ("29 01:30", "29"), ("30 00:30", "30")],
        ),
        (
            2.5,
            "Europe/Berlin",
            "2026-10-24",
            [("24 00:30", "24"), ("25 00:30", "25"), ("26 01:30", "26")],
        ),
        (
            23.5,
            "America/New_York",
            "2026-03-08T00:00",
            [("08 04:30", "07"), ("09 03:30", "08"), ("10 03:30", "09")],
        ),
        (
            8,
            "Pacific/Auckland",
            "2026-04-04T12:00",
            [("04 20:00", "05"), ("05 20:00", "06"), ("06 20:00", "07")],
        ),
    ],
)
def test_each_day_has_one_digest_in_its_zone_whatever_the_clocks_do(
    at: float, zone: str, first: str, expected: list[tuple[str, str]]
) -> None:
    moment = DigestMoment(time(int(at), int(at % 1 * 60)), ZoneInfo(zone))
    assert dues(moment, first, 3) == expected


def test_a_day_of_25_hours_is_told_as_one() -> None:
    made = Made()
    made.moment = DigestMoment(time(8), ZoneInfo("Europe/Berlin"))
    assert made.job.perform("slack #info", datetime(2026, 10, 25, tzinfo=UTC)) == DELIVERED
    [(since, until)] = made.book.asked
    assert (since, until) == (
        datetime(2026, 10, 24, 6, tzinfo=UTC),
        datetime(2026, 10, 25, 7, tzinfo=UTC),
    )
    [message] = made.channels[0].messages
    assert message.text.startswith("The 25 hours to 2026-10-25 08:00 CET\n")
    assert until.date() == datetime(2026, 10, 25).date()


def test_a_zone_that_is_changed_after_the_digest_gives_no_second_one_of_that_day() -> None:
    made = Made()
    before = made.job.due(EIGHT)
    made.moment = DigestMoment(time(8), ZoneInfo("America/New_York"))
    assert made.job.due(EIGHT + timedelta(hours=5)) == before


def test_a_channel_that_was_taken_out_meanwhile_is_left() -> None:
    made = Made()
    del made.channels[0]
    assert made.job.perform("slack #info", DAY_OF_EIGHT).state == "dead"
