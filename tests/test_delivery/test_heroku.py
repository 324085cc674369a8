"""What Heroku's API may answer that nobody wants, and what a person then reads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from delivery import heroku_api
from delivery.__main__ import main
from delivery.errors import DeliveryError, PlatformError
from delivery.heroku import Heroku
from delivery.heroku_api import connect
from delivery.platforms import delivery, deployer, heroku_apps
from delivery.promote import promote
from delivery.waiting import Clock, poll
from tests.test_delivery import heroku_records as records
from tests.test_delivery.heroku_fake import KEY
from tests.test_delivery.heroku_schema import found, reply_problems, request_problems
from tests.test_delivery.heroku_stage import NEW, Stage, Time, stage
from tests.test_delivery.heroku_world import World
from tests.test_delivery.scripted_server import Reply, scripted

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["id", "version", "status", "slug", "release", "name", "source_blob"])
        | st.text(max_size=5),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)
READERS: list[Callable[[Any], object]] = [
    heroku_api.app,
    heroku_api.row,
    heroku_api.dyno,
    heroku_api.build,
]


@pytest.fixture
def on() -> Iterator[Stage]:
    with stage() as one:
        yield one


def platform(url: str, lines: list[str] | None = None) -> Heroku:
    time = Time()
    api = connect({"HEROKU_API_KEY": KEY, "HEROKU_API_URL": url}, time.clock())
    api.tell = api.tell if lines is None else lines.append
    return Heroku(api, heroku_apps({}), time.clock())


@given(JSON, st.sampled_from(READERS))
def test_any_body_is_a_record_or_one_line(body: object, read: Callable[[Any], object]) -> None:
    try:
        read(body)
    except PlatformError as error:
        assert "\n" not in str(error) and "came without what it should hold" in str(error)


@given(JSON)
@settings(max_examples=25, deadline=None)
def test_any_answer_to_a_list_of_releases_is_read_or_one_line(body: object) -> None:
    lines: list[str] = []
    with scripted(Reply(200, body if body is not None else [])) as script:
        with contextlib.suppress(PlatformError):
            platform(script.url, lines).releases("production")


@pytest.mark.parametrize(
    ("status", "said", "advice"),
    [
        (401, "unauthorized", "HEROKU_API_KEY is wrong, expired or revoked.*authorizations:create"),
        (402, "verification_required", "needs a payment method"),
        (403, "forbidden", "an owner can let it: `heroku access:add`"),
        (403, "two_factor", "makes one that needs no second factor"),
        (404, "not_found", "look at HEROKU_APP_STAGING"),
        (422, "invalid_params", "delivery setup heroku"),
    ],
)
def test_each_refusal_says_what_to_do(status: int, said: str, advice: str) -> None:
    with scripted(Reply(status, {"id": said, "message": "No."})) as script:
        with pytest.raises(PlatformError, match=rf"answered {status} \({said}: No\.\); .*{advice}"):
            platform(script.url).releases("production")
        assert len(script.received) == 1


def test_a_list_in_pages_is_read_to_its_end_and_one_without_end_is_not() -> None:
    pages = [Reply(206, [1], {"Next-Range": "id ]1.."}), Reply(200, [2])]
    with scripted(*pages) as script:
        assert heroku_api.everything(platform(script.url).api, "/x") == [1, 2]
        assert script.received[1].headers["range"] == "id ]1.."
    with scripted(pages[0]) as script:
        with pytest.raises(PlatformError, match="a list without end"):
            heroku_api.everything(platform(script.url).api, "/x")


def test_without_a_key_nothing_is_asked() -> None:
    with pytest.raises(DeliveryError, match="HEROKU_API_KEY is not set; .*authorizations:create"):
        deployer({})
    with pytest.raises(DeliveryError, match="DEPLOY_TARGET is 'azure'; known: heroku, kubernetes"):
        deployer({"DEPLOY_TARGET": "azure"})


def test_the_apps_may_have_other_names() -> None:
    apps = heroku_apps({"HEROKU_APP_PRODUCTION": "mltrading", "HEROKU_APP_GREEN": ""})
    assert apps == {
        "staging": "mltrading-staging",
        "green": "mltrading-green",
        "production": "mltrading",
    }


def test_the_smoke_test_of_a_delivery_goes_to_the_address_heroku_tells(
    on: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SMOKE_HOST connects to the fake, which routes by the name of the app; its site is too small
    for the real smoke test, which says so instead of the clock running out."""
    time = Time()
    for name in ("SLACK_WEBHOOK", "SMTP_URL", "PAGERDUTY_KEY"):
        monkeypatch.delenv(name, raising=False)
    environment = {"HEROKU_API_KEY": KEY, "HEROKU_API_URL": on.fake.url, "SMOKE_HOST": on.fake.url}
    world = delivery(environment, time.clock())
    with pytest.raises(
        DeliveryError, match=r"https://mltrading-green-\w+\.herokuapp\.com does not"
    ):
        promote(world, NEW)
    assert on.runs("production") != NEW


