"""The guard: who is let through to what, what it asks first, and what it tells those it refuses."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from dash import Input, Output
from itsdangerous import TimestampSigner

from mltrading.dashboard.guard.access import Access, guarded
from mltrading.dashboard.guard.complete import refuse_unguarded
from mltrading.dashboard.guard.web import Web
from mltrading.domain.access import Actor, Permission, Role
from mltrading.errors import ConfigurationError, Forbidden
from tests.callback_client import CallbackClient
from tests.test_dashboard.frame_made import Market, make_dashboard
from tests.test_dashboard.people_made import SIGNED, Place
from tests.visitors import CALLBACK, Visitor

pytestmark = pytest.mark.smoke

OVERVIEW = "sector-chart.figure"
ADDRESS = {"address.data": {"path": "/", "search": "", "n": 1}}


@pytest.fixture
def place() -> Place:
    return Place()


def signed_in(place: Place, name: str) -> Visitor:
    visitor = Visitor(place.server)
    assert visitor.sign_in(name).status_code == 303
    return visitor


def asked(visitor: Visitor, **changes: Any) -> dict[str, Any]:
    """A well-formed request of the Overview's callback."""
    spec = visitor.callbacks.answering(OVERVIEW)
    singles = [one.rpartition(".") for one in spec["output"][2:-2].split("...")]
    return {
        "output": spec["output"],
        "outputs": [{"id": id, "property": name} for id, _, name in singles],
        "inputs": [{"id": "address", "property": "data", "value": ADDRESS["address.data"]}],
        "state": [],
        "changedPropIds": ["address.data"],
        **changes,
    }


# -- nothing is open by oversight -----------------------------------------------------------------


@pytest.mark.parametrize("web", [Web(), SIGNED], ids=["development", "signed in"])
def test_every_route_and_callback_says_who_may_reach_it(web: Web) -> None:
    refuse_unguarded(Place(web).app)


def test_a_planted_route_stops_the_start() -> None:
    app = make_dashboard(Market())
    app.server.add_url_rule("/planted", "planted", lambda: "open")
    with pytest.raises(ConfigurationError, match="the route /planted"):
        refuse_unguarded(app)


def test_a_planted_callback_stops_the_start() -> None:
    app = make_dashboard(Market())
    app.callback(Output("page", "title"), Input("title", "data"))(lambda data: data)
    with pytest.raises(ConfigurationError, match="the callback of page.title"):
        refuse_unguarded(app)


@pytest.mark.parametrize("way", ["api_endpoint", "websocket", "mcp_enabled"])
def test_another_way_to_a_callback_stops_the_start(way: str) -> None:
    app = make_dashboard(Market())
    more: Any = {way: "/api/planted" if way == "api_endpoint" else True}
    planted = guarded(Access.SIGNED_IN)(lambda data: data)
    app.callback(Output("page", "title"), Input("title", "data"), **more)(planted)
    app.setup_apis() if way == "api_endpoint" else None
    with pytest.raises(ConfigurationError, match=f"'{way}'|/api/planted"):
        refuse_unguarded(app)


def test_a_route_that_came_later_is_closed(place: Place) -> None:
    place.server.add_url_rule("/late", "late", lambda: "open")
    assert signed_in(place, "adam").get("/late").status_code == 403


def test_a_callback_that_came_later_is_no_callback(place: Place) -> None:
    place.app.callback(Output("page", "title"), Input("title", "data"))(lambda data: data)
    visitor = signed_in(place, "adam")
    body = asked(visitor, output="page.title")
    answer = visitor.http.post(CALLBACK, json=body, headers=visitor.headers())
    assert (answer.status_code, answer.text) == (400, "no callback has that output\n")


def test_a_guarded_function_asks_for_the_right_by_itself_too(place: Place) -> None:
    """However it is reached: outside of a request nobody has a right, and nobody is signed in
    where the guard did not say so."""
    function = guarded(Permission.VIEW_SHARED_DATA)(lambda: "shown")
    with pytest.raises(Forbidden):
        function()
    with place.server.test_request_context("/"), pytest.raises(Forbidden):
        function()


# -- who asks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 302),
        ("/charts?symbol=A", 302),
        ("/nowhere", 404),
        ("/.env", 404),
        ("/_dash-layout", 401),
        ("/_dash-dependencies", 401),
        ("/_reload-hash", 401),
        ("/login", 200),
        ("/assets/tokens.css", 200),
        ("/favicon.ico", 200),
    ],
)
def test_what_a_stranger_sees(place: Place, path: str, status: int) -> None:
    assert Visitor(place.server).get(path).status_code == status


def test_a_stranger_comes_back_to_what_was_asked_for(place: Place) -> None:
    stranger = Visitor(place.server)
    asked_for = "/charts?symbol=BRK%26B&indicators=sma:20,rsi:14"
    place_to_sign_in = stranger.get(asked_for).headers["Location"]
    stranger.form(place_to_sign_in)
    form = stranger.get(place_to_sign_in).text
    assert 'name="next"' in form
    answer = stranger.http.post(
        "/login",
        data={
            **stranger.form(place_to_sign_in),
            "email": "vera@example.com",
            "password": "nineteen blue herons",
            "next": asked_for,
        },
    )
    assert answer.headers["Location"] == asked_for


