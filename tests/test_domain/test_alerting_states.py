"""What an alert is after an evaluation: every state, and how long each takes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mltrading.domain.alerting.rules import Condition, dedup_key, rule
from mltrading.domain.alerting.states import (
    LONGEST_GAP_SECONDS,
    Alert,
    Finding,
    State,
    Value,
    advance,
    withdrawn,
)

pytestmark = pytest.mark.smoke

START = datetime(2026, 3, 2, 12, tzinfo=UTC)
CRITICAL = rule("ErrorRateHigh", "critical", Condition("error_rate", True, 0.05))
WARNING = rule("MemoryHigh", "warning", Condition("memory", True, 0.8))
APP = rule("AppDown", "critical", Condition("app_down"))
T, F, N, E = Value.TRUE, Value.FALSE, Value.NODATA, Value.ERROR


def evaluated(rule_: object, *steps: tuple[float, Value]) -> Alert:
    """The alert after evaluations at so many seconds after the start."""
    alert = Alert("key", rule_.name, (), rule_.severity)  # type: ignore[attr-defined]
    for at, value in steps:
        moment = START + timedelta(seconds=at)
        alert = advance(alert, rule_, Finding(value, f"said at {at:g}"), moment)  # type: ignore
    return alert


def every_15(value: Value, since: float, until: float) -> list[tuple[float, Value]]:
    return [(at, value) for at in range(int(since), int(until) + 1, 15)]


def test_critical_fires_at_the_first_evaluation_that_finds_it_true() -> None:
    alert = evaluated(CRITICAL, (0, F), (15, T))
    assert (alert.state, alert.fired_at) == (State.FIRING, START + timedelta(seconds=15))
    assert alert.said == "said at 15"


def test_a_warning_fires_after_15_minutes_of_nothing_but_true() -> None:
    assert evaluated(WARNING, *every_15(T, 0, 885)).state is State.PENDING
    alert = evaluated(WARNING, *every_15(T, 0, 900))
    assert (alert.state, alert.pending_since) == (State.FIRING, START)


@pytest.mark.parametrize("value", [F, N])
def test_one_that_is_not_true_begins_the_15_minutes_anew(value: Value) -> None:
    alert = evaluated(WARNING, *every_15(T, 0, 885), (900, value), *every_15(T, 915, 1800))
    assert (alert.state, alert.pending_since) == (State.PENDING, START + timedelta(seconds=915))
    assert evaluated(WARNING, (0, T), (15, value)).state is (
        State.INACTIVE if value is F else State.NODATA
    )


@pytest.mark.parametrize(
    ("gap", "state"),
    [(LONGEST_GAP_SECONDS, State.FIRING), (LONGEST_GAP_SECONDS + 1, State.PENDING)],
)
def test_a_gap_of_evaluation_is_forgiven_up_to_5_minutes(gap: float, state: State) -> None:
    alert = evaluated(WARNING, *every_15(T, 0, 600), (600 + gap, T))
    assert alert.state is state
    if state is State.PENDING:
        assert alert.pending_since == START + timedelta(seconds=600 + gap)


def test_a_clock_set_forward_or_back_by_hours_fires_nothing_early_and_delays_nothing_for_ever() -> (
    None
):
    ahead = evaluated(WARNING, *every_15(T, 0, 300), (7500, T))
    assert (ahead.state, ahead.pending_since) == (State.PENDING, START + timedelta(seconds=7500))
    back = evaluated(WARNING, *every_15(T, 7200, 7500), *every_15(T, 315, 1215))
    assert (back.state, back.pending_since) == (State.FIRING, START + timedelta(seconds=315))


def test_an_error_is_a_gap_until_the_third_in_a_row() -> None:
    assert evaluated(WARNING, *every_15(T, 0, 885), (900, E), (915, T)).state is State.FIRING
    twice = evaluated(WARNING, (0, T), (15, E), (30, E))
    assert (twice.state, twice.broken) == (State.PENDING, False)
    thrice = evaluated(WARNING, (0, T), (15, E), (30, E), (45, E))
    assert (thrice.state, thrice.broken, thrice.said) == (State.ERROR, True, "said at 45")
    assert not evaluated(WARNING, (0, E), (15, E), (30, F), (45, E)).broken
    assert evaluated(CRITICAL, (0, F), (15, E)).state is State.ERROR


def test_errors_for_longer_than_a_gap_prove_nothing() -> None:
    steps = [*every_15(T, 0, 300), (500, E), (601, T)]
    assert evaluated(WARNING, *steps).pending_since == START + timedelta(seconds=601)


def test_it_is_over_after_2_minutes_of_nothing_but_false() -> None:
    assert evaluated(CRITICAL, (0, T), *every_15(F, 15, 120)).state is State.FIRING
    alert = evaluated(CRITICAL, (0, T), *every_15(F, 15, 135))
    assert (alert.state, alert.resolved_at) == (State.RESOLVED, START + timedelta(seconds=135))


@pytest.mark.parametrize("value", [T, N, E])
def test_anything_but_false_begins_the_2_minutes_anew(value: Value) -> None:
    steps = [(0, T), *every_15(F, 15, 120), (135, value)]
    assert evaluated(CRITICAL, *steps, *every_15(F, 150, 255)).state is State.FIRING
    assert evaluated(CRITICAL, *steps, *every_15(F, 150, 270)).state is State.RESOLVED


def test_a_long_gap_begins_the_2_minutes_anew() -> None:
    assert evaluated(CRITICAL, (0, T), (15, F), (400, F)).state is State.FIRING
    assert evaluated(CRITICAL, (0, T), (15, F), (400, F), (520, F)).state is State.RESOLVED


@pytest.mark.parametrize("value", [N, E])
def test_what_fires_goes_on_while_nothing_is_known(value: Value) -> None:
    alert = evaluated(CRITICAL, (0, T), *every_15(value, 15, 3600))
    assert (alert.state, alert.fired_at) == (State.FIRING, START)


def test_no_data_of_app_down_fires_and_of_nothing_else() -> None:
    assert evaluated(APP, (0, N)).state is State.FIRING
    assert evaluated(CRITICAL, (0, N)).state is State.NODATA
    assert evaluated(CRITICAL, (0, N), (15, F)).state is State.INACTIVE
    assert evaluated(CRITICAL, (0, N), (15, T)).state is State.FIRING


def test_a_second_incident_begins_afresh() -> None:
    over = evaluated(CRITICAL, (0, T), *every_15(F, 15, 135), (150, F))
    assert over.state is State.RESOLVED
    again = evaluated(CRITICAL, (0, T), *every_15(F, 15, 135), (150, T))
    assert (again.state, again.fired_at) == (State.FIRING, START + timedelta(seconds=150))
    assert again.resolved_at is None


def test_a_rule_taken_out_of_the_file_ends_its_incident() -> None:
    alert = evaluated(CRITICAL, (0, T))
    gone = withdrawn(alert, START + timedelta(seconds=15))
    assert (gone.state, gone.said) == (State.RESOLVED, "its rule was taken out of alerting.yml")
    assert withdrawn(gone, START + timedelta(seconds=30)) == gone
    pending = evaluated(WARNING, (0, T))
    assert withdrawn(pending, START).state is State.INACTIVE


def test_the_identity_is_that_which_incidents_elsewhere_were_opened_with() -> None:
    """Another one would leave every incident open at PagerDuty, and open a second."""
    text = "production|DeliveryFailed|a=1|channel=slack #x"
    key = dedup_key("production", "DeliveryFailed", (("channel", "slack #x"), ("a", "1")))
    assert key == hashlib.sha256(text.encode()).hexdigest()


def test_severity_is_no_part_of_the_identity_and_a_change_of_it_reaches_the_alert() -> None:
    assert dedup_key("production", "A", (("a", "1"), ("b", "2"))) == dedup_key(
        "production", "A", (("b", "2"), ("a", "1"))
    )
    keys = {
        dedup_key(*words)
        for words in [
            ("production", "A", ()),
            ("staging", "A", ()),
            ("production", "B", ()),
            ("production", "A", (("a", "1"),)),
        ]
    }
    assert len(keys) == 4
    assert all(len(key) == 64 for key in keys)
    alert = evaluated(CRITICAL, (0, T))
    milder = advance(
        alert, replace(CRITICAL, severity="warning"), Finding(T), START + timedelta(seconds=15)
    )
    assert (milder.key, milder.severity, milder.open) == (alert.key, "warning", True)
