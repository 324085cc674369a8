"""The OpenID client against a provider that runs on loopback, really signs its tokens, and lies."""

from __future__ import annotations

import gzip
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

from mltrading.adapters.openid import OpenIdConnect, http
from mltrading.errors import ProviderUnavailable, SignInRefused
from mltrading.services.ports.openid import VerifiedClaims
from mltrading.utils.clock import SystemClock
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

STATE, NONCE, VERIFIER = "s" * 43, "n" * 43, "v" * 64


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


def client_of(provider: Provider, secret: str = CLIENT_SECRET) -> OpenIdConnect:
    return OpenIdConnect(provider.address, CLIENT_ID, secret, SystemClock())


@pytest.fixture
def client(provider: Provider) -> OpenIdConnect:
    return client_of(provider)


def code_of(client: OpenIdConnect) -> str:
    """The code that the browser brings back."""
    url = client.authorization_url(REDIRECT_URI, STATE, NONCE, VERIFIER)
    back = urlsplit(requests.get(url, allow_redirects=False, timeout=10).headers["Location"])
    answer = dict(parse_qsl(back.query))
    assert answer["state"] == STATE
    return answer["code"]


def vouched(client: OpenIdConnect) -> VerifiedClaims:
    """Whom the provider vouches for."""
    return client.exchange(code_of(client), REDIRECT_URI, NONCE, VERIFIER)


def refused(client: OpenIdConnect, match: str) -> None:
    with pytest.raises(SignInRefused, match=match):
        vouched(client)


def test_the_provider_tells_who_signed_in(client: OpenIdConnect, provider: Provider) -> None:
    assert vouched(client) == VerifiedClaims(provider.address, "p-1", "ann@example.com")


@pytest.mark.parametrize("changed", ["nonce", "verifier", "redirect_uri"])
def test_code_fits_its_own_question_alone(client: OpenIdConnect, changed: str) -> None:
    told = {"redirect_uri": REDIRECT_URI, "nonce": NONCE, "code_verifier": VERIFIER}
    told["code_verifier" if changed == "verifier" else changed] += "x"
    with pytest.raises(SignInRefused, match="invalid_grant|invalid_claim"):
        client.exchange(code_of(client), **told)


LIES: dict[str, Claims] = {
    "another issuer": {"iss": "https://evil.example"},
    "issuer with a slash": {"iss": "ADDRESS/"},
    "no issuer": {"iss": None},
    "another audience": {"aud": "another-client"},
    "another audience by our party": {"aud": "another-client", "azp": CLIENT_ID},
    "another audience in a list": {"aud": ["another-client"], "azp": CLIENT_ID},
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
def test_token_that_lies_is_refused(client: OpenIdConnect, provider: Provider, lie: str) -> None:
    provider.claims = lambda true: changed(true, LIES[lie], provider.address)
    refused(client, "can not be trusted")
    provider.claims = lambda true: true
    assert vouched(client)


@pytest.mark.parametrize("verified", [False, None, "false", "true", 1, [True]])
@pytest.mark.parametrize("thin", [False, True])
def test_address_that_is_not_verified(
    client: OpenIdConnect, provider: Provider, verified: object, thin: bool
) -> None:
    provider.thin = thin
    provider.person["email_verified"] = verified
    refused(client, "not verified")
    del provider.person["email_verified"]
    refused(client, "not verified")


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
def test_forged_token_is_refused(client: OpenIdConnect, provider: Provider, forgery: str) -> None:
    provider.sign = FORGERIES[forgery]
    refused(client, "can not be trusted")
    provider.sign = None
    assert vouched(client)


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
    client: OpenIdConnect, provider: Provider, change: dict[str, Any]
) -> None:
    provider.claims = lambda claims: changed(claims, change, provider.address)
    assert vouched(client)


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "ES256"])
def test_other_algorithms(client: OpenIdConnect, provider: Provider, algorithm: str) -> None:
    provider.algorithm = algorithm
    if algorithm == "ES256":
        provider.keys = [new_key("curve", ECKey)]
    assert vouched(client)


