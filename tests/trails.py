"""Audit trails in memory, made as the database makes them; events and who does them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from mltrading.domain.access import Actor, Role
from mltrading.services.ports.audit import (
    AuditEntry,
    AuditEvent,
    AuditQuery,
    Result,
    TrailHead,
    TrailRow,
    TrailState,
)
from mltrading.services.trail import next_hash

ADMIN = Actor("sub-admin", Role.ADMIN.permissions, "admin@example.com", Role.ADMIN, "s-admin")
ANALYST = Actor("sub-analyst", Role.ANALYST.permissions, "ana@example.com", Role.ANALYST, "s-ana")
VIEWER = Actor("sub-viewer", Role.VIEWER.permissions, "vi@example.com", Role.VIEWER, "s-vi")
AT = "2026-03-02T12:00:00.000000Z"


def chained(rows: Sequence[TrailRow], start: TrailHead = TrailHead()) -> list[TrailRow]:
    """The rows with the hashes that they must have."""
    made, before = [], start.hash
    for row in rows:
        made.append(replace(row, hash=next_hash(before, row)))
        before = made[-1].hash
    return made


def make_trail(length: int) -> list[TrailRow]:
    """A whole trail of that many rows."""
    return chained(
        [
            TrailRow(seq, AT, "sub-a", "user.add", "done", f"t{seq}", "{}", "")
            for seq in range(1, length + 1)
        ]
    )


def head_of(rows: Sequence[TrailRow]) -> TrailHead:
    return TrailHead(rows[-1].seq, rows[-1].hash)


class MemoryTrail:
    """The port AuditStore over a list of events; it can be told to fail."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []
        self.error: Exception | None = None
        self.asked: list[tuple[int, int, int | None]] = []

    def record(self, event: AuditEvent) -> None:
        self.record_all([event])

    def record_all(self, events: Sequence[AuditEvent]) -> None:
        if self.error is not None:
            raise self.error
        self.events += events

    def find(
        self, query: AuditQuery, limit: int, *, offset: int = 0, below: int | None = None
    ) -> list[AuditEntry]:
        self.asked.append((limit, offset, below))
        rows = [
            AuditEntry(
                seq,
                datetime(2026, 3, 2, tzinfo=UTC),
                event.actor,
                event.action,
                event.outcome,
                event.target,
                event.details,
                event.origin,
            )
            for seq, event in enumerate(self.events, 1)
            if (below is None or seq < below) and query.action in ("", event.action)
        ]
        return rows[::-1][offset : offset + limit]

    def judged(self, judge: Callable[[TrailState, Iterator[TrailRow]], Result]) -> Result:
        raise NotImplementedError  # tests of the real one do this