def test_a_callback_of_a_stranger_is_401_whatever_it_brings(place: Place) -> None:
    stranger = Visitor(place.server)
    for body in ({}, [], {"output": "page.children"}, "x"):
        assert stranger.http.post(CALLBACK, json=body).status_code == 401
    assert stranger.http.post(CALLBACK, data="text").status_code == 401


def test_the_role_is_asked_for_at_each_request(place: Place) -> None:
    visitor = signed_in(place, "vera")
    assert visitor.callbacks.fire(OVERVIEW, "address.data", **ADDRESS).status == 200
    lost = replace(place.identity.people["vera"], permissions=frozenset())
    place.identity.people["vera"] = lost
    assert visitor.callbacks.fire(OVERVIEW, "address.data", **ADDRESS).status == 403
    place.identity.ended.append("vera")
    answer = visitor.http.post(CALLBACK, json=asked_of_nobody())
    assert answer.status_code == 401


def asked_of_nobody() -> dict[str, Any]:
    return {"output": "page.children"}


def test_an_administrator_without_a_second_factor_may_only_set_one_up(place: Place) -> None:
    visitor = signed_in(place, "newton")
    for path in ("/", "/charts?symbol=A", "/help", "/nowhere"):
        answer = visitor.get(path)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/account"), path
    assert visitor.get("/account").status_code in (200, 404)
    assert visitor.callbacks.fire(OVERVIEW, "address.data", **ADDRESS).status == 403


def test_the_navigation_shows_what_the_visitor_may_open(place: Place) -> None:
    def links(name: str) -> str:
        return json.dumps(signed_in(place, name).get("/_dash-layout").get_json())

    assert '"href": "/charts"' in links("vera")
    assert '"href": "/charts"' not in links("newton")
    assert '"href": "/help"' in links("newton")


def test_help_explains_what_the_visitor_may_open(place: Place) -> None:
    def said(name: str) -> str:
        values = {"address.data": {"path": "/help", "search": "", "n": 1}}
        answer = signed_in(place, name).callbacks.fire("page.children", "address.data", **values)
        return json.dumps(answer["page.children"])

    vera, adam = said("vera"), said("adam")
    for part in ("Closed bars only", "Pause, most a day", "by e-mail too", "mltrading worker"):
        assert part in vera and part in adam
    assert "alerting.yml" in adam and "Operations" in adam
    assert "alerting.yml" not in vera and "Operations" not in vera


def test_a_page_without_the_right_is_said_to_be_forbidden(place: Place) -> None:
    visitor = signed_in(place, "newton")
    values = {"address.data": {"path": "/charts", "search": "", "n": 1}}
    answer = visitor.callbacks.fire("page.children", "address.data", **values)
    assert answer["page.children"]["props"]["id"] == "forbidden"
    assert "can_view_shared_data" in answer.text
    assert "Set up your second factor first" in answer.text and "u002faccount" in answer.text


@pytest.mark.parametrize("name", ["vera", "anna"])
def test_a_forbidden_page_says_for_whom_it_is(place: Place, name: str) -> None:
    values = {"address.data": {"path": "/admin", "search": "", "n": 1}}
    answer = signed_in(place, name).callbacks.fire("page.children", "address.data", **values)
    assert "It is for administrators. An administrator can give you" in answer.text
    assert "can_modify_settings" in answer.text and "second factor" not in answer.text


@pytest.mark.parametrize(
    ("permission", "who"),
    [
        (Permission.MODIFY_SETTINGS, "administrators"),
        (Permission.EXPORT_DATA, "analysts and administrators"),
        (Permission.VIEW_SHARED_DATA, "viewers, analysts and administrators"),
    ],
)
def test_a_missing_right_is_said_with_who_has_it(permission: Permission, who: str) -> None:
    with pytest.raises(Forbidden, match=f"{permission.value}, which {who} have; ask an admin"):
        Actor("nobody", frozenset()).require(permission)
    with pytest.raises(Forbidden, match="after setting up a second factor at /account"):
        Actor("newton", frozenset(), role=Role.ADMIN).require(permission)


# -- the order of the checks ----------------------------------------------------------------------


