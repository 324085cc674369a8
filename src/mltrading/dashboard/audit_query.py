"""What an address asks of the audit trail, for the page and for the file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from mltrading.errors import InvalidView
from mltrading.services.ports.audit import OUTCOMES, AuditQuery


def read_query(query: Mapping[str, str]) -> AuditQuery:
    """What an address asks for; days are of UTC, the last one included. InvalidView says which
    part is wrong."""
    outcome = query.get("outcome", "")
    if outcome and outcome not in OUTCOMES:
        raise InvalidView(f"outcome must be one of {', '.join(OUTCOMES)}, not '{outcome[:20]}'")
    page = query.get("page", "1")
    if not page.isascii() or not page.isdigit() or not 1 <= int(page[:6]) <= 99_999:
        raise InvalidView(f"page must be a number from 1, not '{page[:20]}'")
    until = _day(query.get("until", ""), "until")
    return AuditQuery(
        text=query.get("text", ""),
        action=query.get("action", ""),
        actor=query.get("who", ""),
        outcome=outcome,
        since=_day(query.get("since", ""), "since"),
        until=until and until + timedelta(days=1),
        page=int(page),
    )


def _day(text: str, name: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise InvalidView(f"{name} must be a day such as 2026-12-31, not '{text[:20]}'") from None
