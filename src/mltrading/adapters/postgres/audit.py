"""The audit trail in PostgreSQL: rows that follow one another, each hashed over the one before."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from mltrading.adapters.postgres.pool import Database
from mltrading.services.ports.audit import AuditEvent
from mltrading.utils.message import shorten

# Arguments of audit_append (migration 0004), which numbers, stamps, hashes and inserts.
_APPEND = """SELECT audit_append(actor, action, outcome, target, details, address, browser)
    FROM (VALUES %s) AS events (actor, action, outcome, target, details, address, browser)"""
# What somebody outside may have made up is cut: nobody fills the trail with one request.
_NAME, _TARGET, _DETAIL, _DETAILS, _ADDRESS, _BROWSER = 64, 200, 300, 20, 64, 300


def append(cursor: Cursor, event: AuditEvent) -> None:
    """Append it to the trail in the transaction of `cursor`, as the last thing that this does: from
    here to the commit everybody else who appends waits."""
    append_all(cursor, [event])


def append_all(cursor: Cursor, events: Sequence[AuditEvent]) -> None:
    """Append them in their order, as `append` does."""
    if events:
        execute_values(cursor, _APPEND, [_row(event) for event in events], page_size=1000)


class PostgresAudit:
    """The port services.ports.audit.AuditTrail on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, event: AuditEvent) -> None:
        self.record_all([event])

    def record_all(self, events: Sequence[AuditEvent]) -> None:
        """Append them in one transaction of their own."""
        with self._database.transaction() as connection, connection.cursor() as cursor:
            append_all(cursor, events)


def _row(event: AuditEvent) -> tuple[str, ...]:
    return (
        _text(event.actor, _NAME),
        _text(event.action, _NAME),
        event.outcome,
        _text(event.target, _TARGET),
        _json(event.details),
        _text(event.origin.address, _ADDRESS),
        _text(event.origin.browser, _BROWSER),
    )


def _json(details: Mapping[str, str]) -> str:
    kept = sorted(details.items())[:_DETAILS]
    values = {_text(key, _NAME): _text(value, _DETAIL) for key, value in kept}
    return json.dumps(values, ensure_ascii=False)


def _text(text: str, longest: int) -> str:
    """One line that PostgreSQL can hold: what does not print (line ends, NUL, half a surrogate
    pair) is written as an escape, so that nothing pretends to be another row."""
    whole = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text[: longest + 1]
    )
    return shorten(whole, longest)
