"""The daily digest: what was deployed, and what became of the data, in one message a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mltrading.domain.access import WORKER, Actor, Permission, Scope
from mltrading.domain.calendar import Calendars
from mltrading.domain.trust import staleness
from mltrading.services.days import DayReader, Days
from mltrading.services.digest_running import running_lines
from mltrading.services.ports import Channel, DayBook, DayFacts, Symbols
from mltrading.utils.clock import Clock, microseconds
from mltrading.utils.message import Message, Outcome

HOUR_UTC = 8
SHOWN = 20  # stale symbols and deployments by name
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Digest:
    """The day that ended at `until`. `stale` holds (code, age) of symbols, by code; `days` is None
    where nothing is measured."""

    environment: str
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
        lines = [
            f"The 24 hours to {self.until:%Y-%m-%d %H:%M} UTC",
            f"Deployments: {len(facts.deployments)}",
        ]
        for one in facts.deployments[-SHOWN:]:
            words = (one.release, one.version, one.commit[:12])
            shown = " ".join(word for word in words if word)
            lines.append(f"  {one.finished_at.astimezone(UTC):%H:%M} {one.environment} {shown}")
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
    """The job (services.jobs) that sends the digest to the channels of information, each day at
    an hour of UTC."""

    name = "daily-digest"

    def __init__(
        self,
        environment: str,
        channels: Sequence[Channel],
        symbols: Symbols,
        calendars: Calendars,
        book: DayBook,
        clock: Clock,
        hour_utc: int = HOUR_UTC,
        running: DayReader | None = None,
    ) -> None:
        self._environment = environment
        self._channels = {channel.name: channel for channel in channels}
        self._symbols = symbols
        self._calendars = calendars
        self._book = book
        self._clock = clock
        self._hour_utc = hour_utc
        self._running = running

    @property
    def targets(self) -> Sequence[str]:
        return tuple(self._channels)

    def due(self, now: datetime) -> datetime | None:
        """This hour of this day, once it has struck: a day that nobody was there to send is left
        out, because its totals are not known any more."""
        moment = now.replace(hour=self._hour_utc, minute=0, second=0, microsecond=0)
        return moment if now >= moment else None

    def perform(self, target: str, due_at: datetime) -> Outcome:
        digest = self.digest(WORKER, due_at)
        name = f"{self._environment}-{self.name}-{due_at:%Y-%m-%d}"
        message = Message("info", digest.title(), digest.text(), key=name, id=f"{name}-{target}")
        return self._channels[target].send(message)

    def digest(self, actor: Actor, until: datetime) -> Digest:
        """What is known of the 24 hours before `until`."""
        actor.require(Permission.VIEW_ALL_DATA)
        facts = self._book.facts(until - DAY, until)
        latest = self._symbols.latest(Scope.ALL)
        now = microseconds(self._clock.now())
        stale = []
        for one in latest:
            age = staleness(self._calendars.get(one.symbol.calendar, now), one.session, now)
            if age.stale:
                stale.append((one.symbol.code, age.text))
        days = self._running.days(until) if self._running else None
        return Digest(self._environment, until, len(latest), tuple(stale), facts, days)


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
