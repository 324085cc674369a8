"""The wall time of a workflow from its graph and recorded times, against cases by hand."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery import estimate
from delivery.__main__ import main
from delivery.errors import DeliveryError
from delivery.estimate import Job, Recorded

MATRIX = """
jobs:
  lint: {}
  unit:
    needs: lint
    strategy:
      matrix:
        browser: [chromium, firefox]
        python: ["3.11", "3.12", "3.13"]
        exclude: [{browser: firefox, python: "3.11"}]
  rows: {}
  matrix:
    needs: [rows]
    strategy: {matrix: {row: "${{ fromJSON(needs.rows.outputs.rows) }}"}}
  deploy:
    needs: [unit]
    uses: ./.github/workflows/called.yml
  after:
    needs: [deploy, matrix]
"""
CALLED = """
jobs:
  stage: {}
  live: {needs: stage}
"""


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    (tmp_path / "called.yml").write_text(CALLED)
    (tmp_path / "ci.yml").write_text(MATRIX)
    return tmp_path / "ci.yml"


def test_the_graph_knows_rows_and_called_workflows(workflow: Path) -> None:
    assert estimate.graph(workflow, 12) == [
        Job("lint", (), 1),
        Job("unit", ("lint",), 5),
        Job("rows", (), 1),
        Job("matrix", ("rows",), 12),
        Job("deploy/stage", ("unit",), 1),
        Job("deploy/live", ("deploy/stage", "unit"), 1),
        Job("after", ("deploy/stage", "deploy/live", "matrix"), 1),
    ]


def test_the_end_is_the_longest_way(workflow: Path) -> None:
    jobs = estimate.graph(workflow, 2)
    seconds = {"lint": 10, "unit": 20, "rows": 5, "matrix": 50, "after": 1}
    seconds |= {"deploy/stage": 7, "deploy/live": 9}
    played = estimate.play(jobs, seconds, 20)
    assert played["after"].end == 56 + 0
    assert estimate.path(played, "after") == ["rows", "matrix", "after"]
    slower = estimate.play(jobs, {**seconds, "deploy/live": 90}, 20)
    assert slower["after"].end == 10 + 20 + 7 + 90 + 1
    assert estimate.path(slower, "after") == [
        *("lint", "unit", "deploy/stage", "deploy/live", "after")
    ]


def test_too_few_runners_queue(workflow: Path) -> None:
    jobs = [Job("a", (), 5), Job("b", (), 1), Job("c", ("a", "b"), 1)]
    seconds = {"a": 10.0, "b": 10.0, "c": 1.0}
    assert [estimate.play(jobs, seconds, n)["c"].end for n in (6, 3, 2, 1)] == [11, 21, 31, 61]


@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(1, 5)), min_size=1, max_size=8),
    st.integers(1, 8),
    st.randoms(),
)
def test_no_plan_beats_the_longest_way_or_all_work_shared(
    given_jobs: list[tuple[float, int]], runners: int, chance: object
) -> None:
    jobs, seconds = [], {}
    for number, (each, rows) in enumerate(given_jobs):
        name = str(number)
        jobs.append(Job(name, (str(number - 1),) if number % 3 else (), rows))
        seconds[name] = each
    played = estimate.play(jobs, seconds, runners)
    end = max(one.end for one in played.values())
    work = sum(seconds[job.name] * job.rows for job in jobs)
    assert end >= work / runners - 1e-6
    assert end <= work + 1e-6
    for job in jobs:
        for before in job.needs:
            assert played[job.name].end >= played[before].end + seconds[job.name] - 1e-6


@pytest.mark.parametrize(
    ("parallel", "cores", "seconds"),
    [(True, 2, 90.0), (True, 4, 50.0), (False, 4, 90.0), (True, 1, 180.0), (False, 1, 90.0)],
)
def test_more_cores_help_a_parallel_job_by_part_of_their_ratio(
    parallel: bool, cores: int, seconds: float
) -> None:
    one = Recorded(90.0, 2, parallel, "2026-11-23", "here")
    assert one.on(cores) == pytest.approx(seconds)


def test_jobs_that_wait_for_one_another_or_for_nobody_are_said() -> None:
    ring = [Job("a", ("b",), 1), Job("b", ("a",), 1)]
    with pytest.raises(DeliveryError, match="wait for one another: a, b"):
        estimate.play(ring, {"a": 1, "b": 1}, 1)
    with pytest.raises(DeliveryError, match="needs 'x', which is not there"):
        estimate.closure([Job("check", ("x",), 1)], "check")
    with pytest.raises(DeliveryError, match="no job 'check'"):
        estimate.closure([], "check")


ENTRY = "jobs: {unit: {}, check: {needs: unit}, slow: {needs: check}}"


def run(tmp_path: Path, *words: str) -> int:
    (tmp_path / "ci.yml").write_text(ENTRY)
    files = ["--times", str(tmp_path / "times.json")]
    return main(["metrics", *words[:1], *files, *words[1:]])


def record(tmp_path: Path, job: str, seconds: float, *more: str) -> int:
    return run(tmp_path, "record", job, str(seconds), "--where", "a laptop", *more)


def predict(tmp_path: Path, *more: str) -> int:
    return run(tmp_path, "estimate", "--workflow", str(tmp_path / "ci.yml"), *more)


def test_a_job_without_a_time_is_no_estimate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, "check", 2)
    assert predict(tmp_path) == 1
    assert "no recorded time of unit; measure it" in capsys.readouterr().err


def test_recorded_times_become_an_estimate_with_its_path_and_assumptions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, "check", 2, "--cores", "2")
    record(tmp_path, "unit", 180, "--cores", "2", "--parallel")
    capsys.readouterr()
    assert predict(tmp_path) == 0
    shown = capsys.readouterr().out
    assert "| **unit** | 1 | 180 | 2 all | 130 | 0-130 | a laptop, " in shown
    assert "2.7 minutes to `check`, under 10: unit -> check." in shown
    assert "slow" not in shown
    assert "Assumed: runners of 4 cores" in shown
    record(tmp_path, "unit", 1180, "--cores", "2")
    assert predict(tmp_path) == 1
    assert "**not under** 10" in capsys.readouterr().out
    kept = json.loads((tmp_path / "times.json").read_text())
    assert (kept["unit"]["seconds"], kept["unit"]["where"]) == (1180, "a laptop")
    assert list(kept) == ["check", "unit"]


@pytest.mark.parametrize("content", ["", "[]", '{"unit": 3}', '{"unit": {"seconds": 3}}'])
def test_times_that_can_not_be_read_are_one_line(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "times.json").write_text(content)
    assert predict(tmp_path) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_command_is_run_and_timed_and_one_that_fails_is_not_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def timed(command: str) -> int:
        return run(tmp_path, "record", "unit", "--where", "here", "--run", command)

    assert timed(f"{sys.executable} -c pass") == 0
    kept = json.loads((tmp_path / "times.json").read_text())["unit"]["seconds"]
    assert 0 < kept < 60
    assert timed(f"{sys.executable} -c 'raise SystemExit(3)'") == 1
    assert "ended with 3; no time is kept" in capsys.readouterr().err
    assert [timed(bad) for bad in (str(tmp_path / "nothing"), "'open", "")] == [1, 1, 1]
    assert run(tmp_path, "record", "unit", "--where", "here") == 1
    assert json.loads((tmp_path / "times.json").read_text())["unit"]["seconds"] == kept


def test_nonsense_is_refused(tmp_path: Path) -> None:
    assert record(tmp_path, "unit", -1) == 1
    assert record(tmp_path, "unit", float("nan")) == 1
    assert predict(tmp_path, "--cores", "0") == 1


def test_our_workflow_is_understood_and_has_a_time_for_every_job() -> None:
    jobs = estimate.graph(estimate.WORKFLOW, 21)
    wanted = estimate.closure(jobs, estimate.GATE)
    assert {"quality", "security", "unit", "check"} <= wanted
    assert wanted <= set(estimate.recorded(estimate.TIMES))
    (rows,) = [job.rows for job in jobs if job.name == "matrix"]
    assert rows == 21