def test_a_verb_ends_with_one_line_and_exit_code_1(
    on: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HEROKU_API_KEY", KEY)
    monkeypatch.setenv("HEROKU_API_URL", on.fake.url)
    monkeypatch.delenv("GITHUB_SHA", raising=False)
    assert main(["promote", "production", "--commit", "f" * 40]) == 1
    said = capsys.readouterr().err
    assert said.startswith("delivery: staging has no release of ffffffffffff") and said[-1] == "\n"
    assert said.count("\n") == 1
    assert main(["rollback", "production", "--to", "v77"]) == 1
    assert "there is no release 'v77'" in capsys.readouterr().err


def test_waiting_ends_at_its_deadline_with_what_was_waited_for() -> None:
    time = Time()
    with pytest.raises(DeliveryError, match="waited 10 s in vain: the moon"):
        poll(lambda: None, "the moon", 10, time.clock(), pause=4)
    assert time.now == 10
    assert poll(lambda: 0, "nothing", 10, Clock(sleep=time.sleep)) == 0


def test_a_release_that_never_leaves_its_release_phase_is_given_up() -> None:
    world = World()
    app = world.add_app("mltrading-prod")
    world.release(app, world.slug(NEW), "Deploy", at_once=True)
    pending = records.release(app, world.release(app, world.slug("b" * 40), "Rollback to v1"))
    with scripted(Reply(200, pending)) as script:
        heroku = platform(script.url)
        with pytest.raises(DeliveryError, match="waited 900 s in vain: the release phase of x"):
            heroku._wait.settled("x", pending["id"])


def test_a_promotion_that_is_not_allowed_says_why() -> None:
    target = {"status": "failed", "error_message": "User does not have access", "release": None}
    with scripted(Reply(200, [{"status": "pending"}]), Reply(200, [target])) as script:
        with pytest.raises(PlatformError, match="promotion to x failed: User does not have access"):
            platform(script.url)._wait.promoted("x", "1")
        assert len(script.received) == 2


def test_a_release_is_up_when_all_its_processes_are(on: Stage) -> None:
    on.world.apps["mltrading-green"].formation = {"web": (2, "Basic"), "worker": (1, "Basic")}
    promote(on.delivery(), NEW)
    looks = on.fake.calls.count(("GET", "/apps/mltrading-green/dynos"))
    assert looks == 2, "starting at the first look, up at the second"


# The judge of the fake: it would be worth nothing if it let everything pass.


def test_the_judge_refuses_what_the_api_description_does_not_allow() -> None:
    link = found("GET", "/apps/x/releases/1")[0]
    world = World()
    app = world.add_app("mltrading-prod")
    good = records.release(app, app.releases[0])
    assert reply_problems(link, good) == []
    for change in ({"status": "successful"}, {"id": "x"}, {"version": "4"}, {"user": {"id": "x"}}):
        assert reply_problems(link, {**good, **change}) != [], change
    assert reply_problems(link, {**good, "statuz": 1}) == ["unknown name statuz"]


def test_the_judge_refuses_requests_that_lack_what_is_required() -> None:
    links = found("POST", "/apps/x/releases")
    assert request_problems(links, {"release": "01234567-89ab-cdef-0123-456789abcdef"}) == []
    assert request_problems(links, {"release": "v3"}) != []
    assert request_problems(links, {}) != []
    assert request_problems(found("POST", "/pipeline-promotions"), {"targets": []}) != []
    assert found("POST", "/apps/x/promotions") == []


def test_what_is_created_is_answered_with_201() -> None:
    assert [one.status for one in found("POST", "/pipeline-promotions")] == [201]
    assert [one.status for one in found("GET", "/apps/x")] == [200]
