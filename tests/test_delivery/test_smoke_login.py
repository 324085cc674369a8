"""The smoke test of a release where users sign in: it looks from outside, then signs in, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from delivery.__main__ import main
from delivery.errors import SmokeFailed
from delivery.smoke import WRONG_ROUNDS, smoke
from delivery.smoke_checks import CHECKS
from delivery.smoke_login import Account, account_of
from tests.database_fixtures import execute
from tests.test_delivery.releases import COMMIT, Fault, Release, Sent, headed, listening, said
from tests.test_delivery.signing import EMAIL, PASSWORD, SITE, make_account, staging
from tests.test_delivery.smoke_faults import on
from tests.test_delivery.smoke_stage import Time, deploy, failed_checks

pytestmark = pytest.mark.database

NAMES = [name for name, _ in CHECKS]


@pytest.fixture(scope="module")
def application(small_market_url: str, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    make_account(small_market_url)
    return staging(small_market_url, tmp_path_factory.mktemp("staging"))


@pytest.fixture
def release(application: Flask) -> Release:
    return Release(application)


@pytest.fixture
def address(release: Release) -> Iterator[str]:
    with listening(release) as address:
        yield address


@pytest.fixture
def account() -> Account:
    return Account(EMAIL, PASSWORD)


@pytest.fixture
def begun(small_market_url: str) -> Callable[[], int]:
    """How many sessions have begun since the test did."""

    def count() -> int:
        ((found,),) = execute(
            small_market_url, "SELECT count(*) FROM audit WHERE action = 'session.begin'"
        )
        assert isinstance(found, int)
        return found

    before = count()
    return lambda: count() - before


def check(address: str, account: Account | None, **given: Any) -> list[str]:
    """The names of what passed, or SmokeFailed; without a real second of waiting."""
    asked: dict[str, Any] = {"commit": COMMIT, "wait_seconds": 60.0, "clock": Time().clock}
    done = smoke(SITE, account=account, **{**asked, "host": address, **given})
    return [one.name for one in done if one.passed]


def test_one_session_serves_all_rounds_and_the_next_smoke_test(
    begun: Callable[[], int],
    release: Release,
    address: str,
    account: Account,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert check(address, account, consecutive=3) == NAMES
    assert check(address, account) == NAMES
    assert begun() == 1
    assert release.hosts == {"mltrading.example"}
    printed = capsys.readouterr().out
    assert "/ leads to /login; 3 addresses behind it answer 401" in printed
    assert "the chart of" in printed
    assert PASSWORD not in printed and EMAIL not in printed + repr(account)


def test_a_session_that_is_refused_is_made_again(
    begun: Callable[[], int], small_market_url: str, address: str, account: Account
) -> None:
    assert check(address, account) == NAMES
    execute(small_market_url, "DELETE FROM sessions")  # an administrator ended them
    assert check(address, account) == NAMES
    assert begun() == 2


def without_in_cookie(part: str) -> Fault:
    def take(path: str, sent: Sent) -> Sent:
        lines = (line.replace(f"; {part}", "") for line in sent.cookies)
        return replace(sent, cookies=tuple(lines))

    return take


@pytest.mark.parametrize("part", ["HttpOnly", "Secure", "SameSite=Lax"])
def test_a_cookie_that_others_can_have_is_refused(
    release: Release, address: str, account: Account, part: str
) -> None:
    release.fault = without_in_cookie(part)
    with pytest.raises(SmokeFailed, match=f"expected {part} of the cookie __Host-session"):
        check(address, account)


def test_a_session_that_every_site_of_the_domain_could_plant_is_refused(
    release: Release, address: str, account: Account
) -> None:
    release.fault = lambda path, sent: replace(
        sent, cookies=tuple(line.replace("__Host-session", "session") for line in sent.cookies)
    )
    with pytest.raises(SmokeFailed, match="expected a cookie __Host-session after signing in"):
        check(address, account)


def answered(path: str, status: int, text: str = "", **headers: str) -> Fault:
    return on(path, lambda sent: headed(said(sent, text, status), **headers))


def opened(path: str) -> Fault:
    """An address that answers though nobody signed in."""

    def let_in(sent: Sent) -> Sent:
        return said(sent, "{}", 200, "application/json") if sent.status == 401 else sent

    return on(path, let_in)


def on_submit(change: Callable[[Sent], Sent]) -> Fault:
    """What answers the form that was sent, which alone leads to /."""
    return on("/login", lambda sent: change(sent) if sent.headers.get("Location") else sent)


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
    begun: Callable[[], int], address: str
) -> None:
    with pytest.raises(SmokeFailed) as caught:
        check(address, None)
    assert failed_checks(caught.value) == {"sign-in"}
    assert "expected SMOKE_EMAIL and SMOKE_PASSWORD to be set, found not both" in str(caught.value)
    assert begun() == 0


def test_a_wrong_password_is_said_without_it_and_tried_a_few_times_only(
    address: str, release: Release
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


def test_too_many_attempts_are_said(
    small_market_url: str, tmp_path: Path, account: Account
) -> None:
    make_account(small_market_url, "often@example.com")
    strict = Release(staging(small_market_url, tmp_path, attempts="1/300"))
    often = Account("often@example.com", PASSWORD)
    with listening(strict) as address:
        assert check(address, often) == NAMES
        often.cookies.clear()
        with pytest.raises(SmokeFailed, match=r"429: too often; again in (2\d\d|300) s"):
            check(address, often, wait_seconds=0)


def test_an_open_release_is_one_of_this_machine_alone(
    small_market_url: str, tmp_path: Path, account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    for _, here in deploy(small_market_url, tmp_path):
        assert smoke(here, commit=COMMIT, wait_seconds=0)
        assert "nobody signs in there (development on this machine)" in capsys.readouterr().out
        with pytest.raises(SmokeFailed, match="closed: expected / to lead to /login"):
            smoke(here, commit=COMMIT, wait_seconds=0, account=account)


def test_a_release_that_everybody_can_reach_is_never_open(release: Release, address: str) -> None:
    release.fault = answered("/", 200, "<p>welcome")
    with pytest.raises(SmokeFailed, match="closed: expected / to lead to /login"):
        check(address, None, wait_seconds=0)


def test_the_command_signs_in_as_the_environment_says(
    begun: Callable[[], int],
    address: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ["smoke", SITE, "--host", address, "--commit", COMMIT, "--wait", "0"]
    monkeypatch.setenv("SMOKE_EMAIL", EMAIL)
    monkeypatch.setenv("SMOKE_PASSWORD", PASSWORD)
    assert main(words) == 0
    assert begun() == 1
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
