"""The port services.ports.alerts.AlertStore on PostgreSQL: who leads, the book, what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from mltrading.adapters.postgres import alert_rows as rows
from mltrading.adapters.postgres.audit import append
from mltrading.adapters.postgres.connection import reason
from mltrading.adapters.postgres.pool import Database
from mltrading.domain.alerting.notices import Told
from mltrading.domain.alerting.silences import Silence
from mltrading.domain.alerting.turns import Book, Changes, Event, Trouble, handed_in
from mltrading.errors import DatabaseUnavailable
from mltrading.services.ports.alerts import Kept, QueueState, Spooled
from mltrading.services.ports.audit import AuditEvent
from mltrading.utils.message import Destination

Result = TypeVar("Result")
Statement = str | sql.Composable

STUCK_SECONDS = 900.0
"""A message that was tried and waits for longer is trouble."""
TIMEOUT_SECONDS = 5.0
EVENT_DAYS = 400
MESSAGE_DAYS = 30

_LEAD = """UPDATE alert_leader
    SET holder = %(holder)s, until = now() + make_interval(secs => %(seconds)s)
    WHERE id = 1 AND (holder = %(holder)s OR until <= now()) RETURNING now()"""
_LEADS = """SELECT holder = %(holder)s AND until > clock_timestamp(), now()
    FROM alert_leader WHERE id = 1 FOR UPDATE"""
_LOCK = "SELECT now() FROM alert_leader WHERE id = 1 FOR UPDATE"
_ALERTS = sql.SQL("SELECT {alert} FROM alerts ORDER BY rule, labels").format(alert=rows.ALERT)
_TOLD = sql.SQL("SELECT {told} FROM alert_told ORDER BY at, key, kind, target").format(
    told=rows.TOLD
)
_SILENCES = sql.SQL(
    "SELECT {silence} FROM alert_silences WHERE ends_at > now() ORDER BY id"
).format(silence=rows.SILENCE)
_WAITING = "SELECT key, kind, target FROM alert_outbox WHERE state = 'waiting'"
# Traders are one receiver to operators, without a name: one of them may well have a wrong address.
_TROUBLES = """SELECT kind, whom, count(*) FILTER (WHERE state = 'dead'),
        coalesce(max(extract(epoch FROM now() - created_at))
            FILTER (WHERE state = 'waiting'), 0)::float8,
        (array_agg(said ORDER BY seq DESC))[1]
    FROM (SELECT *, CASE WHEN user_id IS NULL THEN target ELSE 'traders' END AS whom,
            CASE WHEN user_id IS NULL THEN reason
                ELSE regexp_replace(reason, '\\S+@\\S+', '...', 'g') END AS said
        FROM alert_outbox) AS one
    WHERE (state = 'waiting' AND attempts > 0
            AND created_at < now() - make_interval(secs => %(stuck)s))
        OR (state = 'dead' AND finished_at > now() - interval '1 day' AND NOT EXISTS (
            SELECT 1 FROM alert_outbox AS later WHERE later.state = 'delivered'
                AND later.kind = one.kind
                AND CASE WHEN later.user_id IS NULL THEN later.target ELSE 'traders' END = one.whom
                AND later.finished_at > one.finished_at))
    GROUP BY kind, whom ORDER BY kind, whom"""
_KEEP_ALERT = sql.SQL(
    """INSERT INTO alerts ({alert}) VALUES %s ON CONFLICT (key) DO UPDATE SET
    severity = EXCLUDED.severity, state = EXCLUDED.state, said = EXCLUDED.said,
    pending_since = EXCLUDED.pending_since, evaluated_at = EXCLUDED.evaluated_at,
    true_at = EXCLUDED.true_at, false_since = EXCLUDED.false_since, fired_at = EXCLUDED.fired_at,
    resolved_at = EXCLUDED.resolved_at, errors = EXCLUDED.errors, muted_by = EXCLUDED.muted_by"""
).format(alert=rows.ALERT)
_KEEP_TOLD = sql.SQL("""INSERT INTO alert_told ({told}) VALUES %s
    ON CONFLICT (key, kind, target)
    DO UPDATE SET at = EXCLUDED.at, opened_id = EXCLUDED.opened_id""").format(told=rows.TOLD)
_FORGET_TOLD = """DELETE FROM alert_told USING (VALUES %s) AS gone (key, kind, target)
    WHERE alert_told.key = gone.key AND alert_told.kind = gone.kind
        AND alert_told.target = gone.target"""
_KEEP_MESSAGE = sql.SQL("INSERT INTO alert_outbox ({message}) VALUES %s").format(
    message=rows.MESSAGE
)
_KEEP_EVENT = sql.SQL("INSERT INTO alert_events ({event}) VALUES %s").format(event=rows.EVENT)
_NEW_SPOOL = """INSERT INTO alert_spools (session) VALUES (%(session)s)
    ON CONFLICT DO NOTHING RETURNING session"""
_ADOPT_MESSAGE = sql.SQL("""INSERT INTO alert_outbox
        ({message}, state, attempts, created_at, finished_at, reason)
    SELECT {message}, state, attempts, least(queued_at, now()),
        CASE WHEN done THEN now() END, reason
    FROM (VALUES %s) AS kept ({message}, state, attempts, queued_at, done, reason)
    ON CONFLICT (id) DO NOTHING""").format(message=rows.MESSAGE)
_TOLD_DIRECTLY = """UPDATE alert_outbox SET state = 'dropped', finished_at = now(),
        reason = 'told directly while the database was away'
    FROM (VALUES %s) AS heard (key, kind, target)
    WHERE state = 'waiting' AND NOT resolved AND leased_until <= now()
        AND alert_outbox.key = heard.key AND alert_outbox.kind = heard.kind
        AND alert_outbox.target = heard.target"""
_EVENTS = sql.SQL("""SELECT {event} FROM alert_events WHERE at >= %(since)s
    ORDER BY at DESC, id DESC LIMIT %(limit)s""").format(event=rows.EVENT)
_QUEUE = """SELECT kind, whom, count(*) FILTER (WHERE state = 'waiting'),
        coalesce(max(extract(epoch FROM now() - created_at))
            FILTER (WHERE state = 'waiting'), 0)::float8,
        count(*) FILTER (WHERE state = 'dead'),
        coalesce((array_agg(said ORDER BY seq DESC) FILTER (WHERE said <> ''))[1], '')
    FROM (SELECT *, CASE WHEN user_id IS NULL THEN target ELSE 'traders' END AS whom,
            CASE WHEN user_id IS NULL THEN reason
                ELSE regexp_replace(reason, '\\S+@\\S+', '...', 'g') END AS said
        FROM alert_outbox) AS one
    WHERE state = 'waiting' OR (state = 'dead' AND finished_at > now() - interval '1 day')
    GROUP BY kind, whom ORDER BY kind, whom"""
_NEW_SILENCE = """SELECT nextval(pg_get_serial_sequence('alert_silences', 'id')), now()"""
_ADD_SILENCE = sql.SQL("""INSERT INTO alert_silences ({silence}) OVERRIDING SYSTEM VALUE
    VALUES (%s, %s, %s, %s, %s, %s)""").format(silence=rows.SILENCE)
_END_SILENCE = """UPDATE alert_silences SET ends_at = now()
    WHERE id = %(id)s AND ends_at > now() RETURNING id"""
_TIDY = (
    "DELETE FROM alert_events WHERE at < now() - make_interval(days => %(events)s)",
    """DELETE FROM alert_outbox WHERE finished_at < now() - make_interval(days => %(messages)s)
        AND opened_id NOT IN (SELECT opened_id FROM alert_told)""",
    "DELETE FROM alert_silences WHERE ends_at < now() - make_interval(days => %(events)s)",
    "DELETE FROM alert_spools WHERE adopted_at < now() - make_interval(days => %(messages)s)",
    """DELETE FROM alerts WHERE state <> 'firing'
        AND evaluated_at < now() - make_interval(days => %(messages)s)""",
)


class PostgresAlerts:
    """The tables alert_*."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def lead(self, holder: str, seconds: float) -> datetime | None:
        with self._transaction() as cursor:
            cursor.execute(_LEAD, {"holder": holder, "seconds": seconds})
            row = cursor.fetchone()
            return row[0] if row else None

    def turn(self, holder: str, decide: Callable[[Book, datetime], Changes]) -> Changes | None:
        with self._transaction() as cursor:
            cursor.execute(_LEADS, {"holder": holder})
            leads, now = cursor.fetchone() or (False, None)
            if not leads:
                return None
            book = _book(cursor)
            changes = decide(book, now)
            _keep(cursor, book.told, changes)
            return changes

    def adopt(self, spooled: Spooled) -> bool:
        with self._transaction() as cursor:
            cursor.execute(_LOCK)
            [(now,)] = cursor.fetchall()
            cursor.execute(_NEW_SPOOL, {"session": spooled.session})
            if cursor.fetchone() is None:
                return False
            _adopt(cursor, spooled, now)
            return True

    def book(self) -> tuple[Book, datetime]:
        def ask(link: Connection) -> tuple[Book, datetime]:
            with link.cursor() as cursor:
                cursor.execute("SELECT now()")
                [(now,)] = cursor.fetchall()
                return _book(cursor), now

        return self._read(ask)

    def events(self, since: datetime, limit: int) -> Sequence[Event]:
        return [rows.event_of(row) for row in self._rows(_EVENTS, {"since": since, "limit": limit})]

    def queue(self) -> Sequence[QueueState]:
        return [
            QueueState(Destination(kind, target), waiting, oldest, dead, said)
            for kind, target, waiting, oldest, dead, said in self._rows(_QUEUE, {})
        ]

    def add_silence(
        self, silence: Callable[[str, datetime], Silence], event: Callable[[Silence], AuditEvent]
    ) -> Silence:
        with self._transaction() as cursor:
            cursor.execute(_NEW_SILENCE)
            [(number, now)] = cursor.fetchall()
            made = silence(str(number), now)
            values = (number, made.text, made.author, made.reason, made.starts_at, made.ends_at)
            cursor.execute(_ADD_SILENCE, values)
            append(cursor, event(made))
            return made

    def end_silence(self, silence_id: str, event: AuditEvent) -> bool:
        if not silence_id.isascii() or not silence_id.isdigit() or len(silence_id) > 18:
            return False
        with self._transaction() as cursor:
            cursor.execute(_END_SILENCE, {"id": int(silence_id)})
            if cursor.fetchone() is None:
                return False
            append(cursor, event)
            return True

    def tidy(self) -> None:
        for statement in _TIDY:
            with self._transaction() as cursor:
                cursor.execute(statement, {"events": EVENT_DAYS, "messages": MESSAGE_DAYS})

    @contextmanager
    def _transaction(self) -> Iterator[Cursor]:
        with one_failure():
            with self._database.transaction(timeout_seconds=TIMEOUT_SECONDS) as link:
                with link.cursor() as cursor:
                    yield cursor

    def _read(self, ask: Callable[[Connection], Result]) -> Result:
        with one_failure():
            return self._database.read(ask, timeout_seconds=TIMEOUT_SECONDS)

    def _rows(self, statement: Statement, values: dict[str, Any]) -> list[rows.Row]:
        def ask(link: Connection) -> list[rows.Row]:
            with link.cursor() as cursor:
                cursor.execute(statement, values)
                return cursor.fetchall()

        return self._read(ask)


