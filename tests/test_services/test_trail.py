"""Whether a trail is whole: the bytes of a row, and every way of tampering named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltrading.services.ports.audit import PRUNED, TrailHead, TrailRow, TrailState
from mltrading.services.trail import judge, next_hash, row_bytes
from tests.trails import AT, chained, head_of, make_trail

pytestmark = pytest.mark.smoke

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
# Of few letters, which are those of the encoding itself: what could be taken for something else.
tricky = st.text("0123:,", max_size=8)
field = text | tricky
rows = st.builds(
    TrailRow, st.integers(0, 2**63 - 1), field, field, field, field, field, field, st.just("")
)


@given(rows, rows)
def test_no_two_different_rows_give_the_same_bytes(one: TrailRow, other: TrailRow) -> None:
    assert (row_bytes(one) == row_bytes(other)) == (one == other)


@given(rows, st.integers(0, 5), st.integers(0, 5), st.data())
def test_text_moved_from_one_field_to_another_gives_other_bytes(
    row: TrailRow, taker: int, giver: int, data: st.DataObject
) -> None:
    names = ("at", "actor", "action", "outcome", "target", "details")
    given_away = getattr(row, names[giver])
    cut = data.draw(st.integers(0, len(given_away)))
    moved = replace(row, **{names[giver]: given_away[:cut]})
    moved = replace(moved, **{names[taker]: getattr(moved, names[taker]) + given_away[cut:]})
    assert (row_bytes(moved) == row_bytes(row)) == (moved == row)


@given(rows, st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_the_hash_before_counts(row: TrailRow, one: bytes, other: bytes) -> None:
    same = next_hash(one.hex(), row) == next_hash(other.hex(), row)
    assert same == (one == other)
    assert next_hash("", row) != next_hash(one.hex(), row)


def test_the_bytes_are_as_they_are_documented() -> None:
    row = TrailRow(7, AT, "sub", "user.add", "done", "é", '{"a": "b"}', "")
    known = f'1:7,27:{AT},3:sub,8:user.add,4:done,2:é,10:{{"a": "b"}},'.encode()
    assert row_bytes(row) == known
    assert next_hash("", row) == hashlib.sha256(b"0:," + known).hexdigest()
    before = hashlib.sha256(b"before")
    told = hashlib.sha256(b"32:" + before.digest() + b"," + known).hexdigest()
    assert next_hash(before.hexdigest(), row) == told


def state_of(trail: list[TrailRow], start: TrailHead = TrailHead()) -> TrailState:
    return TrailState(start, head_of(trail))


def test_a_whole_trail_is_whole_and_says_with_what_it_was_compared() -> None:
    trail = make_trail(9)
    verdict = judge(state_of(trail), trail, {"digest": head_of(trail[:4]), "file": head_of(trail)})
    assert (verdict.broken, verdict.events, verdict.head) == (None, 9, head_of(trail))
    assert verdict.compared == {"digest": "same", "file": "same"}


def test_an_empty_trail_is_whole() -> None:
    verdict = judge(TrailState(), [], {})
    assert (verdict.broken, verdict.events, verdict.head) == (None, 0, TrailHead())


def edited(trail: list[TrailRow]) -> list[TrailRow]:
    return [replace(row, target="x") if row.seq == 5 else row for row in trail]


def edited_with_its_hash(trail: list[TrailRow]) -> list[TrailRow]:
    bent = replace(trail[4], target="x")
    return [*trail[:4], replace(bent, hash=next_hash(trail[3].hash, bent)), *trail[5:]]


def without(*gone: int) -> Callable[[list[TrailRow]], list[TrailRow]]:
    return lambda trail: [row for row in trail if row.seq not in gone]


def renumbered(trail: list[TrailRow]) -> list[TrailRow]:
    return [replace(row, seq=row.seq - (row.seq > 5)) for row in trail if row.seq != 5]


def swapped(trail: list[TrailRow]) -> list[TrailRow]:
    four, five = replace(trail[4], seq=4), replace(trail[3], seq=5)
    return [*trail[:3], four, five, *trail[5:]]


@pytest.mark.parametrize(
    ("tamper", "seq", "fault", "says"),
    [
        (edited, 5, "edited", "row 5 does not fit its hash"),
        (edited_with_its_hash, 6, "edited", "row 6 does not fit its hash"),
        (without(5), 5, "missing", "row 5 is missing"),
        (without(1, 2), 1, "missing", "rows 1 to 2 are missing"),
        (without(3, 4, 5), 3, "missing", "rows 3 to 5 are missing"),
        (renumbered, 5, "edited", "row 5 does not fit its hash"),
        (swapped, 4, "edited", "row 4 does not fit its hash"),
        (
            without(8, 9),
            8,
            "cut off",
            "rows 8 to 9 are missing at the end: the database's own note",
        ),
        (without(*range(1, 10)), 1, "cut off", "rows 1 to 9 are missing at the end"),
    ],
)
def test_what_was_done_to_rows_is_named(
    tamper: Callable[[list[TrailRow]], list[TrailRow]], seq: int, fault: str, says: str
) -> None:
    trail = make_trail(9)
    broken = judge(state_of(trail), tamper(trail), {}).broken
    assert broken is not None
    assert (broken.seq, broken.fault) == (seq, fault)
    assert says in broken.text


def test_a_trail_that_was_cut_off_with_its_head_is_told_by_one_kept_elsewhere() -> None:
    trail = make_trail(9)
    cut = trail[:6]
    assert judge(state_of(cut), cut, {}).broken is None  # nothing in the database shows it
    verdict = judge(state_of(cut), cut, {"the digest": head_of(trail)})
    assert verdict.broken is not None
    assert (verdict.broken.seq, verdict.broken.fault) == (7, "cut off")
    assert verdict.broken.text == "rows 7 to 9 are missing at the end: the digest knows row 9"
    assert verdict.compared == {}


def test_one_that_was_cut_off_and_grew_again_is_told_too() -> None:
    trail = make_trail(9)
    other = chained([replace(row, actor="x" if row.seq > 6 else row.actor) for row in trail])
    verdict = judge(state_of(other), other, {"the digest": head_of(trail[:8])})
    assert verdict.broken is not None
    assert (verdict.broken.seq, verdict.broken.fault) == (8, "rewritten")
    assert judge(state_of(other), other, {"the digest": head_of(trail[:6])}).broken is None


@pytest.mark.parametrize(
    "head", [TrailHead(8, "ab" * 32), TrailHead(9, "ab" * 32), TrailHead(3, "")]
)
def test_a_rewritten_head_is_named(head: TrailHead) -> None:
    trail = make_trail(9)
    broken = judge(TrailState(TrailHead(), head), trail, {}).broken
    assert broken is not None
    assert (broken.seq, broken.fault) == (9, "head")


def pruned(given_up: int) -> list[TrailRow]:
    """A trail of nine rows whose first were given up, as the last tells."""
    trail = make_trail(8)
    told = f'{{"hash": "{trail[given_up - 1].hash}", "rows": "3", "seq": "{given_up}"}}'
    last = TrailRow(9, AT, "worker", PRUNED, "done", "audit", told, "")
    return chained([*trail[given_up:], last], head_of(trail[:given_up]))


def test_a_beginning_that_was_given_up_by_rule_is_whole() -> None:
    before, trail = make_trail(8), pruned(3)
    kept = {"old": head_of(before[:2]), "at": head_of(before[:3]), "new": head_of(before[:5])}
    verdict = judge(state_of(trail, head_of(before[:3])), trail, kept)
    assert verdict.broken is None
    assert verdict.events == 6
    assert verdict.compared == {"old": "given up", "at": "same", "new": "same"}


def test_a_beginning_that_nobody_gave_up_is_named() -> None:
    trail = make_trail(9)
    broken = judge(state_of(trail, head_of(trail[:3])), trail[3:], {}).broken
    assert broken is not None
    assert broken.fault == "start"
    assert broken.text == "rows 1 to 3 are missing, and no row tells that they were given up"


@pytest.mark.parametrize("details", ["", "[]", '{"seq": "x"}', '{"seq": "3"}', "null"])
def test_a_row_that_pretends_to_give_up_is_none(details: str) -> None:
    trail = make_trail(8)
    last = TrailRow(9, AT, "sub", PRUNED, "done", "audit", details, "")
    made = chained([*trail[3:], last], head_of(trail[:3]))
    broken = judge(state_of(made, head_of(trail[:3])), made, {}).broken
    assert broken is not None
    assert broken.fault == "start"


def test_rows_from_before_the_beginning_are_named() -> None:
    trail = pruned(3)
    back = [make_trail(8)[2], *trail]
    broken = judge(state_of(trail, head_of(make_trail(3))), back, {}).broken
    assert broken is not None
    assert (broken.seq, broken.fault) == (3, "start")


def test_another_beginning_than_the_one_kept_elsewhere_is_named() -> None:
    trail = pruned(3)
    start = head_of(make_trail(3))
    broken = judge(state_of(trail, start), trail, {"the digest": TrailHead(3, "ab" * 32)}).broken
    assert broken is not None
    assert (broken.seq, broken.fault) == (3, "rewritten")
