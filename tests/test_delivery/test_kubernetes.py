"""Blue-green on Kubernetes: what visitors get after each way a deployment can go."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from delivery.errors import DeliveryError, PlatformError, Refused
from delivery.platforms import deployer
from delivery.promote import promote
from delivery.rollback import roll_back
from delivery.waiting import Clock
from tests.test_delivery.fake_server import Fault
from tests.test_delivery.heroku_stage import Crash
from tests.test_delivery.kubernetes_fake import installed, serving
from tests.test_delivery.kubernetes_stage import LIVE, NEW, OLD, Stage, image, stage

pytestmark = pytest.mark.tools


@pytest.fixture
def on() -> Iterator[Stage]:
    with stage() as one:
        yield one


def test_the_past_of_these_tests_is_what_they_say(on: Stage) -> None:
    assert (on.runs("staging"), on.runs("production")) == (NEW, LIVE)
    assert on.past() == ["v2 Promote green 2", "v1 Promote green 1"]
    assert [one.commit for one in on.platform().releases("green")][0] == OLD
    assert [one.commit for one in on.platform().releases("staging")][:3] == [NEW, LIVE, OLD]


def test_a_good_release_goes_over_green_to_production(on: Stage) -> None:
    released = promote(on.delivery(), NEW)
    assert on.runs("production") == NEW
    assert (released.label, released.commit, released.artefact) == ("v3", NEW, image(NEW))
    assert on.past()[0] == "v3 Promote green a"
    assert on.pages == []
    assert on.cluster.ran[-1] == image(NEW)
    assert on.cluster.up["mltrading", "mltrading-worker"] == image(NEW)
    release_job, *patches = [name for _, name in on.fake.changes() if name != "mltrading-preview"]
    assert release_job == "jobs"
    assert patches == ["mltrading-web-green", "mltrading-worker", "mltrading"]


def test_the_colour_that_was_live_is_left_as_it_was(on: Stage) -> None:
    promote(on.delivery(), NEW)
    assert sorted(
        on.cluster.up["mltrading", f"mltrading-web-{colour}"] for colour in ("blue", "green")
    ) == sorted([image(LIVE), image(NEW)])


def test_running_it_again_changes_nothing(on: Stage) -> None:
    promote(on.delivery(), NEW)
    on.fake.calls.clear()
    promote(on.delivery(), NEW)
    on.platform().build(NEW, b"")
    assert on.fake.changes() == []


def test_a_release_that_is_bad_on_green_never_reaches_production(on: Stage) -> None:
    on.cluster.sick.add(f"green {NEW}")
    with pytest.raises(DeliveryError, match="is not healthy; production was not touched"):
        promote(on.delivery(), NEW)
    assert on.runs("production") == LIVE
    assert len(on.past()) == 2
    assert [page[0] for page in on.pages] == ["warning"]


def test_pods_that_never_come_up_stop_it_on_green_and_say_why(on: Stage) -> None:
    on.cluster.crashing.add(image(NEW))
    with pytest.raises(
        DeliveryError, match="did not come up.*ImagePullBackOff: image is not there"
    ):
        promote(on.delivery(), NEW)
    assert on.runs("production") == LIVE


def test_a_migration_that_fails_stops_it_before_any_process_and_is_run_again(on: Stage) -> None:
    on.cluster.failing.add(image(NEW))
    with pytest.raises(DeliveryError, match="the release's job failed.*nothing was deployed"):
        promote(on.delivery(), NEW)
    assert image(NEW) not in [up for at, up in on.cluster.up.items() if at[0] == "mltrading"]
    ran = on.cluster.ran.count(image(NEW))
    on.cluster.failing.clear()
    promote(on.delivery(), NEW)
    assert on.cluster.ran.count(image(NEW)) == ran + 1
    assert on.runs("production") == NEW


def test_a_release_that_is_bad_in_production_is_rolled_back_and_the_on_call_is_paged(
    on: Stage,
) -> None:
    on.cluster.sick.add(f"production {NEW}")
    with pytest.raises(DeliveryError, match="rolled back.*production runs v2 .* again, as v4"):
        promote(on.delivery(), NEW)
    assert on.runs("production") == LIVE
    assert on.past()[:2] == ["v4 Rollback to v2 2", "v3 Promote green a"]
    assert [page[0] for page in on.pages] == ["critical"]
    assert on.cluster.up["mltrading", "mltrading-worker"] == image(LIVE)


def test_a_rolled_back_release_is_refused_until_it_is_asked_for_again(on: Stage) -> None:
    on.cluster.sick.add(f"production {NEW}")
    with pytest.raises(DeliveryError):
        promote(on.delivery(), NEW)
    on.cluster.sick.clear()
    with pytest.raises(Refused, match="was rolled back.*--again"):
        promote(on.delivery(), NEW)
    promote(on.delivery(), NEW, again=True)
    assert on.runs("production") == NEW


def test_going_back_is_one_change_of_the_selector_while_the_other_colour_runs_it(
    on: Stage,
) -> None:
    promote(on.delivery(), NEW)
    on.fake.calls.clear()
    restored = roll_back(on.delivery(), "production")
    assert (on.runs("production"), restored.description) == (LIVE, "Rollback to v2")
    assert on.fake.changes() == [("PATCH", "mltrading"), ("PATCH", "mltrading-worker")]
    roll_back(on.delivery(), "production")  # a second run does not go further back
    assert on.runs("production") == LIVE


def test_going_back_further_brings_the_older_image_up_first(on: Stage) -> None:
    promote(on.delivery(), NEW)
    roll_back(on.delivery(), "production", "v1")
    assert on.runs("production") == OLD
    assert on.past()[0] == "v4 Rollback to v1 1"


def test_staging_goes_back_as_well(on: Stage) -> None:
    target = on.platform().releases("staging")[1]
    restored = on.platform().roll_back("staging", target)
    assert (restored.commit, on.runs("staging")) == (LIVE, LIVE)


def test_a_worker_that_does_not_come_up_is_told_after_visitors_are_safe(on: Stage) -> None:
    platform = on.platform()
    green = platform.promote("staging", "green", platform.releases("staging")[0])
    on.cluster.crashing.add(image(NEW))  # from here on: only the worker is still to start
    with pytest.raises(PlatformError, match="mltrading-worker did not come up"):
        platform.promote("green", "production", green)
    assert on.runs("production") == NEW


def test_visitors_never_reach_a_colour_that_is_not_up(on: Stage) -> None:
    staging = on.platform().releases("staging")[0]
    with pytest.raises(DeliveryError, match="visitors stay on .*, promote to green first"):
        on.platform().promote("green", "production", staging)
    assert on.runs("production") == LIVE


def test_what_somebody_changed_by_hand_is_seen_and_can_be_gone_back_to(on: Stage) -> None:
    service = on.cluster.get("services", "mltrading", "mltrading")
    colour = service["spec"]["selector"]["colour"]
    service["spec"]["selector"]["colour"] = {"blue": "green", "green": "blue"}[colour]
    assert on.past() == ["v3 Changed by hand 1", "v2 Promote green 2", "v1 Promote green 1"]
    promote(on.delivery(), NEW)
    assert on.past()[:2] == ["v4 Promote green a", "v3 Changed by hand 1"]


@pytest.mark.parametrize("name", ["mltrading", "mltrading-preview", "mltrading-worker"])
def test_a_conflict_with_another_hand_is_settled_by_looking_again(on: Stage, name: str) -> None:
    on.fake.meddle.append(("PATCH", name))
    promote(on.delivery(), NEW)
    assert on.runs("production") == NEW
    assert on.fake.meddle == []
    assert "was changed by somebody else meanwhile" in "\n".join(on.lines)


def test_a_hand_that_never_rests_is_an_error(on: Stage) -> None:
    on.fake.meddle += [("PATCH", "mltrading")] * 50
    with pytest.raises(DeliveryError, match="the service is changed by somebody else again"):
        promote(on.delivery(), NEW)
    assert on.runs("production") == LIVE


def test_a_broken_memory_is_an_error_and_not_an_empty_past(on: Stage) -> None:
    notes = on.cluster.get("services", "mltrading", "mltrading")["metadata"]["annotations"]
    notes["delivery.mltrading/history"] = json.dumps([{"version": "x"}])
    with pytest.raises(PlatformError, match="delivery.mltrading/history came without what it"):
        on.platform().releases("production")


def test_a_crash_after_any_call_and_a_second_run_end_as_if_nothing_was() -> None:
    calls = 0
    crashed = True
    while crashed:
        calls += 1
        with stage() as on:
            try:
                promote(on.delivery(crash_after=calls), NEW)
                crashed = False
            except Crash:
                promote(on.delivery(), NEW)
            assert on.runs("production") == NEW, f"crash after call {calls}"
            assert on.past() == ["v3 Promote green a", "v2 Promote green 2", "v1 Promote green 1"]
            assert on.cluster.ran.count(image(NEW)) == 2, f"once staging, once production: {calls}"
            assert on.image_of("mltrading-worker") == image(NEW), calls
            assert on.pages == []
    assert calls > 20


def test_a_crash_at_any_moment_of_a_bad_deployment_still_ends_on_what_worked() -> None:
    calls, crashed = 0, True
    while crashed:
        calls += 1
        with stage() as on:
            on.cluster.sick.add(f"production {NEW}")
            try:
                promote(on.delivery(crash_after=calls), NEW)
            except Crash:
                with pytest.raises(DeliveryError):
                    promote(on.delivery(), NEW)
            except DeliveryError:
                crashed = False
            assert on.runs("production") == LIVE, f"crash after call {calls}"
            assert on.past()[:2] == ["v4 Rollback to v2 2", "v3 Promote green a"], calls
    assert calls > 20


FAULTS: list[Fault] = ["500", "503 page", "429", "silent", "lost", "cut"]


@pytest.mark.parametrize("fault", FAULTS)
def test_trouble_at_any_change_and_every_fourth_look_is_ridden_out(fault: Fault) -> None:
    with stage() as on:
        promote(on.delivery(), NEW)
        methods = [method for method, _ in on.fake.calls]
    tried = [n for n, method in enumerate(methods, 1) if method != "GET" or n % 4 == 0]
    for call in tried:
        with stage() as on:
            on.fake.faults[call] = fault
            promote(on.delivery(), NEW)
            assert on.runs("production") == NEW, f"{fault} at call {call}"
            assert on.past()[0] == "v3 Promote green a" and len(on.past()) == 3
            assert on.cluster.ran.count(image(NEW)) == 2
            assert on.pages == []


def test_an_api_that_is_down_leaves_production_and_says_so(on: Stage) -> None:
    on.fake.faults = dict.fromkeys(range(1, 400), "500")
    with pytest.raises(PlatformError, match="answered 500"):
        promote(on.delivery(), NEW)
    on.fake.faults.clear()
    assert on.runs("production") == LIVE


def test_an_account_without_a_right_is_told_which(on: Stage) -> None:
    role = on.cluster.get("roles", "mltrading", "mltrading-delivery")
    role["rules"] = [rule for rule in role["rules"] if rule["resources"] != ["jobs"]]
    with pytest.raises(DeliveryError, match="answered 403.*is forbidden.*accounts.yaml"):
        promote(on.delivery(), NEW)
    assert on.runs("production") == LIVE


def test_a_wrong_token_is_told_and_not_shown(on: Stage) -> None:
    platform = on.platform()
    platform.api.headers = {"authorization": "Bearer wrong-token-0123456789"}
    with pytest.raises(PlatformError, match="answered 401.*kubectl create token") as caught:
        platform.releases("staging")
    assert "wrong-token" not in str(caught.value)


def test_the_first_release_of_all_starts_the_memory() -> None:
    with serving(installed()) as fake:
        on = Stage(fake)
        assert on.platform().releases("production") == []
        on.platform().build(NEW, b"")
        promote(on.delivery(), NEW)
        assert on.past() == ["v1 Promote green a"]
        assert on.runs("production") == NEW
        assert fake.problems == []


def test_the_environment_chooses_the_platform_and_a_missing_variable_is_named() -> None:
    variables = {"DEPLOY_TARGET": "kubernetes", "KUBE_API_URL": "https://kube.example"}
    with pytest.raises(DeliveryError, match="KUBE_TOKEN is not set"):
        deployer(variables, Clock())
    variables |= {"KUBE_TOKEN": "t" * 20, "KUBE_IMAGE": "registry.example/mltrading"}
    platform = deployer({**variables, "KUBE_URL_GREEN": "https://green.example/"}, Clock())
    assert platform.url("green") == "https://green.example"
    with pytest.raises(DeliveryError, match="KUBE_URL_PRODUCTION is not set"):
        platform.url("production")
