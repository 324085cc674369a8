"""The pages of signing in, as a browser without JavaScript has them; and requests that only seem to
come from them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltrading.dashboard.auth.places import local_path
from mltrading.dashboard.guard.refusals import (
    MOST_OF_ONE,
    MOST_OF_STRANGERS,
    WINDOW_SECONDS,
    Refusals,
)
from mltrading.errors import CodeNeeded, ProviderUnavailable, SignInRefused, TooManyAttempts
from mltrading.services.openid import OpenIdBegun
from mltrading.services.ports import DatabaseState
from mltrading.services.ports.audit import Origin
from tests.test_dashboard.frame_made import Trail
from tests.test_dashboard.people_made import PASSWORD, SIGNED, Identities, Place
from tests.visitors import CALLBACK, HEADER, Visitor

pytestmark = pytest.mark.smoke

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def visitor(place: Place) -> Visitor:
    return Visitor(place.server)


# -- /login ---------------------------------------------------------------------------------------


def test_the_form_has_what_a_password_manager_looks_for(visitor: Visitor) -> None:
    page = visitor.get("/login").text
    for part in ("login-email", "login-password", "login-code", "login-submit"):
        assert f'id="{part}"' in page
    for kind in ("username", "current-password", "one-time-code"):
        assert f'autocomplete="{kind}"' in page
    assert '<form method="post" action="/login">' in page
    assert "<script>" not in page and "javascript:" not in page and " on" + "click" not in page


def test_a_page_that_holds_a_token_is_not_compressed(visitor: Visitor) -> None:
    """Else what a visitor is made to send, beside the token, would show in the length of both."""
    packed = {"Accept-Encoding": "gzip, br"}
    assert "Content-Encoding" not in visitor.get("/login", headers=packed).headers
    visitor.sign_in("vera")
    assert visitor.get("/help", headers=packed).headers["Content-Encoding"] == "br"


def test_a_wrong_password_is_said_in_place_and_the_address_stays(visitor: Visitor) -> None:
    answer = visitor.post("/login", email="vera@example.com", password="wrong")
    assert answer.status_code == 401
    assert "E-mail address or password is not right." in answer.text
    assert 'value="vera@example.com"' in answer.text
    assert "wrong" not in answer.text.replace("not right", "")
    assert visitor.session is None


def test_what_was_typed_is_text(visitor: Visitor) -> None:
    answer = visitor.post("/login", email=EVIL, password="x", next=f"/charts?symbol={EVIL}")
    assert EVIL not in answer.text
    assert "&lt;img" in answer.text


def test_who_is_signed_in_goes_on(visitor: Visitor) -> None:
    visitor.sign_in("vera")
    answer = visitor.get("/login?next=/charts?symbol=A")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/charts?symbol=A")


def raising(identity: Identities, error: Exception) -> None:
    def refuse(*_: object) -> Any:
        raise error

    identity.sign_in = refuse  # type: ignore[method-assign]
    identity.begin_openid = refuse  # type: ignore[attr-defined]
    identity.finish_openid = refuse  # type: ignore[attr-defined]
    identity.openid_place = unsealed  # type: ignore[attr-defined]


def test_a_lock_out_says_when_to_try_again(place: Place, visitor: Visitor) -> None:
    said = "too many attempts to sign in; try again in 4 minutes"
    raising(place.identity, TooManyAttempts(said, 201.4))
    answer = visitor.sign_in("vera")
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "202")
    assert "Too many attempts to sign in; try again in 4 minutes." in answer.text


def test_an_outage_is_said_before_anybody_types_and_the_address_outlives_it(
    place: Place, visitor: Visitor
) -> None:
    said = "The database does not answer. Nobody can sign in meanwhile; try again in a moment."
    assert said not in visitor.get("/login").text
    form = visitor.form("/login")
    place.health.state = DatabaseState.TIMEOUT
    assert said in visitor.get("/login").text
    place.identity.away = True
    typed = {"email": "vera@example.com", "password": PASSWORD, "code": "123456", "next": "/help"}
    answer = visitor.http.post("/login", data={**form, **typed})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert said in answer.text and 'value="vera@example.com"' in answer.text
    assert 'name="next" value="/help"' in answer.text
    assert PASSWORD not in answer.text and "123456" not in answer.text
    place.health.state, place.identity.away = DatabaseState.READ_ONLY, False
    assert "The database takes no changes at present" in visitor.get("/login").text


def test_a_missing_code_is_asked_for_without_a_word_on_the_password(
    place: Place, visitor: Visitor
) -> None:
    raising(place.identity, CodeNeeded("type the six digits that your app shows now"))
    answer = visitor.sign_in("vera")
    assert answer.status_code == 401
    assert 'aria-invalid="true"' in answer.text and "Type the six digits" in answer.text
    assert PASSWORD not in answer.text


def test_a_session_that_begins_ends_the_one_before(place: Place, visitor: Visitor) -> None:
    """Also one that somebody planted: its cookie gives no way into the new session."""
    form = visitor.form("/login")
    visitor.http.set_cookie("session", "planted")
    form |= {"email": "vera@example.com", "password": PASSWORD}
    assert visitor.http.post("/login", data=form).status_code == 303
    assert (visitor.session, place.identity.ended) == ("vera", ["planted"])


def test_signing_out_ends_the_session_and_leaves_nothing_in_the_browser(
    place: Place, visitor: Visitor
) -> None:
    visitor.sign_in("vera")
    visitor.http.set_cookie("symbol", "AAPL")
    visitor.http.set_cookie("theme", "light")
    answer = visitor.sign_out()
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?said=out")
    assert answer.headers["Clear-Site-Data"] == '"storage"'
    assert place.identity.ended == ["vera"]
    kept = [
        name for name in ("session", "csrf", "symbol", "theme") if visitor.http.get_cookie(name)
    ]
    assert kept == ["theme"]
    assert "You are signed out." in visitor.get("/login?said=out").text
    assert EVIL not in visitor.get(f"/login?said={EVIL}").text


def test_nobody_is_signed_out_by_a_link(visitor: Visitor) -> None:
    visitor.sign_in("vera")
    assert visitor.get("/logout").status_code == 404
    assert visitor.get("/help").status_code == 200


LOCAL = ["/", "/charts", "/charts?symbol=BRK%26B&range=1Y", "/a/b?next=https://evil.example/"]
NOT_LOCAL = [
    *("", "charts", "//evil.example", "///evil.example", "https://evil.example", "/\\evil.example"),
    *("\\\\evil.example", "/\t/evil.example", "/\n/evil.example", " /x", "/x\x00", "javascript:x"),
    *(
        "/logout",
        "/login?next=/",
        "/openid/begin",
        "/_dash-layout",
        "/" + "a" * 3000,
        "//[",
        "/\x7f",
    ),
]


@pytest.mark.parametrize("wanted", LOCAL)
def test_a_path_of_this_site_is_kept(wanted: str) -> None:
    assert local_path(wanted) == wanted


@pytest.mark.parametrize("wanted", NOT_LOCAL, ids=lambda w: ascii(w)[:40])
def test_anything_else_is_the_overview(wanted: str, visitor: Visitor) -> None:
    assert local_path(wanted) == "/"
    form = {"email": "vera@example.com", "password": PASSWORD, "next": wanted}
    assert visitor.post("/login", **form).headers["Location"] == "/"


@given(st.text("/\\.:@?#%x \t\r\n[]", max_size=12))
def test_no_path_leads_to_another_site(wanted: str) -> None:
    """As a browser reads it: \\ is /, and tabs and line ends are not there."""
    chosen = local_path(wanted)
    read = chosen.replace("\\", "/").translate({9: None, 10: None, 13: None}).strip()
    assert read.startswith("/") and not read.startswith("//")
    assert urlsplit(read).netloc == ""


# -- /password/<link> -----------------------------------------------------------------------------


def test_a_link_sets_a_password_once(place: Place, visitor: Visitor) -> None:
    path = f"/password/{place.identity.link}"
    page = visitor.get(path).text
    assert "vera@example.com" in page and 'autocomplete="new-password"' in page
    twice = {"password": "eleven quiet otters", "again": "eleven quiet otters"}
    short = {"password": "short", "again": "short"}
    answer = visitor.post(path, **{**twice, "again": "x"})
    assert answer.status_code == 400 and "are not the same" in answer.text
    place.limiter.taken.clear()
    answer = visitor.post(path, **short)
    assert answer.status_code == 400 and "needs 15 characters" in answer.text
    assert "short" not in answer.text
    place.limiter.taken.clear()
    answer = visitor.post(path, **twice)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/login?said=set")
    assert visitor.get(path).status_code == 410


# -- /openid --------------------------------------------------------------------------------------


def at_provider(place: Place) -> list[Any]:
    asked: list[Any] = []

    def begin(next_path: str, redirect_uri: str) -> OpenIdBegun:
        asked.append((next_path, redirect_uri))
        return OpenIdBegun("https://id.example/authorize?x=1", f"sealed {next_path}")

    def finish(sealed: str, answer: Any, origin: Origin) -> Any:
        asked.append((sealed, dict(answer)))
        began = place.identity.sign_in("vera@example.com", PASSWORD, "", origin)
        return began, unsealed(sealed)

    place.identity.provider = "id.example"
    place.identity.begin_openid = begin  # type: ignore[attr-defined]
    place.identity.finish_openid = finish  # type: ignore[attr-defined]
    place.identity.openid_place = unsealed  # type: ignore[attr-defined]
    return asked


def unsealed(note: str) -> str:
    return note.removeprefix("sealed ")


def test_the_button_of_a_provider_leads_there_and_back(place: Place, visitor: Visitor) -> None:
    assert "/openid/begin" not in visitor.get("/login").text
    asked = at_provider(place)
    page = visitor.get("/login?next=/charts?symbol=A").text
    assert "Sign in with id.example" in page
    link = page.partition('id="login-openid" href="')[2].partition('"')[0]
    out = visitor.get(link.replace("&amp;", "&"))
    assert out.headers["Location"] == "https://id.example/authorize?x=1"
    note = visitor.http.get_cookie("openid")
    assert note is not None and note.http_only and note.same_site == "Lax"
    back = visitor.get("/openid/back?state=s&code=c")
    assert (back.status_code, back.headers["Location"]) == (303, "/charts?symbol=A")
    assert visitor.session == "vera"
    assert visitor.http.get_cookie("openid") is None
    assert asked == [
        ("/charts?symbol=A", "http://localhost/openid/back"),
        ("sealed /charts?symbol=A", {"state": "s", "code": "c"}),
    ]


def test_who_is_refused_by_a_provider_signs_in_with_a_password_and_goes_on(
    place: Place, visitor: Visitor
) -> None:
    at_provider(place)
    visitor.get("/openid/begin?next=/charts?symbol=A")
    raising(place.identity, SignInRefused("you have no account here"))
    refused = visitor.get("/openid/back?state=s&code=c")
    assert refused.status_code == 401 and "You have no account here." in refused.text
    assert 'name="next" value="/charts?symbol=A"' in refused.text
    raising(place.identity, ProviderUnavailable("the provider does not answer"))
    assert 'value="/charts?symbol=B"' in visitor.get("/openid/begin?next=/charts?symbol=B").text


def test_a_provider_that_does_not_answer_is_said_on_the_form(
    place: Place, visitor: Visitor
) -> None:
    raising(place.identity, ProviderUnavailable("the provider does not answer; try again later"))
    visitor.http.set_cookie("openid", "old")
    for path in ("/openid/begin", "/openid/back"):
        answer = visitor.get(path)
        assert answer.status_code == 503
        assert "The provider does not answer; try again later." in answer.text
    assert visitor.http.get_cookie("openid") is None


# -- other sites' pages ---------------------------------------------------------------------------


def fired(visitor: Visitor, **headers: str) -> int:
    body = {"output": "nothing"}
    return visitor.http.post(CALLBACK, json=body, headers=headers).status_code


UNKNOWN = 400  # what a request is told that came so far: no callback has that output


def test_a_callback_needs_the_token_of_its_own_session(place: Place, visitor: Visitor) -> None:
    visitor.sign_in("vera")
    other = Visitor(place.server)
    other.sign_in("anna")
    before = len(place.trail.events)
    assert fired(visitor, **visitor.headers()) == UNKNOWN
    assert len(place.trail.events) == before
    for token in ("", "x", other.token, visitor.token + "x"):
        answer = visitor.http.post(CALLBACK, json={"output": "x"}, headers={HEADER: token})
        assert answer.status_code == 400 and "CSRF" in answer.text
    assert len(place.trail.events) == before + 4


def test_a_token_of_before_signing_in_is_worth_nothing_after(visitor: Visitor) -> None:
    old = visitor.form("/login")["csrf_token"]
    visitor.sign_in("vera")
    assert "CSRF" in visitor.http.post(CALLBACK, json={}, headers={HEADER: old}).text


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"}, True),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": ""}, False),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"}, False),
        ({"Origin": "http://localhost"}, True),
        ({"Origin": "https://localhost"}, False),
        ({"Origin": "http://localhost:81"}, False),
        ({"Origin": "http://localhost.evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://["}, False),
        ({}, True),
    ],
    ids=str,
)
def test_the_browser_says_whose_page_it_was(
    visitor: Visitor, headers: dict[str, str], ours: bool
) -> None:
    visitor.sign_in("vera")
    answer = fired(visitor, **headers, **visitor.headers())
    assert answer == (UNKNOWN if ours else 403)
    form = visitor.http.post("/logout", data={"csrf_token": visitor.token}, headers=headers)
    assert form.status_code == (303 if ours else 403)


@pytest.mark.parametrize("path", ["/login", "/logout", "/password/" + "x" * 43])
def test_a_form_needs_the_token_too(visitor: Visitor, path: str) -> None:
    assert visitor.http.post(path, data={"email": "vera@example.com"}).status_code == 400


def test_without_the_switch_no_token_is_made_or_asked_for() -> None:
    place = Place(replace(SIGNED, csrf=False))
    visitor = Visitor(place.server)
    assert visitor.form("/login") == {}
    assert visitor.sign_in("vera").status_code == 303
    visitor.get("/")
    cookies = [visitor.http.get_cookie(name) for name in ("visit", "csrf", "session")]
    assert [cookie is not None for cookie in cookies] == [False, False, True]
    assert fired(visitor, **{"Sec-Fetch-Site": "cross-site"}) == UNKNOWN
    assert place.trail.events == []


# -- the trail can not be flooded -----------------------------------------------------------------


def test_refusals_are_recorded_so_often_and_no_more(place: Place) -> None:
    now = [0.0]
    trail = Trail()
    refusals = Refusals(trail, lambda: now[0])

    def refuse(times: int, address: str = "192.0.2.1") -> int:
        before = len(trail.events)
        with place.server.test_request_context(environ_base={"REMOTE_ADDR": address}):
            for _ in range(times):
                refusals.forged("/login", 400)
        return len(trail.events) - before

    assert refuse(100) == MOST_OF_ONE
    everybody = sum(refuse(5, f"192.0.{n // 250}.{n % 250 + 2}") for n in range(1000))
    assert everybody == MOST_OF_STRANGERS - MOST_OF_ONE
    assert sum(refuse(1, f"2001:db8::{n:x}") for n in range(1, 9)) == 0
    now[0] += WINDOW_SECONDS
    assert refuse(1) == 1
    assert {event.actor for event in trail.events} == {"anonymous"}


def test_a_trail_that_takes_nothing_changes_no_answer(place: Place, visitor: Visitor) -> None:
    def broken(_: object) -> None:
        raise OSError("the disk is full")

    place.trail.record = broken  # type: ignore[method-assign]
    assert visitor.http.post("/login", data={}).status_code == 400