def test_each_check_comes_before_the_next(place: Place) -> None:
    """A request that is wrong in every way, put right step by step."""
    wrong = {"output": asked(signed_in(place, "vera"))["output"], "inputs": [], "outputs": 7}
    foreign = {"Sec-Fetch-Site": "cross-site"}

    def status(visitor: Visitor, body: object, **headers: str) -> int:
        return visitor.http.post(CALLBACK, json=body, headers=headers).status_code

    nobody, newton, vera = Visitor(place.server), *(signed_in(place, n) for n in ("newton", "vera"))
    assert status(nobody, deep(40), **foreign) == 400
    assert status(nobody, wrong, **foreign) == 401
    assert status(newton, wrong, **foreign, **newton.headers()) == 403
    assert place.trail.events[-1].action == "request.forged"
    assert status(newton, wrong) == 400
    assert status(newton, wrong, **newton.headers()) == 403
    assert place.trail.events[-1].action == "request.right"
    assert [status(vera, wrong, **vera.headers()) for _ in range(6)] == [400] * 5 + [429]


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_the_trail_tells_what_was_refused(place: Place) -> None:
    visitor = signed_in(place, "newton")
    visitor.http.post(CALLBACK, json=asked(visitor))
    visitor.http.post(CALLBACK, json=asked(visitor), headers={"Sec-Fetch-Site": "cross-site"})
    visitor.http.post(CALLBACK, json=asked(visitor), headers=visitor.headers())
    found = [(e.action, e.actor, e.outcome, dict(e.details)) for e in place.trail.events]
    assert found == [
        ("request.forged", "newton", "refused", {"reason": "token"}),
        ("request.forged", "newton", "refused", {"reason": "origin"}),
        ("request.right", "newton", "refused", {"right": "can_view_shared_data"}),
    ]


def test_the_trail_tells_what_a_service_refused(place: Place) -> None:
    """The guard let the callback through; a finer right was asked for inside."""

    @place.app.callback(Output("page", "title"), Input("title", "data"))
    @guarded(Access.SIGNED_IN)
    def export(data: Any) -> str:
        raise Forbidden("this needs the right can_export_data; ask an administrator for it")

    answer = signed_in(place, "vera").callbacks.fire("page.title", "title.data")
    assert "can_export_data" in str(answer.side["toast"])
    [event] = place.trail.events
    assert (event.action, event.actor, event.target) == ("request.right", "vera", "page.title")


# -- how often ------------------------------------------------------------------------------------


def test_a_callback_may_be_fired_so_often_by_each_user(place: Place) -> None:
    vera, anna = signed_in(place, "vera"), signed_in(place, "anna")

    def fire(visitor: Visitor) -> Any:
        body, headers = asked(visitor), visitor.headers()
        return visitor.http.post(CALLBACK, json=body, headers=headers)

    answers = [fire(vera) for _ in range(8)]
    assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 3
    assert answers[-1].headers["Retry-After"] == "42"
    assert answers[-1].text == "too many requests; try again in 42 s\n"
    assert fire(anna).status_code == 200
    found = "search-found.data"
    assert vera.callbacks.fire(found, "search-enter.data").status == 204
    assert [event.action for event in place.trail.events] == ["request.limit"]


def test_without_the_switch_nothing_is_counted() -> None:
    place = Place(replace(SIGNED, limits=None))
    vera = signed_in(place, "vera")
    for _ in range(20):
        assert vera.callbacks.fire(OVERVIEW, "address.data", **ADDRESS).status == 200
    assert place.limiter.taken == {}


def test_an_address_may_guess_links_so_often(place: Place) -> None:
    guesses = [Visitor(place.server).get(f"/password/{n:043}").status_code for n in range(5)]
    assert guesses == [410] * 3 + [429] * 2
    other = Visitor(place.server, address="198.51.100.7")
    assert other.get("/password/" + "0" * 43).status_code == 410


def test_where_nobody_signs_in_nothing_is_asked_or_counted() -> None:
    place = Place(Web())
    client = CallbackClient(place.server)
    assert client.fire(OVERVIEW, "address.data", **ADDRESS).status == 200
    assert (place.identity.asked, place.limiter.taken) == (0, {})


def test_a_clock_that_was_set_back_forges_no_token(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Flask calls a cookie forged that was signed later than now."""
    with monkeypatch.context() as ahead:
        ahead.setattr(TimestampSigner, "get_timestamp", lambda _: int(time.time()) + 7200)
        visitor = signed_in(place, "vera")
        body, headers = asked(visitor), visitor.headers()
    assert visitor.http.post(CALLBACK, json=body, headers=headers).status_code == 200


# -- the database is away -------------------------------------------------------------------------


def test_a_callback_is_told_of_the_outage_with_what_the_page_shows_then(place: Place) -> None:
    visitor = signed_in(place, "vera")
    body, headers = asked(visitor), visitor.headers()
    place.identity.away = True
    answer = visitor.http.post(CALLBACK, json=body, headers=headers)
    assert (answer.status_code, answer.headers["X-Outage"]) == (503, "database")
    assert answer.headers["Retry-After"] == "2"
    update = answer.get_json()["sideUpdate"]
    assert update["outage"] == {"disabled": False}
    assert "does not answer" in str(update["toast"]) and "does not answer" in str(update["banner"])


def test_a_document_asks_again_by_itself(place: Place) -> None:
    visitor = signed_in(place, "vera")
    place.identity.away = True
    answer = visitor.get("/charts?symbol=A")
    assert answer.status_code == 503
    assert '<meta http-equiv="refresh" content="2">' in answer.text
    assert visitor.get("/_dash-layout").status_code == 503
    assert visitor.get("/login").status_code == 200
    assert visitor.sign_in("vera").status_code == 503
