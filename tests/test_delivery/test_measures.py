"""The measures against cases computed by hand; what can not be known stays unknown."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.measures import (
    Build,
    Deployment,
    History,
    Measure,
    Period,
    Rollback,
    Trend,
    measures,
    outages,
    releases,
)
from delivery.outage import (
    Outage,
    announce_coverage,
    announce_outage,
    read_coverage,
    read_outage,
)

END = datetime(2026, 11, 23, 12, tzinfo=timezone.utc)
PERIOD = Period(END - timedelta(days=10), END)
LONG_AGO = END - timedelta(days=100)


def ago(days: float = 0, **more: float) -> datetime:
    return END - timedelta(days=days, **more)


def deployed(commit: str, days: float, ok: bool = True, **more: Any) -> Deployment:
    given = {"waited": 0.0, **more}
    return Deployment(commit, ago(days), ok, **given)


def by_name(history: History, period: Period = PERIOD) -> dict[str, Measure]:
    return {one.name: one for one in measures(history, period)}


def test_an_empty_history_has_no_number() -> None:
    found = by_name(History())
    assert [one.value for one in found.values()] == [None] * 7
    assert [one.met for one in found.values()] == [None] * 7
    assert found["Lead time"].note == "needs 2 deployments"
    assert found["Build time"].note == "needs a green run"
    assert found["Deployment success"].note == "needs a deployment"


def test_the_build_time_is_the_median_of_green_runs_in_the_period() -> None:
    seconds = [(0.5, 300), (1, 540), (2, 900), (11, 6000)]
    history = History(LONG_AGO, tuple(Build(ago(days), each) for days, each in seconds))
    found = by_name(history)["Build time"]
    assert (found.value, found.met) == (9.0, True)
    assert found.note == "median of 3 green runs, longest 15.0 min"
    assert by_name(history, PERIOD.before())["Build time"].value == 100.0


@pytest.mark.parametrize(("minutes", "met"), [(9.99, True), (10, False), (12, False)])
def test_ten_minutes_are_too_many(minutes: float, met: bool) -> None:
    history = History(LONG_AGO, (Build(ago(1), minutes * 60),))
    assert by_name(history)["Build time"].met is met


def test_coverage_is_the_newest() -> None:
    history = History(LONG_AGO, coverage=((ago(3), 79.0), (ago(1), 91.5), (ago(12), 70.0)))
    found = by_name(history)["Coverage"]
    assert (found.value, found.met) == (91.5, True)
    assert by_name(history, PERIOD.before())["Coverage"].met is False


def test_deployments_a_day_count_successes_that_changed_what_runs() -> None:
    history = History(
        LONG_AGO,
        deployments=(
            deployed("a", 9),
            deployed("b", 8),
            deployed("b", 7),  # repeated: nothing changed
            deployed("c", 6, False),
            deployed("d", 5),
        ),
    )
    found = by_name(history)["Deployment frequency"]
    assert (found.value, found.met, found.note) == (0.3, False, "3 deployments in 10 days")


def test_a_young_repository_is_measured_over_its_own_days() -> None:
    history = History(
        ago(2), deployments=(deployed("a", 1.5), deployed("b", 1), deployed("c", 0.5))
    )
    assert by_name(history)["Deployment frequency"].value == 1.5
    assert by_name(history)["Deployment frequency"].met is True


def test_one_deployment_has_no_lead_time_and_no_trend() -> None:
    history = History(ago(1), deployments=(deployed("a", 0.5, waited=120.0),))
    found = by_name(history)
    assert found["Lead time"].value is None
    assert found["Lead time"].note == "needs 2 deployments"
    assert found["Deployment success"].value == 100
    assert found["Deployment frequency"].value == 1
    assert found["Wait for approval"].value == 2
    before = by_name(history, PERIOD.before())
    assert before["Deployment frequency"].value is None
    assert Trend(found["Deployment success"], before["Deployment success"]).words == "-"


def test_lead_time_is_the_median_over_commits_without_the_wait() -> None:
    history = History(
        LONG_AGO,
        deployments=(
            deployed("a", 3, lead=(3600.0, 7200.0)),
            deployed("b", 2, lead=(36000.0,), waited=9000.0),
            deployed("c", 1, lead=None),
        ),
    )
    found = by_name(history)
    assert found["Lead time"].value == 2.0
    assert found["Lead time"].met is None
    assert found["Lead time"].note == "median of 3 commits, without the wait for approval"
    assert found["Wait for approval"].value == 0


def test_a_failure_and_a_release_undone_later_are_failed_changes() -> None:
    history = History(
        LONG_AGO,
        deployments=tuple(deployed(name, 9 - n, name != "c") for n, name in enumerate("abcd")),
        rollbacks=(Rollback(ago(5.5)),),
    )
    found = by_name(history)["Deployment success"]
    assert found.value == 50.0
    assert found.note == "change-failure rate 50.0 %: 2 of 4"
    assert found.met is False


def test_a_rollback_undoes_the_newest_success_before_it_once() -> None:
    history = History(
        LONG_AGO,
        deployments=(deployed("a", 9), deployed("b", 8)),
        rollbacks=(Rollback(ago(7)), Rollback(ago(6)), Rollback(ago(5)), Rollback(ago(9.5))),
    )
    assert by_name(history)["Deployment success"].value == 0
    assert len(outages(history)) == 2


def test_recovery_is_from_the_failed_smoke_to_the_healthy_rollback() -> None:
    outage = Outage(ago(2), ago(2, minutes=-4))
    history = History(
        LONG_AGO, deployments=(deployed("a", 3), deployed("b", 1.9, False, outage=outage))
    )
    found = by_name(history)["Time to recovery"]
    assert (found.value, found.met) == (4.0, True)
    assert found.note == "median of 1 outage"


def test_an_outage_a_person_ended_counts_from_the_release_that_caused_it() -> None:
    history = History(
        LONG_AGO,
        deployments=(deployed("a", 3), deployed("b", 2)),
        rollbacks=(Rollback(ago(2, minutes=-45)),),
    )
    found = by_name(history)["Time to recovery"]
    assert (found.value, found.met) == (45.0, False)


def test_an_outage_that_lasts_misses_the_target_and_has_no_minutes() -> None:
    outage = Outage(ago(1), None)
    history = History(
        LONG_AGO, deployments=(deployed("a", 2), deployed("b", 1, False, outage=outage))
    )
    found = by_name(history)["Time to recovery"]
    assert (found.value, found.note) == (None, "no outage that ended; 1 not recovered yet")
    later = History(LONG_AGO, deployments=(*history.deployments, deployed("c", 1 - 20 / (24 * 60))))
    assert by_name(later)["Time to recovery"].value == pytest.approx(20.0)


def test_a_failure_without_an_outage_is_none() -> None:
    history = History(LONG_AGO, deployments=(deployed("a", 2), deployed("b", 1, False)))
    assert outages(history) == []
    assert by_name(history)["Time to recovery"].value is None


def test_a_moment_is_in_one_period_alone() -> None:
    before = PERIOD.before()
    assert (PERIOD.holds(PERIOD.start), before.holds(PERIOD.start)) == (False, True)
    assert before.end - before.start == PERIOD.end - PERIOD.start


@pytest.mark.parametrize(
    ("now", "before", "lower", "words"),
    [
        (8.0, 9.0, True, "better"),
        (9.0, 8.0, True, "worse"),
        (9.0, 8.0, False, "better"),
        (8.0, 8.0, True, "same"),
        (0.0, 0.0, True, "same"),
        (None, 8.0, True, "-"),
        (8.0, None, True, "-"),
    ],
)
def test_the_trend_knows_which_way_is_better(
    now: float | None, before: float | None, lower: bool, words: str
) -> None:
    def one(value: float | None) -> Measure:
        return Measure("x", "min", value, "", lower=lower)

    assert Trend(one(now), one(before)).words == words


TIMES = st.floats(0, 30).map(ago)
OUTAGES = st.none() | st.builds(Outage, TIMES, st.none() | TIMES)
DEPLOYMENTS = st.lists(
    st.builds(
        Deployment,
        st.sampled_from("abc"),
        TIMES,
        st.booleans(),
        st.floats(0, 1e5),
        st.none() | st.lists(st.floats(0, 1e6), max_size=3).map(tuple),
        OUTAGES,
    ),
    max_size=8,
)


@given(DEPLOYMENTS, st.lists(st.builds(Rollback, TIMES), max_size=4), st.none() | TIMES)
def test_any_history_is_measured(
    deployments: list[Deployment], rollbacks: list[Rollback], since: datetime | None
) -> None:
    history = History(since, deployments=tuple(deployments), rollbacks=tuple(rollbacks))
    found = by_name(history)
    success = found["Deployment success"].value
    assert success is None or 0 <= success <= 100
    assert (success is None) == (
        not [one for one in releases(history) if PERIOD.holds(one.finished)]
    )
    assert all(one.note for one in found.values())
    assert all(one.value is None or one.value == one.value for one in found.values())


def printed(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """What GitHub makes of a workflow command: an annotation."""
    head, _, message = capsys.readouterr().out.removeprefix("::").partition("::")
    return {"title": head.partition("title=")[2], "message": message.strip()}


@pytest.mark.parametrize("healthy", [None, END])
def test_an_announced_outage_is_read_again(
    healthy: datetime | None, capsys: pytest.CaptureFixture[str]
) -> None:
    outage = Outage(ago(1), healthy)
    announce_outage(outage, {"GITHUB_ACTIONS": "true"})
    assert read_outage(printed(capsys)) == outage


def test_an_announced_coverage_is_read_again(capsys: pytest.CaptureFixture[str]) -> None:
    announce_coverage(91.256, {"GITHUB_ACTIONS": "true"})
    assert read_coverage(printed(capsys)) == 91.26
    announce_coverage(91.256, {})
    assert capsys.readouterr().out == ""


BAD = [
    *("", "x", "null", "[]", "{}", "101", "-1", "nan", '{"failed_at": "x", "healthy_at": null}'),
    '{"failed_at": "2026-11-02T10:00:00", "healthy_at": null}',
]


@pytest.mark.parametrize("message", BAD)
def test_a_notice_of_others_is_none(message: str) -> None:
    for title in ("Production outage", "Coverage", "else"):
        annotation = {"title": title, "message": message}
        assert read_outage(annotation) is None
        assert read_coverage(annotation) is None
