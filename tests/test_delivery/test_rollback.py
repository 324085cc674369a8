"""Back to what worked, by one command."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.deployer import Release
from delivery.errors import DeliveryError, Refused
from delivery.history import is_rollback, named, previous, rolled_back, same, shown
from delivery.promote import promote
from delivery.rollback import roll_back
from tests.test_delivery.fake_server import Fault
from tests.test_delivery.heroku_stage import LIVE, NEW, OLD, Crash, Stage, stage

MOST_CALLS = 60


@pytest.fixture
def on() -> Iterator[Stage]:
    with stage() as one:
        yield one


def test_production_goes_back_to_the_release_before_and_people_are_told(on: Stage) -> None:
    restored = roll_back(on.delivery(), "production")
    assert (on.runs("production"), restored.label) == (OLD, "v4")
    assert on.versions("production")[-1] == "v4 Rollback to v2 succeeded"
    assert on.pages[0][:2] == (
        "over",
        f"Rollback: production runs v2 ({OLD[:12]}) again, as v4, and works",
    )


def test_it_takes_less_than_a_minute_where_the_platform_does_its_part_at_once(on: Stage) -> None:
    """By the clock of the fake, whose release phase and processes are up at the second look."""
    production = on.world.apps["mltrading-prod"]
    production.formation["web"] = (1, "Standard-1X")
    production.features["preboot"] = True
    roll_back(on.delivery(), "production")
    assert on.time.now < 60


def test_a_release_can_be_named_and_an_unknown_one_says_which_there_are(on: Stage) -> None:
    roll_back(on.delivery(), "production", "v3")
    assert on.versions("production")[-1] == f"v3 Deploy {LIVE[:8]} succeeded"
    roll_back(on.delivery(), "production", "2")
    assert on.runs("production") == OLD
    with pytest.raises(DeliveryError, match=r"no release 'v99'; known: v4 .*, v3 .*, v2 "):
        roll_back(on.delivery(), "production", "v99")


def test_run_twice_it_goes_back_once(on: Stage) -> None:
    promote(on.delivery(), NEW)
    roll_back(on.delivery(), "production")
    on.fake.calls.clear()
    roll_back(on.delivery(), "production")
    assert on.runs("production") == LIVE
    assert on.fake.changes() == []


def test_what_was_rolled_back_before_is_not_gone_back_to(on: Stage) -> None:
    """v2 OLD, v3 LIVE, v4 NEW, v5 Rollback to v3, v6 a setting, v7 another commit: back to LIVE."""
    promote(on.delivery(), NEW)
    roll_back(on.delivery(), "production")
    production = on.world.apps["mltrading-prod"]
    on.world.release(production, production.current.slug, "Set A config vars", at_once=True)
    on.world.release(production, on.world.slug("b" * 40), "Deploy bbbb", at_once=True)
    roll_back(on.delivery(), "production")
    assert on.runs("production") == LIVE


def test_with_nothing_to_go_back_to_nothing_is_changed() -> None:
    with stage({"mltrading-prod": [LIVE]}) as on:
        with pytest.raises(Refused, match="no other release that worked is known"):
            roll_back(on.delivery(), "production")
        with pytest.raises(Refused, match="green never ran a release"):
            roll_back(on.delivery(), "green")
        assert on.fake.changes() == []


def test_a_release_that_does_not_work_either_pages_and_names_the_others(on: Stage) -> None:
    on.world.apps["mltrading-prod"].bad_commits.add(OLD)
    with pytest.raises(DeliveryError, match="failed.*not healthy; other releases: v3 .* v2"):
        roll_back(on.delivery(), "production")
    assert on.pages[0][0] == "critical"


def test_a_crash_after_any_call_and_a_second_run_go_back_once() -> None:
    for calls in range(1, MOST_CALLS):
        with stage() as on:
            try:
                roll_back(on.delivery(crash_after=calls), "production")
            except Crash:
                roll_back(on.delivery(), "production")
            else:
                assert calls > 8
                return
            assert on.runs("production") == OLD, f"crashed after call {calls}"
            assert len(on.versions("production")) == 4, f"crashed after call {calls}"
    pytest.fail(f"a rollback takes more than {MOST_CALLS} calls")


@pytest.mark.parametrize("fault", ["500", "503 page", "429", "silent", "lost", "cut"])
def test_trouble_at_any_single_call_is_ridden_out(fault: Fault) -> None:
    for call in range(1, MOST_CALLS):
        with stage() as on:
            on.fake.faults[call] = fault
            roll_back(on.delivery(), "production")
            assert on.runs("production") == OLD, f"{fault} at call {call}"
            assert len(on.versions("production")) == 4
            if call > len(on.fake.calls):
                return
    pytest.fail(f"a rollback takes more than {MOST_CALLS} calls")


def test_preboot_that_can_not_be_switched_does_not_stop_a_rollback(on: Stage) -> None:
    """The feature's three calls stay broken; visitors see the old code some minutes later."""
    production = on.world.apps["mltrading-prod"]
    production.formation["web"] = (1, "Standard-1X")
    production.features["preboot"] = True
    roll_back(on.delivery(), "production")  # which call is the feature's
    first = on.fake.calls.index(("GET", "/apps/mltrading-prod/features/preboot")) + 1
    with stage() as other:
        other.fake.faults = dict.fromkeys(range(first, first + 5), "500")
        roll_back(other.delivery(), "production")
        assert other.runs("production") == OLD
        assert any("may take three minutes" in line for line in other.lines)