@contextmanager
def one_failure() -> Iterator[None]:
    """Whatever keeps the engine from the database is one and the same to it: a server that is away,
    read-only, full, or of another schema. It goes on alone then, and says why."""
    try:
        yield
    except psycopg2.Error as error:
        raise DatabaseUnavailable(
            f"the database refuses what alerts need: {reason(error)}"
        ) from error


def _book(cursor: Cursor) -> Book:
    def found(statement: Statement) -> list[rows.Row]:
        cursor.execute(statement, {"stuck": STUCK_SECONDS})
        return cursor.fetchall()

    alerts = map(rows.alert_of, found(_ALERTS))
    return Book(
        alerts={one.key: one for one in alerts},
        told=tuple(map(rows.told_of, found(_TOLD))),
        silences=tuple(map(rows.silence_of, found(_SILENCES))),
        waiting=frozenset(
            (key, Destination(kind, target)) for key, kind, target in found(_WAITING)
        ),
        troubles=tuple(
            Trouble(Destination(kind, target), lost, waiting, said)
            for kind, target, lost, waiting, said in found(_TROUBLES)
        ),
    )


def _keep(cursor: Cursor, told_before: Sequence[Told], changes: Changes) -> None:
    _several(cursor, _KEEP_ALERT, map(rows.alert_row, changes.alerts))
    before = {(one.key, one.destination): one for one in told_before}
    after = {(one.key, one.destination): one for one in changes.told}
    gone = [one for place, one in before.items() if place not in after]
    new = [one for place, one in after.items() if before.get(place) != one]
    _several(cursor, _FORGET_TOLD, (rows.told_row(one)[:3] for one in gone))
    _several(cursor, _KEEP_TOLD, map(rows.told_row, new))
    _several(cursor, _KEEP_MESSAGE, map(rows.message_row, changes.messages))
    _several(cursor, _KEEP_EVENT, map(rows.event_row, changes.events))


