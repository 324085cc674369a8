"""Signing in at an OpenID provider that runs on loopback and really signs its tokens."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey

from mltrading.adapters.openid import OpenIdConnect
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.sealing import SecretKeySeals
from mltrading.domain.access import CONSOLE, Role
from mltrading.errors import ProviderUnavailable, SignInRefused, TooManyAttempts
from mltrading.services.identity import SignedIn
from mltrading.services.ports.openid import VerifiedClaims
from mltrading.utils.clock import SystemClock
from tests.identities import HOME, People
from tests.openid_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    FIRST_KEY,
    REDIRECT_URI,
    SECOND_KEY,
    Claims,
    Provider,
    handmade,
    new_key,
    running_provider,
    signed,
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


LIES: dict[str, Claims] = {
    "another issuer": {"iss": "https://evil.example"},
    "issuer with a slash": {"iss": "ADDRESS/"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "another-client"},
    "other audiences": {"aud": ["another-client", "third"]},
    "audience of two without authorized party": {"aud": [CLIENT_ID, "another-client"]},
    "another authorized party": {"azp": "another-client"},
    "audience of another type": {"aud": {"mltrading": 1}},
    "another nonce": {"nonce": "x" * 43},
    "no nonce": {"nonce": None},
    "empty nonce": {"nonce": ""},
    "expired": {"exp": -61},
    "no expiry": {"exp": None},
    "expiry of another type": {"exp": "tomorrow"},
    "expiry that never comes": {"exp": float("nan")},
    "issued in the future": {"iat": 120},
    "no time of issue": {"iat": None},
    "not valid yet": {"nbf": 120},
    "nobody": {"sub": None},
    "an empty name": {"sub": ""},
    "a name of another type": {"sub": 7},
    "a name with a line break": {"sub": "p-1\n"},
    "a name without end": {"sub": "p" * 256},
}


def changed(true: Claims, change: Claims, address: str) -> Claims:
    """The claims with the change: None leaves one out, whole numbers are seconds from now."""
    told = {**true, **change}
    for name, value in change.items():
        if name in ("exp", "iat", "nbf") and isinstance(value, int):
            told[name] = int(time.time()) + value
        elif isinstance(value, str):
            told[name] = value.replace("ADDRESS", address)
    return {name: value for name, value in told.items() if value is not None}


@pytest.mark.parametrize("lie", LIES)
def test_token_that_lies_is_refused(people: People, provider: Provider, lie: str) -> None:
    provider.claims = lambda true: changed(true, LIES[lie], provider.address)
    refused(people, "can not be trusted")
    provider.claims = lambda true: true
    assert sign_in(people)


@pytest.mark.parametrize("verified", [False, None, "false", "true", 1, [True]])
@pytest.mark.parametrize("thin", [False, True])
def test_address_that_is_not_verified(
    people: People, provider: Provider, verified: object, thin: bool
) -> None:
    people.add("ann", "admin")
    provider.thin = thin
    provider.person["email_verified"] = verified
    refused(people, "not verified")
    del provider.person["email_verified"]
    refused(people, "not verified")


@pytest.mark.parametrize("email", [None, 7, "", "no address", "\u212aate@example.com", "a@b@c.d"])
def test_address_that_is_none(people: People, provider: Provider, email: object) -> None:
    people.add("kate", "admin")
    provider.person["email"] = email
    refused(people, "not verified|no account")


def public_pem() -> bytes:
    return FIRST_KEY.as_pem(private=False)


def public_json() -> bytes:
    return json.dumps(FIRST_KEY.as_dict(private=False)).encode()


FORGERIES: dict[str, Any] = {
    "alg none": lambda claims: handmade(claims, "none", "first", None),
    "alg None": lambda claims: handmade(claims, "None", "first", None),
    "no signature": lambda claims: handmade(claims, "RS256", "first", None),
    "HS256 with the public key": lambda claims: handmade(claims, "HS256", "first", public_pem()),
    "HS256 with the key set": lambda claims: handmade(claims, "HS256", "first", public_json()),
    "HS256 with the client secret": lambda claims: handmade(
        claims, "HS256", "first", CLIENT_SECRET.encode()
    ),
    "a key of that name that is not the provider's": lambda claims: signed(
        claims, SECOND_KEY, header={"alg": "RS256", "kid": "first"}
    ),
    "unknown key": lambda claims: signed(claims, SECOND_KEY),
    "another's key without a name": lambda claims: signed(
        claims, SECOND_KEY, header={"alg": "RS256"}
    ),
    "a key that the token brings": lambda claims: signed(
        claims,
        SECOND_KEY,
        header={"alg": "RS256", "kid": "first", "jwk": SECOND_KEY.as_dict(private=False)},
    ),
    "another kind of key": lambda claims: signed(
        claims, new_key("first", ECKey), "ES256", {"alg": "ES256", "kid": "first"}
    ),
    "changed after signing": lambda claims: _changed(signed(claims, FIRST_KEY)),
    "no token": lambda claims: "none",
    "empty": lambda claims: "",
    "no JSON": lambda claims: "a.b.c",
    "five parts": lambda claims: "a.b.c.d.e",
    "not ASCII": lambda claims: "\u00e9.\u00e9.\u00e9",
}


def _changed(token: str) -> str:
    head, _, signature = token.split(".")
    other = handmade({"iss": "x", "sub": "admin"}, "RS256", "first", None).split(".")[1]
    return f"{head}.{other}.{signature}"


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_token_is_refused(people: People, provider: Provider, forgery: str) -> None:
    provider.sign = FORGERIES[forgery]
    refused(people, "can not be trusted")
    provider.sign = None
    assert sign_in(people)


@pytest.mark.parametrize(
    "change",
    [
        {"aud": [CLIENT_ID]},
        {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID},
        {"azp": CLIENT_ID},
        {"amr": ["pwd", "otp"], "auth_time": 1},
        {"exp": -30},
        {"iat": 30},
    ],
    ids=str,
)
def test_what_is_allowed_is_believed(
    people: People, provider: Provider, change: dict[str, Any]
) -> None:
    provider.claims = lambda claims: changed(claims, change, provider.address)
    assert sign_in(people)


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "ES256"])
def test_other_algorithms(people: People, provider: Provider, algorithm: str) -> None:
    provider.algorithm = algorithm
    if algorithm == "ES256":
        provider.keys = [new_key("curve", ECKey)]
    assert sign_in(people)


def test_client_that_names_itself_in_the_form(people: People, provider: Provider) -> None:
    provider.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    assert sign_in(people)


def test_key_without_a_name_is_found(people: People, provider: Provider) -> None:
    provider.keys = [SECOND_KEY, FIRST_KEY]
    provider.sign = lambda claims: signed(claims, FIRST_KEY, header={"alg": "RS256"})
    assert sign_in(people)


def test_keys_are_asked_for_once_and_again_for_a_new_one(
    people: People, provider: Provider
) -> None:
    for _ in range(3):
        sign_in(people)
    assert provider.asked.count("/keys") == 1
    assert provider.asked.count("/.well-known/openid-configuration") == 1
    provider.keys = [SECOND_KEY]
    sign_in(people)
    sign_in(people)
    assert provider.asked.count("/keys") == 2


def test_key_that_was_withdrawn_is_forgotten_after_an_hour(
    database: Database, provider: Provider
) -> None:
    now = [0.0]
    client = OpenIdConnect(
        provider.address, CLIENT_ID, CLIENT_SECRET, SystemClock(), lambda: now[0]
    )
    people = People(database, provider=client, provider_role=Role.VIEWER)
    sign_in(people)
    provider.keys = [SECOND_KEY]
    provider.sign = lambda claims: signed(claims, FIRST_KEY)
    now[0] = 3601.0
    with pytest.raises(SignInRefused, match="unknown key"):
        sign_in(people)


def test_short_rsa_keys_are_none(people: People, provider: Provider) -> None:
    short = FIRST_KEY.as_dict(private=False) | {"n": str(FIRST_KEY.as_dict()["n"])[:170]}
    provider.answers["/keys"] = (200, {}, json.dumps({"keys": [short]}).encode())
    refused(people, "unknown key")


def test_address_may_be_told_at_user_info_alone(people: People, provider: Provider) -> None:
    provider.thin = True
    assert sign_in(people).actor.email == "ann@example.com"
    other = json.dumps({**provider.person, "sub": "p-2"}).encode()
    provider.answers["/userinfo"] = (200, {}, other)
    with pytest.raises(SignInRefused, match="another person"):
        sign_in(people)


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


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(
    "iss sub aud exp iat nbf nonce azp at_hash amr auth_time acr email email_verified jti".split()
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(wild=st.dictionaries(NAMES, JSON, min_size=1, max_size=4))
def test_claims_of_any_shape_are_judged(provider: Provider, wild: Claims) -> None:
    client = OpenIdConnect(provider.address, CLIENT_ID, CLIENT_SECRET, SystemClock())
    provider.claims = lambda claims: {**claims, **wild}
    verifier = "v" * 48
    url = client.authorization_url(REDIRECT_URI, "s" * 43, "n" * 43, verifier)
    back = requests.get(url, allow_redirects=False, timeout=10).headers["Location"]
    code = dict(parse_qsl(urlsplit(back).query))["code"]
    try:
        claims = client.exchange(code, REDIRECT_URI, "n" * 43, verifier)
    except SignInRefused:
        return
    told = wild.get("sub", "p-1"), wild.get("email", "ann@example.com")
    assert claims == VerifiedClaims(provider.address, *told)
    assert wild.get("email_verified", True) is True


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sealed=st.text(), answer=st.dictionaries(st.text(), st.text(), max_size=3))
def test_nothing_that_comes_back_breaks_it(
    people: People, sealed: str, answer: dict[str, str]
) -> None:
    with pytest.raises(SignInRefused):
        people.identity.finish_openid(sealed, answer, HOME)


PATHS = ["/.well-known/openid-configuration", "/keys", "/token", "/userinfo"]
FAULTS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "error": (500, {}, b"{}"),
    "not there": (404, {}, b"<html>"),
    "no JSON": (200, {}, b"<html>"),
    "a list": (200, {}, b"[]"),
    "half": (200, {"Content-Length": "9999"}, b"{"),
    "elsewhere": (302, {"Location": "http://127.0.0.1:1/"}, b""),
    "to itself": (307, {"Location": "/keys"}, b""),
    "without end": (200, {}, b" " * (300 * 1024)),
    "packed": (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path", PATHS)
def test_provider_that_does_not_answer_as_one(
    people: People, provider: Provider, path: str, fault: str
) -> None:
    provider.thin = True
    provider.answers[path] = FAULTS[fault]
    with pytest.raises(ProviderUnavailable, match="127.0.0.1: it"):
        sign_in(people)
    del provider.answers[path]
    assert sign_in(people)


@pytest.mark.parametrize(
    "metadata, told",
    [
        ({"issuer": "https://evil.example"}, "calls itself 'https://evil.example'"),
        ({"issuer": None}, "calls itself"),
        ({"token_endpoint": None}, "token_endpoint"),
        ({"token_endpoint": "http://evil.example/token"}, "token_endpoint"),
        ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri"),
        ({"jwks_uri": 7}, "jwks_uri"),
        ({"authorization_endpoint": "javascript:alert(1)"}, "authorization_endpoint"),
        ({"authorization_endpoint": "https://[bad"}, "authorization_endpoint"),
    ],
)
def test_provider_that_describes_itself_wrongly(
    people: People, provider: Provider, metadata: dict[str, Any], told: str
) -> None:
    provider.metadata = metadata
    with pytest.raises(ProviderUnavailable, match=told):
        people.identity.begin_openid(NEXT, REDIRECT_URI)
    assert provider.asked == ["/.well-known/openid-configuration"]


def test_provider_that_is_away(people: People, provider: Provider, database: Database) -> None:
    client = OpenIdConnect("http://127.0.0.1:1", CLIENT_ID, CLIENT_SECRET, SystemClock())
    with pytest.raises(ProviderUnavailable, match="does not answer"):
        client.authorization_url(REDIRECT_URI, "s", "n", "v")


def test_wrong_client_secret_is_told(database: Database, provider: Provider) -> None:
    client = OpenIdConnect(provider.address, CLIENT_ID, "wrong", SystemClock())
    people = People(database, provider=client, provider_role=Role.VIEWER)
    refused(people, "invalid_client")