# What the past tells, for any past.

MOMENT = datetime(2026, 11, 20, tzinfo=timezone.utc)
WORDS = st.sampled_from(["Deploy", "Promote x", "Rollback to v1", "rollback", "Set A config vars"])


@st.composite
def pasts(draw: st.DrawFn) -> list[Release]:
    """The newest first."""
    rows = draw(st.lists(st.tuples(st.sampled_from("abcd"), WORDS), max_size=12))
    commits = {"a": "1" * 40, "b": "2" * 40, "c": None, "d": "1" * 40}  # a and d: built twice
    return [
        Release(f"id{number}", f"v{number}", slug, commits[slug], MOMENT, words)
        for number, (slug, words) in reversed(list(enumerate(rows, 1)))
    ]


@given(pasts())
def test_the_way_back_is_another_artefact_that_was_not_rolled_back(past: list[Release]) -> None:
    if not past:
        return
    back = previous(past, past[0])
    others = [one for one in past if not same(one, past[0])]
    if back is None:
        assert all(rolled_back(past, one) is not None for one in others)
    else:
        assert back in others and rolled_back(past, back) is None
        newer = others[: others.index(back)]
        assert all(rolled_back(past, one) is not None for one in newer)


@given(pasts())
def test_a_release_counts_as_rolled_back_only_while_a_rollback_is_what_followed_it(
    past: list[Release],
) -> None:
    for candidate in past:
        found = rolled_back(past, candidate)
        newest = next(number for number, one in enumerate(past) if same(one, candidate))
        expected = newest > 0 and is_rollback(past[newest - 1])
        assert (found is not None) == expected
        assert found is None or same(found, candidate)


@given(pasts(), st.text(max_size=5))
def test_a_label_finds_its_release_or_says_what_there_is(past: list[Release], label: str) -> None:
    try:
        found = named(past, label)
    except DeliveryError as error:
        assert all(label != one.label for one in past)
        assert str(error).isprintable()
    else:
        assert label in (found.label, found.id, found.label[1:])


def test_a_release_is_shown_with_its_commit_where_it_is_known() -> None:
    release = Release("i", "v3", "s", "1" * 40, MOMENT + timedelta(1), "Deploy")
    assert shown(release) == "v3 (111111111111)"
    assert shown(Release("i", "v3", "s", None, MOMENT, "")) == "v3"
