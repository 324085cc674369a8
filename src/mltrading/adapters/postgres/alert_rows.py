"""Records of the alert engine as rows of its tables, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from psycopg2 import sql

from mltrading.domain.alerting.notices import Queued, Told
from mltrading.domain.alerting.rules import Labels
from mltrading.domain.alerting.silences import Silence, parse_matchers
from mltrading.domain.alerting.states import Alert, State
from mltrading.domain.alerting.turns import Event
from mltrading.services.ports.alerts import Kept
from mltrading.utils.message import Destination, Message

Row = tuple[Any, ...]

ALERT = sql.SQL("""key, rule, labels, severity, state, said, pending_since, evaluated_at, true_at,
    false_since, fired_at, resolved_at, errors, muted_by""")
TOLD = sql.SQL("key, kind, target, at, opened_id")
EVENT = sql.SQL("at, key, rule, labels, severity, what, said")
MESSAGE = sql.SQL("id, kind, target, key, opened_id, severity, title, text, link, resolved")
SILENCE = sql.SQL("id, matchers, author, reason, starts_at, ends_at")


def labels_text(labels: Labels) -> str:
    return json.dumps(dict(labels), sort_keys=True, ensure_ascii=False)


def labels_of(text: str) -> Labels:
    return tuple(sorted(json.loads(text).items()))


def alert_row(one: Alert) -> Row:
    return (
        *(one.key, one.rule, labels_text(one.labels), one.severity, one.state.value, one.said),
        *(one.pending_since, one.evaluated_at, one.true_at, one.false_since),
        *(one.fired_at, one.resolved_at, one.errors, one.muted_by),
    )


def alert_of(row: Row) -> Alert:
    key, rule, labels, severity, state, *rest = row
    return Alert(key, rule, labels_of(labels), severity, State(state), *rest)


def told_row(one: Told) -> Row:
    return one.key, one.destination.kind, one.destination.target, one.at, one.opened_id


def told_of(row: Row) -> Told:
    key, kind, target, at, opened_id = row
    return Told(key, Destination(kind, target), at, opened_id)


def event_row(one: Event) -> Row:
    labels = labels_text(one.labels)
    return one.at, one.key, one.rule, labels, one.severity, one.what, one.said


def event_of(row: Row) -> Event:
    at, key, rule, labels, *rest = row
    return Event(at, key, rule, labels_of(labels), *rest)


def message_row(one: Queued) -> Row:
    message = one.message
    return (
        *(message.id, one.destination.kind, one.destination.target, message.key, one.opened_id),
        *(message.severity, message.title, message.text, message.link, message.resolved),
    )


def queued_of(row: Sequence[Any]) -> Queued:
    id_, kind, target, key, opened_id, severity, title, text, link, resolved = row
    message = Message(severity, title, text, key, link, resolved, id_)
    return Queued(Destination(kind, target), message, opened_id)


def kept_row(one: Kept) -> Row:
    done = one.state != "waiting"
    return (*message_row(one.queued), one.state, one.attempts, one.queued_at, done, one.reason)


def silence_of(row: Row) -> Silence:
    id_, matchers, *rest = row
    return Silence(str(id_), parse_matchers(matchers), *rest)