def _adopt(cursor: Cursor, spooled: Spooled, now: datetime) -> None:
    sent = spooled.messages
    alerts, told = handed_in(spooled.alerts.values(), spooled.told, now)
    _several(cursor, _KEEP_ALERT, map(rows.alert_row, alerts))
    _several(cursor, _FORGET_TOLD, _places(one for one in sent if one.queued.message.resolved))
    _several(cursor, _TOLD_DIRECTLY, _places(one for one in sent if one.state == "delivered"))
    _several(cursor, _KEEP_TOLD, map(rows.told_row, told))
    template = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::timestamptz, %s, %s)"
    _several(cursor, _ADOPT_MESSAGE, map(rows.kept_row, spooled.messages), template)
    _several(cursor, _KEEP_EVENT, map(rows.event_row, spooled.events))


def _places(kept: Iterable[Kept]) -> set[tuple[str, str, str]]:
    """Keys and receivers of messages."""
    queued = [one.queued for one in kept]
    return {(one.message.key, one.destination.kind, one.destination.target) for one in queued}


def _several(
    cursor: Cursor,
    statement: Statement,
    given: Iterable[Sequence[Any]],
    template: str | None = None,
) -> None:
    values = list(given)
    if values:
        execute_values(cursor, statement, values, template, page_size=len(values))
