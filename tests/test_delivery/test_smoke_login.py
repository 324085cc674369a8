"""The smoke test of a release where users sign in: it looks from outside, then signs in, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from delivery.__main__ import main
from delivery.errors import SmokeFailed
from delivery.smoke import WRONG_ROUNDS, smoke
from delivery.smoke_checks import CHECKS
from delivery.smoke_login import Account, account_of
from mltrading.app import create_app
from mltrading.settings import load_settings
from tests.test_delivery.door import EMAIL, PASSWORD, Door
from tests.test_delivery.releases import COMMIT, Fault, Release, Sent, headed, listening, said
from tests.test_delivery.test_smoke import Time, failed_checks, on

pytestmark = pytest.mark.database

NAMES = [name for name, _ in CHECKS]
SITE = "https://mltrading.example"


@pytest.fixture(scope="module")
def application(small_market_url: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLTRADING_HOME", str(tmp_path_factory.mktemp("deployed")))
        patch.setenv("ENVIRONMENT", "development")
        return create_app(load_settings(), small_market_url).server


@pytest.fixture
def door(application: Any) -> Door:
    return Door(application)


@pytest.fixture
def release(door: Door) -> Release:
    return Release(door)


@pytest.fixture
def address(release: Release) -> Iterator[str]:
    with listening(release) as address:
        yield address


@pytest.fixture
def account() -> Account:
    return Account(EMAIL, PASSWORD)


def check(address: str, account: Account | None, **given: Any) -> list[str]:
    """The names of what passed, or SmokeFailed; without a real second of waiting."""
    asked: dict[str, Any] = {"commit": COMMIT, "wait_seconds": 60.0, "clock": Time().clock}
    done = smoke(address, account=account, **{**asked, **given})
    return [one.name for one in done if one.passed]


def test_one_session_serves_all_rounds_and_the_next_smoke_test(
    door: Door, address: str, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check(address, account, consecutive=3) == NAMES
    assert check(address, account) == NAMES
    assert door.signed_in == 1
    printed = capsys.readouterr().out
    assert "/ leads to /login; 3 addresses behind it answer 401" in printed
    assert "the chart of" in printed
    assert PASSWORD not in printed and EMAIL not in printed + repr(account)


def test_a_session_that_is_refused_is_made_again(
    door: Door, address: str, account: Account
) -> None:
    assert check(address, account) == NAMES
    door.sessions.clear()  # another database answers, or an administrator ended them
    assert check(address, account) == NAMES
    assert door.signed_in == 2


def test_a_site_of_a_name_must_give_a_cookie_that_stays_with_it(
    door: Door, release: Release, address: str, account: Account
) -> None:
    assert check(SITE, account, host=address) == NAMES
    assert list(account.cookies) == ["_csrf_token", "__Host-session"]
    assert release.hosts == {"mltrading.example"}


@pytest.mark.parametrize("part", ["HttpOnly", "Secure", "SameSite=Lax"])
def test_a_cookie_that_others_can_have_is_refused(
    door: Door, address: str, account: Account, part: str
) -> None:
    door.missing = part
    with pytest.raises(SmokeFailed, match=f"expected {part} of the cookie __Host-session"):
        check(SITE, account, host=address)


def answered(path: str, status: int, text: str = "", **headers: str) -> Fault:
    return on(path, lambda sent: headed(said(sent, text, status), **headers))


def opened(path: str) -> Fault:
    """An address that answers though nobody signed in."""

    def let_in(sent: Sent) -> Sent:
        return said(sent, "{}", 200, "application/json") if sent.status == 401 else sent

    return on(path, let_in)


def on_submit(change: Callable[[Sent], Sent]) -> Fault:
    """What answers the form that was sent, which alone leads to /."""
    moved = {"Location": "/"}.items()
    return on("/login", lambda sent: change(sent) if moved <= sent.headers.items() else sent)


FAULTS: dict[str, tuple[Fault, str, str]] = {
    "a page for everybody": (
        answered("/", 200, "<p>welcome"), "closed", "the page itself, for everybody",
    ),
    "a page that leads elsewhere": (
        answered("/", 302, location="https://elsewhere.example/in"), "closed", "302: https://else",
    ),
    "a page that is refused without a way": (answered("/", 401, "no"), "closed", "401: no"),
    "the layout for everybody": (opened("/_dash-layout"), "closed", "401 from /_dash-layout"),
    "the list of callbacks for everybody": (
        opened("/_dash-dependencies"), "closed", "401 from /_dash-dependencies",
    ),
    "callbacks for everybody": (
        opened("/_dash-update-component"), "closed", "401 from /_dash-update-component",
    ),
    "no form": (answered("/login", 404, "Not found"), "sign-in", "404"),
    "a form without a password": (
        on("/login", lambda s: said(s, s.body.replace(b"login-password", b"x"))),
        "sign-in", 'id="login-password"',
    ),
    "a form that is text": (
        on("/login", lambda s: said(s, s.body, kind="text/plain")), "sign-in", "found text/plain",
    ),
    "signing in breaks": (
        on_submit(lambda s: said(s, "Internal Server Error", 500)), "sign-in", "found 500",
    ),
    "signing in leads to the form again": (
        on_submit(lambda s: headed(s, location="/login")), "sign-in", "lead whoever signed in to /",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("fault", "caught_by", "words"), FAULTS.values(), ids=FAULTS)
def test_a_fault_is_caught_by_its_check(
    release: Release, address: str, account: Account, fault: Fault, caught_by: str, words: str
) -> None:
    release.fault = fault
    with pytest.raises(SmokeFailed) as caught:
        check(address, account, wait_seconds=0)
    assert caught_by in failed_checks(caught.value)
    assert words in str(caught.value)


def test_signing_in_that_starts_late_is_waited_for(
    release: Release, address: str, account: Account
) -> None:
    time = Time()
    ready = time.now + 7
    late = answered("/login", 503, "no process")
    release.fault = lambda path, sent: late(path, sent) if time.now < ready else sent
    assert check(address, account, clock=time.clock) == NAMES


def test_without_an_account_it_fails_and_says_which_secrets_are_missing(
    door: Door, address: str
) -> None:
    with pytest.raises(SmokeFailed) as caught:
        check(address, None)
    assert failed_checks(caught.value) == {"sign-in"}
    assert "expected SMOKE_EMAIL and SMOKE_PASSWORD to be set, found not both" in str(caught.value)
    assert door.signed_in == 0


def test_a_wrong_password_is_said_without_it_and_tried_a_few_times_only(
    door: Door, address: str, release: Release
) -> None:
    tries: list[str] = []

    def count(path: str, sent: Sent) -> Sent:
        tries.extend([path] if sent.status == 401 and path == "/login" else [])
        return sent

    release.fault = count
    with pytest.raises(SmokeFailed, match="401; is the account of SMOKE_EMAIL there") as caught:
        check(address, Account(EMAIL, "an old one, s3cret"))
    assert "s3cret" not in str(caught.value)
    assert len(tries) == WRONG_ROUNDS


def test_too_many_attempts_are_said(door: Door, address: str, account: Account) -> None:
    door.busy = True
    with pytest.raises(SmokeFailed, match="429: too often; again in 60 s"):
        check(address, account)


def test_an_open_release_is_one_of_this_machine_alone(
    application: Any, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    with listening(Release(application)) as address:
        assert check(address, None) == NAMES
        assert "nobody signs in there (development on this machine)" in capsys.readouterr().out
        for url, who in ((address, account), (SITE, None)):
            with pytest.raises(SmokeFailed, match="closed: expected / to lead to /login"):
                check(url, who, host=address)


def test_the_command_signs_in_as_the_environment_says(
    door: Door,
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["smoke", address, "--commit", COMMIT, "--wait", "0"]
    monkeypatch.setenv("SMOKE_EMAIL", EMAIL)
    monkeypatch.setenv("SMOKE_PASSWORD", PASSWORD)
    assert main(words) == 0
    assert door.signed_in == 1
    monkeypatch.setenv("SMOKE_PASSWORD", "")  # a secret that is not stored
    assert main(words) == 1
    said_all = capsys.readouterr()
    assert "SMOKE_EMAIL and SMOKE_PASSWORD to be set" in said_all.err
    assert PASSWORD not in said_all.out + said_all.err


def test_a_slot_is_asked_at_its_platforms_address(
    release: Release, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Platform:
        def url(self, slot: str) -> str:
            return f"https://{slot}.example"

    monkeypatch.setattr("delivery.platforms.deployer", lambda environment: Platform())
    monkeypatch.setenv("SMOKE_EMAIL", EMAIL)
    monkeypatch.setenv("SMOKE_PASSWORD", PASSWORD)
    words = ["smoke", "green", "--commit", COMMIT, "--wait", "0"]
    assert main([*words, "--host", address]) == 0
    assert release.hosts == {"green.example"}


def test_half_an_account_is_none() -> None:
    assert account_of({"SMOKE_EMAIL": EMAIL}) is None
    assert account_of({"SMOKE_PASSWORD": PASSWORD}) is None
    assert account_of({"SMOKE_EMAIL": f" {EMAIL} ", "SMOKE_PASSWORD": PASSWORD}) == Account(
        EMAIL, PASSWORD
    )


def test_every_fault_of_signing_in_has_its_check() -> None:
    assert {caught_by for _, caught_by, _ in FAULTS.values()} == {"closed", "sign-in"}
