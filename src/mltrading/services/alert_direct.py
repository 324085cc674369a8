"""What one worker does alone while the database is away, with a file of its machine for a memory.

The alerts that need no database are turned as ever; messages are in the file before they are sent.
When the database is back, all of it is handed in, so that nobody is told twice, and whoever was
told hears the end, once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mltrading.domain.alerting.notices import NewId, Queued, Ruleset, Told
from mltrading.domain.alerting.states import Alert
from mltrading.domain.alerting.turns import Book, Changes, Evaluation, applied, turn
from mltrading.services.ports.alerts import Kept, Leased, Spool, Spooled
from mltrading.utils.message import Destination, Outcome

log = logging.getLogger(__name__)

MOST_MESSAGES = 200  # of those that are done; what waits is never let go
MOST_EVENTS = 200
GIVE_UP_SECONDS = 86_400.0
GIVEN_UP = "given up after a day: "
NEVER_ARRIVED = "what it ends never arrived there"
ALONE = ("app_down", "database_down")
"""The signals that need no database."""


@dataclass
class _Sending:
    """When a message that waits may be tried again, or how long an attempt may take."""

    not_before: float = 0.0
    under_way: bool = False


class DirectAlerts:
    """Also an Outbox. For any number of threads."""

    def __init__(
        self,
        spool: Spool,
        now: Callable[[], datetime],
        new_id: NewId,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spool = spool
        self._now = now
        self._new_id = new_id
        self._monotonic = monotonic
        self._lock = threading.RLock()
        self._known = (spool.load() if spool.ours else None) or Spooled()
        self._sending: dict[str, _Sending] = {}
        self._handing_in = bool(self._known.session)
        self._unheard: dict[tuple[str, Destination], Told] = {}
        self._said = False

    @property
    def ours(self) -> bool:
        return self._spool.ours

    def remember(self, ruleset: Ruleset, book: Book, queued: Iterable[Queued] = ()) -> None:
        """What has to be known, should the database go away now: the book after a turn, and what
        that turn queued. Who has not got the message yet does not count as told."""
        names = {one.name for one in ruleset.rules if one.condition.signal in ALONE}
        alerts = {key: one for key, one in book.alerts.items() if one.rule in names}
        waiting = book.waiting | {(one.message.key, one.destination) for one in queued}
        told = {(one.key, one.destination): one for one in book.told if one.key in alerts}
        with self._lock:
            if self._known.session:
                return
            self._unheard = {place: one for place, one in told.items() if place in waiting}
            heard = tuple(one for place, one in told.items() if place not in waiting)
            self._replace(Spooled("", alerts, heard, book.silences))

    def heard(self, queued: Queued) -> None:
        """A message of the database's outbox has arrived."""
        with self._lock:
            one = self._unheard.pop((queued.message.key, queued.destination), None)
            if one is not None and not self._known.session:
                self._replace(replace(self._known, told=(*self._known.told, one)))

    def _replace(self, known: Spooled) -> None:
        changed = _essence(known) != _essence(self._known)
        self._known = known
        if changed:
            self._save()

    def turn(self, ruleset: Ruleset, evaluations: Sequence[Evaluation]) -> Changes:
        """One turn without the database; its messages are in the file, and fall due at once."""
        with self._lock:
            self._handing_in = False
            known, now = self._known, self._now()
            book = Book(
                known.alerts,
                known.told,
                known.silences,
                frozenset(
                    (one.queued.message.key, one.queued.destination)
                    for one in known.messages
                    if one.state == "waiting"
                ),
            )
            changes = turn(ruleset, book, evaluations, now, self._new_id)
            after = applied(book, changes)
            self._known = replace(
                known,
                session=known.session or self._new_id(),
                alerts=after.alerts,
                told=after.told,
                messages=_bounded(
                    [*known.messages, *(Kept(one, now) for one in changes.messages)], after.told
                ),
                events=(*known.events, *changes.events)[-MOST_EVENTS:],
            )
            if changes.messages or changes.events or not known.session:
                self._save()
            return changes

    def to_hand_in(self) -> Spooled | None:
        """What the database does not know yet; None where it knows all. From now on nothing is sent
        from here."""
        with self._lock:
            self._handing_in = True
            return self._known if self._known.session else None

    @property
    def sending(self) -> bool:
        """Whether an attempt is under way, whose outcome is to be handed in as well."""
        with self._lock:
            return any(one.under_way for one in self._sending.values())

    def handed_in(self) -> None:
        """The database knows it now."""
        with self._lock:
            self._known = replace(self._known, session="", messages=(), events=())
            self._sending.clear()
            self._save()

    def lease(
        self, kinds: Collection[str], busy: Collection[Destination], seconds: float
    ) -> Sequence[Leased]:
        with self._lock:
            if self._handing_in:
                return []
            before = self._known
            self._give_up()
            if self._known is not before:
                self._save()
            taken: dict[Destination, Leased] = {}
            for one in self._due(kinds, busy):
                to = one.queued.destination
                if to not in taken:
                    taken[to] = Leased(one.queued, one.attempts + 1, one.queued_at)
                    self._put(replace(one, attempts=one.attempts + 1))
                    self._sending[one.queued.message.id].under_way = True
            return list(taken.values())

    def finish(self, leased: Leased, outcome: Outcome, pause_seconds: float) -> None:
        with self._lock:
            message_id = leased.queued.message.id
            found = [one for one in self._known.messages if one.queued.message.id == message_id]
            sending = self._sending.setdefault(message_id, _Sending())
            sending.under_way = False
            sending.not_before = self._monotonic() + pause_seconds
            for one in found:
                state = "waiting" if outcome.state == "retry" else outcome.state
                self._put(replace(one, state=state, reason=outcome.reason))
                self._save()

    def _due(self, kinds: Collection[str], busy: Collection[Destination]) -> Iterable[Kept]:
        """What may be sent now; for one receiver and key only the oldest that waits."""
        met: set[tuple[str, Destination]] = set()
        for one in self._known.messages:
            message, to = one.queued.message, one.queued.destination
            if one.state != "waiting" or (message.key, to) in met:
                continue
            met.add((message.key, to))
            sending = self._sending.setdefault(message.id, _Sending())
            waits = sending.under_way or sending.not_before > self._monotonic()
            if to.kind in kinds and to not in busy and not waits:
                yield one

    def _give_up(self) -> None:
        """As the table does: what is a day old, and the end of what never arrived."""
        begun = [one for one in self._known.messages if not one.queued.message.resolved]
        arriving = {one.queued.opened_id for one in begun if one.state in ("waiting", "delivered")}
        lost = {one.queued.opened_id for one in begun} - arriving
        old = self._now() - timedelta(seconds=GIVE_UP_SECONDS)
        for one in self._known.messages:
            sending = self._sending.get(one.queued.message.id)
            if one.state != "waiting" or (sending and sending.under_way):
                continue
            if one.queued.message.resolved and one.queued.opened_id in lost:
                self._put(replace(one, state="dropped", reason=NEVER_ARRIVED))
            elif one.queued_at < old:
                reason = f"{GIVEN_UP}{one.reason or 'nobody could send it'}"
                self._put(replace(one, state="dead", reason=reason))

    def _put(self, kept: Kept) -> None:
        self._known = replace(
            self._known,
            messages=tuple(
                kept if one.queued.message.id == kept.queued.message.id else one
                for one in self._known.messages
            ),
        )

    def _save(self) -> None:
        saved = self._spool.save(self._known)
        if not saved and not self._said:
            log.warning("alerts can not be kept on this machine: a restart may send them again")
        self._said = not saved


def _essence(known: Spooled) -> object:
    """What is worth a write to the disk."""

    def of(one: Alert) -> object:
        return one.key, one.state, one.fired_at, one.resolved_at, one.muted_by

    return [*map(of, known.alerts.values())], known.told, known.silences


def _bounded(messages: list[Kept], told: Collection[Told]) -> tuple[Kept, ...]:
    """All that waits or belongs to an open incident, and the newest of the rest."""
    opened = {one.opened_id for one in told}
    room = MOST_MESSAGES
    kept = []
    for one in reversed(messages):
        needed = one.state == "waiting" or one.queued.opened_id in opened
        if needed or room > 0:
            kept.append(one)
            room -= not needed
    return tuple(reversed(kept))
