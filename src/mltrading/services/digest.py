"""The daily digest: what was deployed, and what became of the data, in one message a day."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from mltrading.domain.access import WORKER, Actor, Permission, Scope
from mltrading.domain.calendar import Calendars
from mltrading.domain.trust import staleness
from mltrading.services.days import DayReader, Days
from mltrading.services.digest_running import running_lines
from mltrading.services.ports import Channel, DayBook, DayFacts, Symbols
from mltrading.utils.clock import Clock, microseconds
from mltrading.utils.message import Message, Outcome

SHOWN = 20  # stale symbols and deployments by name
DAY = timedelta(days=1)
LATEST = timedelta(hours=16)  # after its moment


@dataclass(frozen=True, slots=True)
class DigestMoment:
    """When the digest is sent each day: a time of day where people are."""

    at: time = time(8)
    zone: tzinfo = UTC

    def on(self, day: date) -> datetime:
        """That moment of a day there. A time that a change of the clocks leaves out counts as if
        they had not been changed yet, and of one that comes twice the first counts."""
        return datetime.combine(day, self.at, self.zone)


@dataclass(frozen=True, slots=True)
class Digest:
    """The day from `since` to `until`, both in the zone of whom it is for. `stale` holds (code,
    age) of symbols, by code; `days` is None where nothing is measured."""

    environment: str
    since: datetime
    until: datetime
    symbols: int
    stale: tuple[tuple[str, str], ...]
    facts: DayFacts
    days: Days | None = None

    def title(self) -> str:
        deployed = counted(len(self.facts.deployments), "deployment")
        return (
            f"{self.environment} {self.until:%Y-%m-%d}: {deployed}, {len(self.stale):,} of"
            f" {counted(self.symbols, 'symbol')} stale, {self.facts.quarantined:,} rows quarantined"
        )

    def text(self) -> str:
        facts = self.facts
        hours = (self.until.astimezone(UTC) - self.since.astimezone(UTC)) / timedelta(hours=1)
        lines = [
            f"The {hours:g} hours to {self.until:%Y-%m-%d %H:%M %Z}",
            f"Deployments: {len(facts.deployments)}",
        ]
        for one in facts.deployments[-SHOWN:]:
            words = (one.release, one.version, one.commit[:12])
            shown = " ".join(word for word in words if word)
            at = one.finished_at.astimezone(self.until.tzinfo)
            lines.append(f"  {at:%H:%M} {one.environment} {shown}")
        lines += [
            f"Symbols with bars: {self.symbols:,}; listed in these hours: {facts.symbols_added:,}",
            f"Bars stored, all intervals: {facts.bars:,}{self._change()}",
            f"Stale symbols: {len(self.stale):,}{self._stale_names()}",
            f"Rows put into quarantine: {facts.quarantined:,}",
            f"Audit trail: {self._trail()}",
        ]
        if facts.erased:
            lines.append(f"Accounts erased, as the trail names them: {', '.join(facts.erased)}")
        return "\n".join([*lines, *running_lines(self.days)])

    def _change(self) -> str:
        if self.facts.bars_before is None:
            return " (no count of the day before to compare with)"
        return f" ({self.facts.bars - self.facts.bars_before:+,} since the day before)"

    def _trail(self) -> str:
        """Its head, kept where nobody who changes the database can change it too."""
        trail = self.facts.trail
        head = f", head {trail.head}" if trail.head.seq else ""
        return f"{counted(trail.events, 'event')}{head}"

    def _stale_names(self) -> str:
        if not self.stale:
            return ""
        named = ", ".join(f"{code} {age}" for code, age in self.stale[:SHOWN])
        more = len(self.stale) - SHOWN
        return f" ({named}{f', and {more:,} more' if more > 0 else ''})"


class DailyDigest:
    """The job (services.jobs) that sends the digest to the channels of information, each day at a
    time of day. What is done is known by the day there: whatever the clocks do, or the file is
    changed to, each channel gets one a day."""

    name = "daily-digest"

    def __init__(
        self,
        environment: str,
        channels: Callable[[], Sequence[Channel]],
        symbols: Symbols,
        calendars: Calendars,
        book: DayBook,
        clock: Clock,
        moment: Callable[[], DigestMoment] = DigestMoment,
        running: DayReader | None = None,
    ) -> None:
        self._environment = environment
        self._channels = channels
        self._symbols = symbols
        self._calendars = calendars
        self._book = book
        self._clock = clock
        self._moment = moment
        self._running = running

    @property
    def targets(self) -> Sequence[str]:
        return tuple(channel.name for channel in self._channels())

    def due(self, now: datetime) -> datetime | None:
        """The newest day whose moment has come (its name as a midnight of UTC); None once that is
        long ago: a day that nobody was there to send is left out, because its totals are not known
        any more."""
        moment = self._moment()
        today = now.astimezone(moment.zone).date()
        for day in (today, today - DAY):
            at = moment.on(day).astimezone(UTC)
            if at <= now:
                return datetime.combine(day, time(0), UTC) if now - at < LATEST else None
        return None

    def perform(self, target: str, due_at: datetime) -> Outcome:
        channels = {channel.name: channel for channel in self._channels()}
        if target not in channels:
            return Outcome("dead", "alerting.yml names it no more")
        moment, day = self._moment(), due_at.date()
        digest = self.digest(WORKER, moment.on(day - DAY), moment.on(day))
        name = f"{self._environment}-{self.name}-{day:%Y-%m-%d}"
        message = Message("info", digest.title(), digest.text(), key=name, id=f"{name}-{target}")
        return channels[target].send(message)

    def digest(self, actor: Actor, since: datetime, until: datetime) -> Digest:
        """What is known of that time; the totals are kept as those of the day of `until`."""
        actor.require(Permission.VIEW_ALL_DATA)
        facts = self._book.facts(since, until)
        latest = self._symbols.latest(Scope.ALL)
        now = microseconds(self._clock.now())
        stale = []
        for one in latest:
            age = staleness(self._calendars.get(one.symbol.calendar, now), one.session, now)
            if age.stale:
                stale.append((one.symbol.code, age.text))
        days = self._running.days(until) if self._running else None
        return Digest(self._environment, since, until, len(latest), tuple(stale), facts, days)


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
