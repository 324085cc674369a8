"""The audit trail: each row's hash covers the row and the hash before it."""

from __future__ import annotations

import hashlib
import json

from psycopg2.extensions import cursor as Cursor

from mltrading.adapters.postgres.pool import Database
from mltrading.services.ports.audit import AuditEvent
from mltrading.utils.text import one_line

_HEAD = "SELECT seq, hash, clock_timestamp() FROM audit_head WHERE id = 1 FOR UPDATE"
_INSERT = """INSERT INTO audit (seq, at, actor, action, outcome, target, details, hash)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"""
_ORIGIN = "INSERT INTO audit_origins (seq, address, browser) VALUES (%s, %s, %s)"
_MOVE = "UPDATE audit_head SET seq = %s, hash = %s WHERE id = 1"
LONGEST_BROWSER = 200


def append(cursor: Cursor, event: AuditEvent) -> None:
    """Append the event in the transaction of `cursor`, whose last act it should be."""
    cursor.execute(_HEAD)
    [(seq, before, at)] = cursor.fetchall()
    details = json.dumps(dict(event.details), sort_keys=True)
    row = (seq + 1, at, event.actor, event.action, event.outcome, event.target, details)
    told = json.dumps([str(part) for part in row]).encode()
    after = hashlib.sha256(bytes(before) + told).digest()
    cursor.execute(_INSERT, (*row, after))
    origin = (one_line(event.origin.address), one_line(event.origin.browser)[:LONGEST_BROWSER])
    if any(origin):
        cursor.execute(_ORIGIN, (seq + 1, *origin))
    cursor.execute(_MOVE, (seq + 1, after))


class PostgresAudit:
    """The port services.ports.audit.AuditTrail."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, event: AuditEvent) -> None:
        with self._database.transaction() as connection, connection.cursor() as cursor:
            append(cursor, event)
