"""How often a rule would have fired: the same states, on what was recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import pytest

from mltrading.domain.alerting.rules import Condition, Rule, by_name, rule
from mltrading.services.alert_preview import Foreseen, foresee
from mltrading.services.ports.operations import Window
from tests.alerts_made import NOON, make_ruleset

pytestmark = pytest.mark.smoke

RULES = by_name(make_ruleset().rules)
HOUR = timedelta(hours=1)


class Recorded:
    """Samples whose windows are made of the minutes since noon; None where none was kept."""

    def __init__(self, made: Callable[[float], Window | None]) -> None:
        self._made = made
        self.asked: list[int] = []

    def window(self, seconds: int, until: datetime) -> Window:
        raise AssertionError("it reads what was recorded at once")

    def series(
        self, since: datetime, until: datetime, step_seconds: int
    ) -> Sequence[tuple[datetime, Window]]:
        self.asked.append(step_seconds)
        found, at = [], since
        while at < until:
            window = self._made((at - NOON).total_seconds() / 60)
            if window is not None:
                found.append((at, window))
            at += timedelta(seconds=step_seconds)
        return found


def foreseen(one: Rule, made: Callable[[float], Window | None], hours: float = 2) -> Foreseen:
    [found] = foresee([one], Recorded(made), NOON, NOON + hours * HOUR)
    return found


def of_memory(*spans: tuple[float, float]) -> Callable[[float], Window]:
    return lambda minute: Window(
        samples=4,
        memory_share=0.9 if any(low <= minute < high for low, high in spans) else 0.5,
    )


def test_a_warning_counts_only_where_it_was_true_for_15_minutes() -> None:
    found = foreseen(RULES["MemoryHigh"], of_memory((10, 24), (40, 70), (80, 90)))
    assert (found.evaluations, found.incidents) == (120, 1)
    # True from 12:40 (found at 12:41) on, firing 15 minutes later, false at 13:11, over at 13:13.
    assert found.newest_at == NOON + timedelta(minutes=56)
    assert found.open_seconds == found.longest_seconds == 17 * 60


def test_each_incident_counts_and_one_that_goes_on_counts_to_the_end() -> None:
    critical = rule("Full", "critical", Condition("memory", True, 0.8))
    found = foreseen(critical, of_memory((0, 1), (10, 15), (110, 200)))
    assert found.incidents == 3
    assert found.longest_seconds == 9 * 60


def test_few_requests_are_no_errors_and_windows_are_those_of_the_rule() -> None:
    def made(minute: float) -> Window:
        return Window(requests=19 if minute < 60 else 100, errors=19, samples=4)

    samples = Recorded(made)
    [found] = foresee([RULES["ErrorRateHigh"]], samples, NOON, NOON + 2 * HOUR)
    assert samples.asked == [300]
    assert (found.evaluations, found.incidents) == (24, 1)
    assert found.newest_at == NOON + timedelta(minutes=65)


def test_hours_without_any_sample_are_the_application_down() -> None:
    found = foreseen(
        RULES["AppDown"], lambda minute: None if 30 <= minute < 60 else Window(samples=4)
    )
    assert found.incidents == 1
    assert 28 * 60 <= found.open_seconds <= 34 * 60


def test_what_was_before_the_first_sample_is_not_judged() -> None:
    found = foreseen(RULES["AppDown"], lambda minute: Window(samples=4) if minute >= 60 else None)
    assert (found.evaluations, found.incidents) == (40, 0)
    assert foreseen(RULES["AppDown"], lambda _: None) == Foreseen(
        RULES["AppDown"], 0, 0, 0, 0, None
    )
