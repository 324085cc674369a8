"""Whether the audit trail is whole: every row is hashed again, from the first to the last.

The bytes of a row are its fields, each written as `<length in bytes>:<UTF-8>,` (a netstring), in
this order: number, time (UTC, `2026-03-02T12:00:00.000000Z`), actor, action, outcome, target,
details. A row's hash is the SHA-256 of the hash before it, written as such a field too, followed
by the bytes of the row. The hash before the first row is of length 0. The database hashes by the
same rule (audit_append in migration 0004); here it is done once more, by other code.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mltrading.services.ports.audit import PRUNED, TrailHead, TrailRow, TrailState

Fault = Literal["edited", "missing", "cut off", "head", "start", "rewritten"]
Comparison = Literal["same", "given up"]


@dataclass(frozen=True, slots=True)
class Broken:
    """The first thing that is wrong: at which row, of which kind, in a sentence."""

    seq: int
    fault: Fault
    text: str


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """`events` rows, up to `head`, were looked at; `broken` None: the trail is whole. `compared`
    tells of each head kept elsewhere whether the trail still holds it, or gave it up by rule; of
    none where the trail is broken."""

    events: int
    head: TrailHead
    broken: Broken | None = None
    compared: Mapping[str, Comparison] = field(default_factory=dict)


def row_bytes(row: TrailRow) -> bytes:
    """What of a row is hashed; no two different rows give the same bytes."""
    fields = (str(row.seq), row.at, row.actor, row.action, row.outcome, row.target, row.details)
    return b"".join(_field(text.encode()) for text in fields)


def next_hash(before: str, row: TrailRow) -> str:
    """The hash that a row must have after the hash `before` (both hexadecimal)."""
    return hashlib.sha256(_field(bytes.fromhex(before)) + row_bytes(row)).hexdigest()


def _field(content: bytes) -> bytes:
    return b"%d:%b," % (len(content), content)


def judge(
    state: TrailState, rows: Iterable[TrailRow], kept: Mapping[str, TrailHead]
) -> AuditVerdict:
    """Follow the rows from the trail's start. `kept` are heads that were kept elsewhere, by what
    keeps them."""
    newest, events, told = state.start, 0, not state.start.seq
    for row in rows:
        broken = _fault_of(row, newest) or _rewritten(row, kept)
        if broken is not None:
            return AuditVerdict(events, newest, broken)
        newest, events = TrailHead(row.seq, row.hash), events + 1
        told = told or (row.action == PRUNED and _given_up(row.details) == state.start)
    broken = _fault_of_ends(state, newest, kept) or (None if told else _untold(state.start))
    compared = {} if broken else _compared(state.start, kept)
    return AuditVerdict(events, newest, broken, compared)


def _fault_of(row: TrailRow, before: TrailHead) -> Broken | None:
    if row.seq <= before.seq:
        return Broken(
            row.seq, "start", f"row {row.seq} is there, but the trail begins after {before.seq}"
        )
    if row.seq > before.seq + 1:
        return Broken(before.seq + 1, "missing", f"{_rows(before.seq + 1, row.seq - 1)} missing")
    if row.hash != next_hash(before.hash, row):
        return Broken(
            row.seq, "edited", f"row {row.seq} does not fit its hash: somebody changed it"
        )
    return None


def _rewritten(row: TrailRow, kept: Mapping[str, TrailHead]) -> Broken | None:
    for keeper, head in kept.items():
        if head.seq == row.seq and head.hash != row.hash:
            return Broken(
                row.seq,
                "rewritten",
                f"row {row.seq} is not the one that {keeper} knows: it or rows before it were"
                " changed, and all hashes from there on made anew",
            )
    return None


def _fault_of_ends(
    state: TrailState, newest: TrailHead, kept: Mapping[str, TrailHead]
) -> Broken | None:
    """What is wrong although all rows that are there follow one another."""
    ends = {"the database's own note of the newest row": state.head, **kept}
    keeper, last = max(ends.items(), key=lambda end: end[1].seq)
    if last.seq > newest.seq:
        return Broken(
            newest.seq + 1,
            "cut off",
            f"{_rows(newest.seq + 1, last.seq)} missing at the end: {keeper} knows row {last.seq}",
        )
    if state.head != newest:
        return Broken(
            newest.seq,
            "head",
            f"the note of the newest row was changed: it says {state.head}, the rows end with"
            f" {newest}",
        )
    return _changed_start(state.start, kept)


def _changed_start(start: TrailHead, kept: Mapping[str, TrailHead]) -> Broken | None:
    for keeper, head in kept.items():
        if head.seq == start.seq and head.hash != start.hash:
            return Broken(
                start.seq, "rewritten", f"row {start.seq} was not the one that {keeper} knows"
            )
    return None


def _compared(start: TrailHead, kept: Mapping[str, TrailHead]) -> dict[str, Comparison]:
    return {keeper: "given up" if head.seq < start.seq else "same" for keeper, head in kept.items()}


def _untold(start: TrailHead) -> Broken:
    return Broken(
        start.seq,
        "start",
        f"{_rows(1, start.seq)} missing, and no row tells that they were given up",
    )


def _given_up(details: str) -> TrailHead | None:
    """What a row of the action PRUNED tells: the last row that was given up."""
    try:
        told = json.loads(details)
        return TrailHead(int(told["seq"]), told["hash"])
    except (ValueError, KeyError, TypeError):
        return None  # not written by this program


def _rows(first: int, last: int) -> str:
    return f"row {first:,} is" if first == last else f"rows {first:,} to {last:,} are"
