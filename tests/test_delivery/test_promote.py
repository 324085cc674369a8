"""Blue-green on Heroku: what production runs after each way a deployment can go."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from delivery.errors import DeliveryError, PlatformError, Refused
from delivery.promote import promote
from tests.test_delivery.fake_server import Fault
from tests.test_delivery.heroku_stage import LIVE, NEW, OLD, PAST, Crash, Stage, stage
from tests.test_delivery.heroku_world import PREBOOT_SECONDS

MOST_CALLS = 80


@pytest.fixture
def on() -> Iterator[Stage]:
    with stage() as one:
        yield one


def prod(on: Stage):  # type: ignore[no-untyped-def]
    return on.world.apps["mltrading-prod"]


def test_a_good_release_goes_over_green_to_production(on: Stage) -> None:
    released = promote(on.delivery(), NEW)
    assert (on.runs("green"), on.runs("production"), released.commit) == (NEW, NEW, NEW)
    assert on.versions("production")[-1] == f"v4 Promote mltrading-green v4 {NEW[:8]} succeeded"
    assert on.pages == []
    assert on.fake.changes() == [("POST", "/pipeline-promotions")] * 2


def test_visitors_are_waited_for_past_the_preboot_switch(on: Stage) -> None:
    prod(on).formation["web"] = (1, "Standard-1X")
    prod(on).features["preboot"] = True
    promote(on.delivery(), NEW)
    assert on.time.now > PREBOOT_SECONDS
    assert on.world.visible(prod(on)).slug.commit == NEW
    assert on.pages == []


def test_running_it_again_changes_nothing(on: Stage) -> None:
    promote(on.delivery(), NEW)
    on.fake.calls.clear()
    promote(on.delivery(), NEW)
    assert on.fake.changes() == []


def test_the_commit_of_the_run_is_promoted_though_staging_went_on(on: Stage) -> None:
    staging = on.world.apps["mltrading-staging"]
    on.world.release(staging, on.world.slug("b" * 40), "Deploy bbbbbbbb", at_once=True)
    promote(on.delivery(), NEW)
    assert on.runs("production") == NEW
    promote(on.delivery(), None)
    assert on.runs("production") == "b" * 40


def test_a_commit_that_staging_never_ran_is_refused(on: Stage) -> None:
    with pytest.raises(Refused, match=f"no release of {'c' * 12}, only v4 .* delivery build"):
        promote(on.delivery(), "c" * 40)
    assert on.fake.changes() == []


def test_a_release_that_is_bad_on_green_never_reaches_production(on: Stage) -> None:
    on.world.apps["mltrading-green"].bad_commits.add(NEW)
    with pytest.raises(DeliveryError, match="is not healthy; production was not touched"):
        promote(on.delivery(), NEW)
    assert on.versions("production")[-1] == f"v3 Deploy {LIVE[:8]} succeeded"
    assert [page[0] for page in on.pages] == ["warning"]


def test_a_release_that_is_bad_in_production_is_rolled_back_and_the_on_call_is_paged(
    on: Stage,
) -> None:
    prod(on).bad_commits.add(NEW)
    with pytest.raises(DeliveryError, match="rolled back.*production runs v3 .* again, as v5"):
        promote(on.delivery(), NEW)
    assert on.versions("production")[-2:] == [
        f"v4 Promote mltrading-green v4 {NEW[:8]} succeeded",
        "v5 Rollback to v3 succeeded",
    ]
    assert on.world.visible(prod(on)).slug.commit == LIVE
    severity, title, text = on.pages[0]
    assert (severity, len(on.pages)) == ("critical", 1)
    assert "does not work in production; rolled back" in title and "as v5, and works" in text


def test_going_back_does_not_wait_for_preboot_which_is_on_again_after(on: Stage) -> None:
    prod(on).formation["web"] = (1, "Standard-1X")
    prod(on).features["preboot"] = True
    prod(on).bad_commits.add(NEW)
    with pytest.raises(DeliveryError, match="rolled back"):
        promote(on.delivery(), NEW)
    rollback = prod(on).releases[-1]
    assert rollback.description == "Rollback to v3"
    assert rollback.seen_from <= on.time.now
    assert prod(on).features["preboot"]


@pytest.mark.parametrize("promotion_says_failed", [True, False])
@pytest.mark.parametrize("app", ["mltrading-green", "mltrading-prod"])
def test_a_failed_release_phase_leaves_what_ran(
    on: Stage, app: str, promotion_says_failed: bool
) -> None:
    on.world.promotion_says_failed = promotion_says_failed
    on.world.apps[app].failing_release_phases.add(NEW)
    with pytest.raises(
        DeliveryError, match="production (was not touched|does not have it) and runs v3"
    ):
        promote(on.delivery(), NEW)
    assert on.runs("production") == LIVE
    assert "Rollback" not in " ".join(on.versions("production"))
    assert [page[0] for page in on.pages] == ["warning" if app.endswith("green") else "critical"]


@pytest.mark.parametrize("app", ["mltrading-green", "mltrading-prod"])
def test_processes_that_crash_count_as_a_bad_release(on: Stage, app: str) -> None:
    on.world.apps[app].crashing_commits.add(NEW)
    with pytest.raises(DeliveryError, match="web.1 crashed on v4|rolled back"):
        promote(on.delivery(), NEW)
    assert on.runs("production") == LIVE
    assert len(on.pages) == 1


def test_a_rolled_back_release_is_refused_until_it_is_asked_for_again(on: Stage) -> None:
    prod(on).bad_commits.add(NEW)
    with pytest.raises(DeliveryError):
        promote(on.delivery(), NEW)
    prod(on).bad_commits.clear()
    on.fake.calls.clear()
    with pytest.raises(Refused, match=r"v4 \(aaaaaaaaaaaa\) was rolled back.*--again"):
        promote(on.delivery(), NEW)
    assert on.fake.changes() == []
    on.pages.clear()
    promote(on.delivery(), NEW, again=True)
    assert on.runs("production") == NEW
    assert [page[0] for page in on.pages] == ["over"]  # the incident of the one that failed


def test_a_rebuilt_commit_that_was_rolled_back_is_refused_as_well(on: Stage) -> None:
    prod(on).bad_commits.add(NEW)
    with pytest.raises(DeliveryError):
        promote(on.delivery(), NEW)
    staging = on.world.apps["mltrading-staging"]
    on.world.release(staging, on.world.slug(NEW), "Deploy again", at_once=True)
    with pytest.raises(Refused, match="was rolled back"):
        promote(on.delivery(), NEW)


def test_the_first_release_of_all_has_nothing_to_go_back_to() -> None:
    with stage({"mltrading-staging": [NEW]}) as on:
        prod(on).bad_commits.add(NEW)
        with pytest.raises(DeliveryError, match="there is nothing to go back to"):
            promote(on.delivery(), NEW)
        assert on.pages[0][0] == "critical"
        prod(on).bad_commits.clear()
        promote(on.delivery(), NEW)
        assert on.runs("production") == NEW


def test_a_release_somebody_else_is_making_is_not_overtaken(on: Stage) -> None:
    green = on.world.apps["mltrading-green"]
    on.world.release(green, on.world.slug("d" * 40), "Deploy dddddddd")
    with pytest.raises(DeliveryError, match=r"v4 \(Deploy dddddddd\) is being released"):
        promote(on.delivery(), NEW)
    assert on.fake.changes() == []


def test_when_going_back_fails_too_the_page_says_production_is_down(on: Stage) -> None:
    prod(on).bad_commits |= {NEW, LIVE}
    with pytest.raises(DeliveryError, match="Production is down: .* --to v3` tries again"):
        promote(on.delivery(), NEW)
    assert on.pages[0][0] == "critical"


def test_a_crash_after_any_call_and_a_second_run_end_as_if_nothing_was() -> None:
    for calls in range(1, MOST_CALLS):
        with stage() as on:
            try:
                promote(on.delivery(crash_after=calls), NEW)
            except Crash:
                promote(on.delivery(), NEW)
            else:
                assert calls > 20, "crashes were tried after each call"
                return
            assert on.runs("production") == NEW, f"crashed after call {calls}"
            assert len(on.versions("green")) == len(on.versions("production")) == 4
            assert on.pages == []
    pytest.fail(f"a deployment takes more than {MOST_CALLS} calls")


def test_a_crash_at_any_moment_of_a_bad_deployment_still_ends_on_what_worked() -> None:
    """Crashed before production saw it, the second run finds out; after, it undoes or refuses."""
    for calls in range(1, MOST_CALLS):
        with stage() as on:
            prod(on).bad_commits.add(NEW)
            with pytest.raises((Crash, DeliveryError)) as first:
                promote(on.delivery(crash_after=calls), NEW)
            with pytest.raises(DeliveryError):
                promote(on.delivery(), NEW)
            promotions = [one for one in on.versions("production") if "Promote" in one]
            rollbacks = [one for one in on.versions("production") if "Rollback" in one]
            assert on.runs("production") == LIVE, f"crashed after call {calls}"
            assert (len(promotions), len(rollbacks)) == (1, 1), f"crashed after call {calls}"
            if first.type is not Crash:
                assert calls > 30, "crashes were tried after each call"
                return
    pytest.fail(f"a bad deployment takes more than {MOST_CALLS} calls")


FAULTS: list[Fault] = ["500", "503 page", "429", "silent", "lost", "cut"]


@pytest.mark.parametrize("fault", FAULTS)
def test_trouble_at_any_single_call_is_ridden_out(fault: Fault) -> None:
    for call in range(1, MOST_CALLS):
        with stage() as on:
            on.fake.faults[call] = fault
            promote(on.delivery(), NEW)
            assert on.runs("production") == NEW, f"{fault} at call {call}"
            assert len(on.versions("green")) == len(on.versions("production")) == 4
            assert on.pages == []
            if call > len(on.fake.calls):
                assert call > 20, "it happened at each call"
                return
    pytest.fail(f"a deployment takes more than {MOST_CALLS} calls")


@pytest.mark.parametrize("fault", ["500", "lost"])
def test_trouble_at_any_single_call_does_not_keep_a_bad_release_in_production(
    fault: Fault,
) -> None:
    for call in range(20, MOST_CALLS):
        with stage() as on:
            prod(on).formation["web"] = (1, "Standard-1X")
            prod(on).features["preboot"] = True
            prod(on).bad_commits.add(NEW)
            on.fake.faults[call] = fault
            with pytest.raises(DeliveryError, match="rolled back"):
                promote(on.delivery(), NEW)
            assert on.runs("production") == LIVE, f"{fault} at call {call}"
            assert len(on.versions("production")) == 5 and prod(on).features["preboot"]
            if call > len(on.fake.calls):
                return
    pytest.fail(f"a bad deployment takes more than {MOST_CALLS} calls")


def test_an_api_that_is_down_leaves_production_and_says_so(on: Stage) -> None:
    on.fake.faults = dict.fromkeys(range(1, 400), "500")
    with pytest.raises(PlatformError, match="GET apps/mltrading-prod/releases|answered 500"):
        promote(on.delivery(), NEW)
    assert on.runs("production") == LIVE


def test_an_api_that_goes_away_after_the_promotion_is_reported_as_unknown(on: Stage) -> None:
    promote(on.delivery(), NEW)
    needed = next(
        number for number, call in enumerate(reversed(on.fake.calls)) if call[0] == "POST"
    )
    with stage(PAST) as other:
        start = len(on.fake.calls) - needed + 1
        other.fake.faults = dict.fromkeys(range(start, 500), "500")
        with pytest.raises(DeliveryError, match="the platform does not say what runs"):
            promote(other.delivery(), NEW)
        assert other.pages[-1][0] == "critical"
        other.fake.faults.clear()
        promote(other.delivery(), NEW)
        assert other.runs("production") == NEW
        assert len(other.versions("production")) == 4


def test_a_release_that_works_stays_though_the_api_lost_sight_of_its_processes(on: Stage) -> None:
    promote(on.delivery(), NEW)
    first = on.fake.calls.index(("GET", "/apps/mltrading-prod/dynos")) + 1
    with stage() as other:
        other.fake.faults = dict.fromkeys(range(first, first + 5), "500")
        promote(other.delivery(), NEW)
        assert other.runs("production") == NEW
        assert any(line.startswith("it works, though: Heroku: GET") for line in other.lines)
        assert other.pages == []


def test_the_past_of_these_tests_is_what_they_say(on: Stage) -> None:
    assert (on.runs("staging"), on.runs("green"), on.runs("production")) == (NEW, LIVE, LIVE)
    assert on.versions("production")[1] == f"v2 Deploy {OLD[:8]} succeeded"
