"""Traders' alerts as rows of their tables, and back."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from psycopg2 import sql

from mltrading.adapters.postgres.symbols import SYMBOL, SYMBOL_FIELDS
from mltrading.adapters.postgres.tables import moment, when
from mltrading.domain.access import DEVELOPER, Permission, Role
from mltrading.domain.bars import Interval, Symbol
from mltrading.domain.price_alerts.brake import Brake, Told
from mltrading.domain.price_alerts.conditions import parse_condition
from mltrading.services.ports.price_alerts import PriceAlert, Wish

SEES_ALL = [role.value for role in Role if Permission.VIEW_ALL_DATA in role.permissions]
"""Roles that need no symbol to be shared."""
NOBODY = DEVELOPER.id
"""The owner where nobody signs in."""

log = logging.getLogger(__name__)

ALERT = sql.SQL(
    "{symbol}, one.id, owner, coalesce(users.email, ''), one.interval, condition,"
    " cooldown_seconds, daily_cap, by_email, switched_on, seen_ts, told_at, told_day, told_count"
).format(symbol=SYMBOL)
FIELDS = SYMBOL_FIELDS + 13

HOLDS = sql.SQL("""one.switched_on AND CASE WHEN one.user_id IS NULL THEN %(developer)s
    ELSE (SELECT users.disabled_at IS NULL AND (users.role = ANY (%(sees_all)s) OR EXISTS (
            SELECT FROM shared_symbols WHERE shared_symbols.symbol_id = one.symbol_id))
        FROM users WHERE users.id = one.user_id) END""")
"""Whether an alert (`one`) is judged: it is on, and its owner may sign in and see the symbol."""


def read(row: Sequence[Any]) -> PriceAlert | None:
    """None where a later release wrote what this one does not know: it is left as it is."""
    id_, owner, email, interval, condition, cooldown, cap, by_email, on, seen, at, day, count = row[
        SYMBOL_FIELDS:FIELDS
    ]
    try:
        wish = Wish(Interval(interval), parse_condition(condition), Brake(cooldown, cap), by_email)
    except ValueError as error:
        log.warning("alert %s of a trader can not be read: %s", id_, error)
        return None
    told = Told(None if at is None else moment(at), day, count)
    symbol = Symbol(*row[:SYMBOL_FIELDS])
    return PriceAlert(
        id_, owner, symbol, wish, on, None if seen is None else moment(seen), told, email
    )


def wish_values(wish: Wish, seen: int | None) -> dict[str, Any]:
    return {
        "interval": wish.interval.value,
        "condition": str(wish.condition),
        "cooldown": wish.brake.cooldown_seconds,
        "cap": wish.brake.daily_cap,
        "by_email": wish.by_email,
        "seen": None if seen is None else when(seen),
    }