def test_client_that_names_itself_in_the_form(client: OpenIdConnect, provider: Provider) -> None:
    provider.metadata["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    assert vouched(client)


def test_key_without_a_name_is_found(client: OpenIdConnect, provider: Provider) -> None:
    provider.keys = [SECOND_KEY, FIRST_KEY]
    provider.sign = lambda claims: signed(claims, FIRST_KEY, header={"alg": "RS256"})
    assert vouched(client)


def test_keys_are_asked_for_once_and_again_for_a_new_one(
    client: OpenIdConnect, provider: Provider
) -> None:
    for _ in range(3):
        vouched(client)
    assert provider.asked.count("/keys") == 1
    assert provider.asked.count("/.well-known/openid-configuration") == 1
    provider.keys = [SECOND_KEY]
    vouched(client)
    vouched(client)
    assert provider.asked.count("/keys") == 2


def test_key_that_was_withdrawn_is_forgotten_after_an_hour(provider: Provider) -> None:
    now = [0.0]
    client = OpenIdConnect(
        provider.address, CLIENT_ID, CLIENT_SECRET, SystemClock(), lambda: now[0]
    )
    vouched(client)
    provider.keys = [SECOND_KEY]
    provider.sign = lambda claims: signed(claims, FIRST_KEY)
    now[0] = 3599.0
    assert vouched(client)
    now[0] = 3601.0
    refused(client, "unknown key")


def test_short_rsa_keys_are_none(client: OpenIdConnect, provider: Provider) -> None:
    short = FIRST_KEY.as_dict(private=False) | {"n": str(FIRST_KEY.as_dict()["n"])[:170]}
    provider.answers["/keys"] = (200, {}, json.dumps({"keys": [short]}).encode())
    refused(client, "unknown key")


def test_address_may_be_told_at_user_info_alone(client: OpenIdConnect, provider: Provider) -> None:
    provider.thin = True
    assert vouched(client).email == "ann@example.com"
    other = json.dumps({**provider.person, "sub": "p-2"}).encode()
    provider.answers["/userinfo"] = (200, {}, other)
    with pytest.raises(SignInRefused, match="another person"):
        vouched(client)


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
def test_claims_of_any_shape_are_judged(
    client: OpenIdConnect, provider: Provider, wild: Claims
) -> None:
    provider.claims = lambda claims: {**claims, **wild}
    try:
        claims = vouched(client)
    except SignInRefused:
        return
    told = wild.get("sub", "p-1"), wild.get("email", "ann@example.com")
    assert claims == VerifiedClaims(provider.address, *told)
    assert wild.get("email_verified", True) is True


PATHS = ["/.well-known/openid-configuration", "/keys", "/token", "/userinfo"]
LONG = b'{"sub": "' + b"p" * (300 * 1024) + b'"}'
FAULTS: dict[str, tuple[str, tuple[int, dict[str, str], bytes]]] = {
    "error": ("answered 500|does not answer", (500, {}, b"{}")),
    "not there": ("answered 404|does not answer", (404, {}, b"<html>")),
    "no JSON": ("no JSON", (200, {}, b"<html>")),
    "a list": ("no JSON object", (200, {}, b"[]")),
    "half": ("does not answer", (200, {"Content-Length": "9999"}, b"{")),
    "elsewhere": ("answered 302|no JSON", (302, {"Location": "http://127.0.0.1:1/"}, b"")),
    "to itself": ("answered 307|no JSON", (307, {"Location": "/keys"}, b"")),
    "without end": ("longer than 256 KiB", (200, {}, LONG)),
    "packed": ("no JSON", (200, {"Content-Encoding": "gzip"}, gzip.compress(b"{}"))),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path", PATHS)
def test_provider_that_does_not_answer_as_one(
    client: OpenIdConnect, provider: Provider, path: str, fault: str
) -> None:
    provider.thin = True
    told, provider.answers[path] = FAULTS[fault]
    with pytest.raises(ProviderUnavailable, match=f"127.0.0.1: it.*({told})"):
        vouched(client)
    del provider.answers[path]
    assert vouched(client)


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
    client: OpenIdConnect, provider: Provider, metadata: dict[str, Any], told: str
) -> None:
    provider.metadata = metadata
    with pytest.raises(ProviderUnavailable, match=told):
        client.authorization_url(REDIRECT_URI, STATE, NONCE, VERIFIER)
    assert provider.asked == ["/.well-known/openid-configuration"]


def test_provider_that_is_away() -> None:
    client = OpenIdConnect("http://127.0.0.1:1", CLIENT_ID, CLIENT_SECRET, SystemClock())
    with pytest.raises(ProviderUnavailable, match="does not answer"):
        client.authorization_url(REDIRECT_URI, STATE, NONCE, VERIFIER)


@pytest.mark.parametrize("path", PATHS)
def test_answer_that_trickles_is_given_up(
    client: OpenIdConnect, provider: Provider, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "WHOLE_SECONDS", 0.3)
    provider.thin = True
    provider.trickling = path
    with pytest.raises(ProviderUnavailable, match="took longer"):
        vouched(client)


def test_provider_that_falls_silent_is_given_up(
    client: OpenIdConnect, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_SECONDS", 0.3)
    provider.answers["/keys"] = (200, {"Content-Length": "9"}, b"")
    provider.silent = True
    with pytest.raises(ProviderUnavailable, match="does not answer"):
        vouched(client)


def test_wrong_client_secret_is_told(provider: Provider) -> None:
    refused(client_of(provider, "wrong"), "invalid_client")
