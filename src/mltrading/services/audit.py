"""The audit trail: what is recorded, who may look at it, and whether it is whole."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from mltrading.domain.access import Actor, Permission, Scope
from mltrading.errors import MLTradingError
from mltrading.services.ports.audit import (
    AuditEntry,
    AuditEvent,
    AuditQuery,
    AuditStore,
    AuditTrail,
    Origin,
    TrailHead,
)
from mltrading.services.trail import AuditVerdict, judge
from mltrading.utils.clock import Clock
from mltrading.utils.monitoring import monitor_verbs

PAGE_ROWS = 50
LAST_PAGE = 1000
EXPORT_ROWS = 1000  # read at once
REMEMBERED_VIEWS = 100_000
QUIET = timedelta(minutes=1)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Newest first; `more`: there is a next page."""

    entries: tuple[AuditEntry, ...]
    page: int
    more: bool


@monitor_verbs("audit")
class Audit:
    """Everything that may be asked of the trail."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    def record(self, event: AuditEvent) -> None:
        """Append it, in a transaction of its own: for what changed nothing, such as a refusal."""
        self._store.record(event)

    def search(self, actor: Actor, query: AuditQuery) -> AuditPage:
        actor.require(Permission.MODIFY_SETTINGS)
        page = min(max(query.page, 1), LAST_PAGE)
        found = self._store.find(query, PAGE_ROWS + 1, offset=(page - 1) * PAGE_ROWS)
        more = len(found) > PAGE_ROWS and page < LAST_PAGE
        return AuditPage(tuple(found[:PAGE_ROWS]), page, more)

    def export(self, actor: Actor, query: AuditQuery, origin: Origin) -> Iterator[AuditEntry]:
        """Every row that the query names, newest first, read as they are taken. That they were
        exported is a row of its own, written before the first is given; it is not one of them."""
        actor.require(Permission.MODIFY_SETTINGS)
        newest = self._store.find(AuditQuery(), 1)
        self._store.record(
            AuditEvent("audit.export", actor.id, details=_told(query), origin=origin)
        )
        return self._exported(query, newest[0].seq + 1 if newest else 1)

    def _exported(self, query: AuditQuery, below: int) -> Iterator[AuditEntry]:
        while rows := self._store.find(query, EXPORT_ROWS, below=below):
            yield from rows
            below = rows[-1].seq

    def verify(self, kept: Mapping[str, TrailHead] | None = None) -> AuditVerdict:
        """Read the whole trail and hash it anew. `kept` are heads that were kept elsewhere, by what
        keeps them: without one, nobody can tell whether rows are missing at the end."""
        return self._store.judged(lambda state, rows: judge(state, rows, kept or {}))


def _told(query: AuditQuery) -> dict[str, str]:
    """What restricts the query, as the trail tells it: without what may name a person."""
    given = {key: str(value) for key, value in asdict(query).items() if key != "page" and value}
    return {key: "an e-mail address" if "@" in value else value for key, value in given.items()}


class ViewLog:
    """Notes which user saw which symbols: each once a session and hour. It keeps what it noted in
    this process, so that a view which was noted costs next to nothing; a view never fails because
    it could not be noted."""

    def __init__(self, trail: AuditTrail, clock: Clock, remembered: int = REMEMBERED_VIEWS) -> None:
        self._trail = trail
        self._clock = clock
        self._remembered = remembered
        self._guard = threading.Lock()
        self._hour = datetime.min
        self._noted: set[tuple[str, str]] = set()
        self._quiet_until: datetime | None = None

    def viewed(
        self, actor: Actor, codes: Collection[str], how: str, origin: Origin = Origin()
    ) -> None:
        """The actor saw data of the symbols `codes` on the page `how`. Only users are noted: the
        program itself and the command line have no role."""
        if actor.role is None:
            return
        now = self._clock.now()
        session = actor.session or actor.id
        new = self._new(session, codes, now)
        if not new:
            return
        right = (
            Permission.VIEW_ALL_DATA if actor.scope is Scope.ALL else Permission.VIEW_SHARED_DATA
        )
        details = {"how": how, "permission": right.value}
        event = AuditEvent("data.view", actor.id, details=details, origin=origin)
        try:
            self._trail.record_all([replace(event, target=code) for code in new])
        except Exception as error:  # whatever it is, the user still gets to see the data
            self._give_up(session, new, now, error)

    def _new(self, session: str, codes: Collection[str], now: datetime) -> list[str]:
        """Those not noted in this hour; they count as noted from here on."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        if hour == self._hour and all((session, code) in self._noted for code in codes):
            return []
        with self._guard:
            if self._quiet_until is not None and now < self._quiet_until:
                return []
            if hour != self._hour or len(self._noted) + len(codes) > self._remembered:
                self._hour, self._noted = hour, set()
            new = [code for code in dict.fromkeys(codes) if (session, code) not in self._noted]
            self._noted.update((session, code) for code in new)
            return new

    def _give_up(self, session: str, new: list[str], now: datetime, error: Exception) -> None:
        with self._guard:
            self._noted.difference_update((session, code) for code in new)
            self._quiet_until = now + QUIET
        reason = error if isinstance(error, MLTradingError) else type(error).__name__
        _log.warning("views of %d symbols were not noted in the audit trail: %s", len(new), reason)
