"""What `make bench` says at its end: which bounds are missed, and which budgets nobody measured."""

from __future__ import annotations

import pytest

from benchmarks.report import LIMITS, Row, budget, missed, row, unmeasured
from mltrading.adapters.budgets import read_budgets

pytestmark = pytest.mark.smoke


def all_met() -> list[Row]:
    return [budget(one.name, one.limit) for one in read_budgets()]


def test_budgets_that_are_met_to_the_letter_are_met() -> None:
    assert missed(all_met()) == []


@pytest.mark.parametrize("name", list(LIMITS))
def test_a_budget_that_is_exceeded_is_named(name: str) -> None:
    others = [one for one in all_met() if not one.name.startswith(f"{name},")]
    over = budget(name, LIMITS[name].limit * 1.01)
    assert missed([*others, over]) == [over.name]


def test_a_budget_that_was_not_measured_is_named() -> None:
    rest = all_met()[1:]
    [name] = unmeasured(rest)
    assert missed(rest) == [f"{name} (not measured)"]


def test_a_bound_holds_from_its_side() -> None:
    slow, fast = row("a", 2, 1, "limit", "<= 1.5"), row("b", 1, 1, "peer", ">= 2")
    fine = [row("c", 1, 1, "peer", "<= 1"), row("d", 9, 1, "peer")]
    assert missed([*all_met(), slow, fast, *fine]) == ["a", "b"]
