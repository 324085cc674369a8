"""Signing in at an OpenID provider that runs on loopback and really signs its tokens."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mltrading.adapters.openid import OpenIdConnect
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.sealing import SecretKeySeals
from mltrading.domain.access import CONSOLE, Role
from mltrading.errors import SignInRefused, TooManyAttempts
from mltrading.services.identity import SignedIn
from mltrading.utils.clock import SystemClock
from tests.identities import HOME, People
from tests.openid_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    REDIRECT_URI,
    Provider,
    running_provider,
)

NEXT = "/charts?symbol=AAPL"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture
def people(database: Database, provider: Provider) -> People:
    client = OpenIdConnect(provider.address, CLIENT_ID, CLIENT_SECRET, SystemClock())
    return People(database, provider=client, provider_role=Role.VIEWER)


def went_there(people: People) -> tuple[str, dict[str, str]]:
    """The note in the cookie, and the query with which the browser comes back."""
    begun = people.identity.begin_openid(NEXT, REDIRECT_URI)
    answer = requests.get(begun.url, allow_redirects=False, timeout=10)
    back = urlsplit(answer.headers["Location"])
    assert back._replace(query="").geturl() == REDIRECT_URI
    return begun.sealed, dict(parse_qsl(back.query))


def sign_in(people: People) -> SignedIn:
    sealed, answer = went_there(people)
    signed_in, next_path = people.identity.finish_openid(sealed, answer, HOME)
    assert next_path == NEXT
    return signed_in


def refused(people: People, match: str) -> None:
    with pytest.raises(SignInRefused, match=match):
        sign_in(people)
    assert people.run("SELECT count(*) FROM sessions") == [(0,)]


def test_a_person_of_the_provider_signs_in(people: People) -> None:
    signed_in = sign_in(people)
    assert people.identity.actor(signed_in.token) == signed_in.actor
    assert (signed_in.actor.email, signed_in.actor.role) == ("ann@example.com", Role.VIEWER)
    [(actor, outcome, target, details)] = people.trail_of("session.begin")
    assert (actor, outcome, target) == (signed_in.actor.id, "done", signed_in.actor.session)
    assert '"openid"' in details
    assert people.trail_of("user.add")[0][2:] == (
        actor,
        '{"by": "provider", "role": "viewer"}',
    )


def test_the_same_person_has_one_account_whatever_the_address(
    people: People, provider: Provider
) -> None:
    first = sign_in(people).actor
    provider.person["email"] = "ann.married@example.com"
    assert sign_in(people).actor.id == first.id
    provider.person |= {"sub": "p-2", "email": "bob@example.com"}
    assert sign_in(people).actor.id != first.id
    assert people.run("SELECT count(*) FROM users") == [(2,)]


def test_account_of_the_verified_address_is_linked(people: People, provider: Provider) -> None:
    people.add("ann", "analyst")
    provider.person["email"] = "Ann@Example.com"
    assert sign_in(people).actor.id == "ann"
    assert people.trail_of("user.vouch") == [("ann", "done", "ann", "{}")]
    assert people.run("SELECT issuer, issuer_subject FROM users") == [(provider.address, "p-1")]
    assert sign_in(people).actor.id == "ann"
    assert len(people.trail_of("user.vouch")) == 1
    assert people.sign_in("ann")


@pytest.mark.parametrize("issuer", ["https://other.example", "same"])
def test_account_that_is_linked_otherwise_is_not_taken(
    people: People, provider: Provider, issuer: str
) -> None:
    people.add("ann")
    people.run(
        "UPDATE users SET issuer = %s, issuer_subject = 'another'",
        (provider.address if issuer == "same" else issuer,),
    )
    refused(people, "somebody else's")


def test_stranger_gets_no_account_where_none_is_made(
    database: Database, provider: Provider
) -> None:
    client = OpenIdConnect(provider.address, CLIENT_ID, CLIENT_SECRET, SystemClock())
    people = People(database, provider=client)
    refused(people, "no account here")
    assert people.run("SELECT count(*) FROM users") == [(0,)]
    people.add("ann")
    assert sign_in(people).actor.id == "ann"


def test_disabled_account_stays_out(people: People) -> None:
    people.add("root", "admin")
    account = sign_in(people).actor.id
    people.accounts.disable(CONSOLE, account, HOME)
    refused(people, "disabled")
    people.run("UPDATE users SET issuer = NULL, issuer_subject = NULL")
    refused(people, "disabled")
    assert people.run("SELECT count(*) FROM users WHERE issuer IS NOT NULL") == [(0,)]


def test_administrator_of_the_provider_has_every_right(people: People) -> None:
    people.add("ann", "admin")
    actor = sign_in(people).actor
    assert not people.identity.needs_totp(actor)
    assert actor.permissions == Role.ADMIN.permissions
    assert people.identity.needs_totp(people.sign_in("ann").actor)


def test_refusals_name_nobody_in_the_trail(people: People, provider: Provider) -> None:
    people.add("ann")
    people.run("UPDATE users SET issuer = 'https://other.example', issuer_subject = 'y'")
    refused(people, "somebody else's")
    refused(people, "somebody else's")
    first, second = people.trail_of("session.begin")
    assert first == second and first[:2] == ("anonymous", "refused")
    assert "ann@" not in people.everything() and "p-1" not in people.everything()


def test_provider_is_named_by_its_host(people: People, database: Database) -> None:
    assert people.identity.provider == "127.0.0.1"
    without = People(database)
    assert without.identity.provider is None
    with pytest.raises(SignInRefused, match="password"):
        without.identity.begin_openid(NEXT, REDIRECT_URI)


@pytest.mark.parametrize("email", [None, 7, "", "no address", "\u212aate@example.com", "a@b@c.d"])
def test_address_that_is_none(people: People, provider: Provider, email: object) -> None:
    people.add("kate", "admin")
    provider.person["email"] = email
    refused(people, "not verified|no account")


def test_code_is_good_once(people: People) -> None:
    sealed, answer = went_there(people)
    people.identity.finish_openid(sealed, answer, HOME)
    with pytest.raises(SignInRefused, match="invalid_grant"):
        people.identity.finish_openid(sealed, answer, HOME)


def test_code_of_another_sign_in_is_refused(people: People) -> None:
    mine, answer = went_there(people)
    _, stolen = went_there(people)
    with pytest.raises(SignInRefused, match="not to this sign-in"):
        people.identity.finish_openid(mine, stolen, HOME)
    with pytest.raises(SignInRefused, match="invalid_grant"):
        people.identity.finish_openid(mine, {**answer, "code": stolen["code"]}, HOME)


@pytest.mark.parametrize(
    "answer, told",
    [
        ({}, "not to this sign-in"),
        ({"state": ""}, "not to this sign-in"),
        ({"state": "\ud800"}, "not to this sign-in"),
        ({"code": "", "state": "SAME"}, "can not be trusted"),
        ({"code": "a\nb", "state": "SAME"}, "can not be trusted"),
        ({"code": "x" * 5000, "state": "SAME"}, "can not be trusted"),
        ({"code": "guess", "state": "SAME"}, "invalid_grant"),
        ({"error": "access_denied", "state": "SAME"}, r"\(access_denied\)"),
        ({"error": "<b>no</b>", "state": "SAME"}, "does not say why"),
        ({"code": "x", "state": "SAME", "iss": "https://evil.example"}, "another provider"),
    ],
)
def test_wrong_answer(people: People, answer: dict[str, str], told: str) -> None:
    sealed, right = went_there(people)
    given = {name: right["state"] if value == "SAME" else value for name, value in answer.items()}
    with pytest.raises(SignInRefused, match=told):
        people.identity.finish_openid(sealed, given, HOME)
    [(_, outcome, target, _)] = people.trail_of("session.begin")
    assert (outcome, target) == ("refused", "provider")


def test_note_is_good_for_ten_minutes(people: People) -> None:
    sealed, answer = went_there(people)
    people.clock.wait(601)
    with pytest.raises(SignInRefused, match="too long"):
        people.identity.finish_openid(sealed, answer, HOME)


def test_note_says_where_to_go_until_it_is_too_old(people: People) -> None:
    sealed, _ = went_there(people)
    assert people.identity.openid_place(sealed) == NEXT
    people.clock.wait(601)
    assert people.identity.openid_place(sealed) == people.identity.openid_place("") == "/"


def test_note_of_another_key_or_purpose(people: People) -> None:
    sealed, answer = went_there(people)
    foreign = SecretKeySeals("another key " * 4, people.clock)
    for note in (
        foreign.seal("openid sign-in", "{}"),
        people.seals.seal("second factor ann", "{}"),
        sealed[:-4] + "AAAA",
        "",
        sealed * 20,
    ):
        with pytest.raises(SignInRefused, match="another browser"):
            people.identity.finish_openid(note, answer, HOME)


def test_note_shows_nothing_of_what_it_holds(people: People) -> None:
    begun = people.identity.begin_openid(NEXT, REDIRECT_URI)
    state = dict(parse_qsl(urlsplit(begun.url).query))["state"]
    assert state not in begun.sealed and "AAPL" not in begun.sealed
    assert begun.sealed not in repr(begun)


@pytest.mark.parametrize("length, kept", [(1500, True), (4000, False)])
def test_way_that_no_cookie_could_hold_is_forgotten(
    people: People, length: int, kept: bool
) -> None:
    wanted = f"/charts?symbol={'A' * length}"
    begun = people.identity.begin_openid(wanted, REDIRECT_URI)
    assert len(begun.sealed) <= 3800
    back = urlsplit(requests.get(begun.url, allow_redirects=False, timeout=10).headers["Location"])
    _, next_path = people.identity.finish_openid(begun.sealed, dict(parse_qsl(back.query)), HOME)
    assert next_path == (wanted if kept else "/")


def test_address_that_tries_too_often(database: Database, provider: Provider) -> None:
    client = OpenIdConnect(provider.address, CLIENT_ID, CLIENT_SECRET, SystemClock())
    people = People(database, provider=client, provider_role=Role.VIEWER, by_address=(2, 300))
    for _ in range(2):
        with pytest.raises(SignInRefused):
            people.identity.finish_openid("", {}, HOME)
    asked = len(provider.asked)
    with pytest.raises(TooManyAttempts):
        people.identity.finish_openid("", {}, HOME)
    assert len(provider.asked) == asked


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sealed=st.text(), answer=st.dictionaries(st.text(), st.text(), max_size=3))
def test_nothing_that_comes_back_breaks_it(
    people: People, sealed: str, answer: dict[str, str]
) -> None:
    with pytest.raises(SignInRefused):
        people.identity.finish_openid(sealed, answer, HOME)
