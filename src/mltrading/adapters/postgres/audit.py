"""The audit trail in PostgreSQL: rows that follow one another, each hashed over the one before."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from mltrading.adapters.postgres.pool import Database
from mltrading.services.ports.audit import (
    AuditEntry,
    AuditEvent,
    AuditQuery,
    Origin,
    TrailHead,
    TrailRow,
    TrailState,
)
from mltrading.utils.message import shorten

Result = TypeVar("Result")

# Arguments of audit_append (migration 0004), which numbers, stamps, hashes and inserts.
_APPEND = """SELECT audit_append(actor, action, outcome, target, details, address, browser)
    FROM (VALUES %s) AS events (actor, action, outcome, target, details, address, browser)"""
# What somebody outside may have made up is cut: nobody fills the trail with one request.
_NAME, _TARGET, _DETAIL, _DETAILS, _ADDRESS, _BROWSER = 64, 200, 300, 20, 64, 300

_FIND = """SELECT seq, audit.at, actor, action, outcome, target, details,
        coalesce(address, ''), coalesce(browser, ''),
        coalesce(who.email, ''), coalesce(whom.email, '')
    FROM audit LEFT JOIN audit_origins USING (seq)
        LEFT JOIN users AS who ON who.subject = actor
        LEFT JOIN users AS whom ON whom.subject = target
    WHERE {conditions} ORDER BY seq DESC LIMIT %(limit)s OFFSET %(offset)s"""
_CONDITIONS = {
    "below": "seq < %(below)s",
    "text": """strpos(lower(concat_ws(' ', action, target, details, actor, who.email, whom.email)),
        lower(%(text)s)) > 0""",
    "action": "(action = %(action)s OR starts_with(action, %(action)s || '.'))",
    "actor": "(actor = %(actor)s OR who.email = lower(%(actor)s))",
    "outcome": "outcome = %(outcome)s",
    "since": "audit.at >= %(since)s",
    "until": "audit.at < %(until)s",
}
# Also of what somebody removed, or made a time that has no such form.
_STATE = """SELECT coalesce(audit_start.seq, 0), coalesce(encode(audit_start.hash, 'hex'), ''),
        coalesce(audit_head.seq, 0), coalesce(encode(audit_head.hash, 'hex'), '')
    FROM (SELECT 1) AS one LEFT JOIN audit_start ON true LEFT JOIN audit_head ON true"""
_ROWS = """SELECT seq,
        coalesce(to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), at::text),
        actor, action, outcome, target, details, encode(hash, 'hex')
    FROM audit WHERE seq > %s ORDER BY seq LIMIT %s"""
_READ_ROWS = 2000  # at once, whatever the length of the trail
_JUDGE_SECONDS = 3600
_BEFORE_ALL = -(2**63)


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

    def find(
        self, query: AuditQuery, limit: int, *, offset: int = 0, below: int | None = None
    ) -> list[AuditEntry]:
        asked: dict[str, str | int | datetime | None] = {
            "below": below,
            "text": _text(query.text, _TARGET),
            "action": _text(query.action, _NAME),
            "actor": _text(query.actor, _TARGET),
            "outcome": _text(query.outcome, _NAME),
            "since": query.since,
            "until": query.until,
        }
        given = [
            sql.SQL(_CONDITIONS[name]) for name, value in asked.items() if value not in ("", None)
        ]
        conditions = sql.SQL(" AND ").join(given) if given else sql.SQL("true")

        def ask(connection: Connection) -> list[AuditEntry]:
            with connection.cursor() as cursor:
                statement = sql.SQL(_FIND).format(conditions=conditions)
                cursor.execute(statement, {**asked, "limit": limit, "offset": offset})
                return [_entry(*row) for row in cursor.fetchall()]

        return self._database.read(ask)

    def judged(self, judge: Callable[[TrailState, Iterator[TrailRow]], Result]) -> Result:
        def ask(connection: Connection) -> Result:
            with connection.cursor() as cursor:
                return judge(state(cursor), _rows(cursor))

        return self._database.read(ask, timeout_seconds=_JUDGE_SECONDS)


def _rows(cursor: Cursor) -> Iterator[TrailRow]:
    last = _BEFORE_ALL
    while True:
        cursor.execute(_ROWS, (last, _READ_ROWS))
        rows = [TrailRow(*row) for row in cursor.fetchall()]
        yield from rows
        if len(rows) < _READ_ROWS:
            return
        last = rows[-1].seq


def _entry(
    seq: int,
    at: datetime,
    actor: str,
    action: str,
    outcome: str,
    target: str,
    details: str,
    address: str,
    browser: str,
    *emails: str,
) -> AuditEntry:
    origin = Origin(address, browser)
    return AuditEntry(seq, at, actor, action, outcome, target, parsed(details), origin, *emails)


def parsed(details: str) -> dict[str, str]:
    """The details as they were given; a text that is not ours is shown as it is."""
    try:
        return {str(key): str(value) for key, value in json.loads(details).items()}
    except (ValueError, AttributeError):
        return {"": details}


def state(cursor: Cursor) -> TrailState:
    """Where the trail begins and ends, as the database notes it."""
    cursor.execute(_STATE)
    [(start, start_hash, head, head_hash)] = cursor.fetchall()
    return TrailState(TrailHead(start, start_hash), TrailHead(head, head_hash))


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
