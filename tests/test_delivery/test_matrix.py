"""Rows of the CI matrix: no pair is missed, none is there for nothing, and each can be run."""

from __future__ import annotations

import json
import tomllib
from itertools import combinations, product

import pytest
from allpairspy import AllPairs
from hypothesis import given
from hypothesis import strategies as st

from delivery import __main__ as command
from delivery import matrix
from tests.test_delivery.programs import ROOT
from tools.browsers import BROWSERS
from tools.postgres_matrix import SERVERS

MAIN = "refs/heads/main"
DEVELOP = "refs/heads/develop"


def values(rows: list[matrix.Row]) -> list[tuple[str, str, str]]:
    return [(row.python, row.postgres, row.browser) for row in rows]


@pytest.mark.parametrize("event, ref", [("pull_request", "refs/pull/7/merge"), ("push", DEVELOP)])
def test_each_two_values_meet_in_a_row_of_a_pull_request(event: str, ref: str) -> None:
    rows = values(matrix.rows(event, ref))
    for one, other in combinations(range(3), 2):
        met = {(row[one], row[other]) for row in rows}
        axes = (matrix.PYTHONS, matrix.POSTGRES, matrix.BROWSERS)
        assert met == set(product(axes[one], axes[other]))


def test_a_pull_request_has_no_more_rows_than_allpairspy_finds() -> None:
    rows = matrix.rows("pull_request", "")
    theirs = list(AllPairs([matrix.PYTHONS, matrix.POSTGRES, matrix.BROWSERS]))
    assert len(rows) <= len(theirs)
    assert len(rows) == len(matrix.PYTHONS) * len(matrix.POSTGRES)


@given(st.lists(st.integers(1, 5), min_size=2, max_size=4))
def test_no_pair_is_missed_whatever_the_sizes(sizes: list[int]) -> None:
    parameters = [[f"{at}{n}" for n in range(size)] for at, size in enumerate(sizes)]
    rows = matrix.every_pair(parameters)
    met = {pair for row in rows for pair in combinations(row, 2)}
    wanted = {pair for one, other in combinations(parameters, 2) for pair in product(one, other)}
    assert met == wanted
    assert len(rows) == len(set(rows)) <= len(list(product(*parameters)))


def test_main_runs_every_combination_and_the_night_the_preview_too() -> None:
    complete = set(product(matrix.PYTHONS, matrix.POSTGRES, matrix.BROWSERS))
    assert set(values(matrix.rows("push", MAIN))) == complete
    for event in ("schedule", "workflow_dispatch"):
        rows = matrix.rows(event, MAIN)
        assert {row for row in values(rows) if row[0] in matrix.PYTHONS} == complete
        assert {row.python for row in rows if row.preview} == set(matrix.PREVIEWED)


def test_only_a_preview_may_fail() -> None:
    for event, ref in [("pull_request", ""), ("push", DEVELOP), ("push", MAIN)]:
        assert not any(row.preview for row in matrix.rows(event, ref))
    assert not set(matrix.PYTHONS) & set(matrix.PREVIEWED)


def test_each_value_can_be_tested() -> None:
    assert {int(major) for major in matrix.POSTGRES} == set(SERVERS)
    assert matrix.BROWSERS == BROWSERS
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={matrix.PYTHONS[0]}"


def test_the_verb_prints_one_line_of_json_that_a_matrix_takes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_EVENT_NAME", "push")
    monkeypatch.setenv("GITHUB_REF", MAIN)
    assert command.main(["matrix"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    rows = json.loads(out)
    assert len(rows) == 42
    assert rows[0] == {
        "python": "3.11",
        "postgres": "12",
        "browser": "chromium",
        "preview": False,
    }
    assert len(rows) <= 256  # more GitHub refuses
