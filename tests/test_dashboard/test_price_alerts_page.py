"""The page of alerts over HTTP, on a real database: one's own, as text, to who may see it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.callback_client import Answer
from tests.market_data import HOSTILE_CODE
from tests.signed_app import SignedApp, acts, drawn, said, signed_app
from tests.test_dashboard.frame_made import Market
from tests.test_dashboard.people_made import Place
from tests.visitors import Visitor

ADDRESS = {"path": "/alerts", "search": "?symbol=AAPL&interval=1d", "n": 1}
FORM = {
    "kind": "crosses",
    "edit": "",
    "symbol": "AAPL",
    "interval": "1d",
    "way": "above",
    "level": "51",
    "cooldown": "3600",
    "most": "5",
}


@pytest.fixture(scope="module")
def app(server_url: str, template: str) -> Iterator[SignedApp]:
    with signed_app(server_url, template) as made:
        yield made


@pytest.fixture
def name() -> str:
    return f"t{secrets.token_hex(4)}"


def act(visitor: Visitor, do: str, **values: Any) -> Answer:
    sent = {
        "address.data": ADDRESS,
        "alerts-act.data": {"do": do, "n": 1, **values},
        "alerts-form-of.data": ADDRESS["search"],
    }
    return visitor.callbacks.fire("alerts-parts.data", "alerts-act.data", **sent)


def shown(visitor: Visitor, search: str = "") -> Answer:
    sent = {
        "address.data": {**ADDRESS, "search": search},
        "alerts-act.data": None,
        "alerts-form-of.data": None,
    }
    return visitor.callbacks.fire("alerts-parts.data", "address.data", **sent)


def number_of(answer: Answer) -> str:
    """The alert of the first row."""
    listed = answer["alerts-parts.data"]["alerts-list"]
    return next(one["edit"] for one in acts(listed) if one["do"] == "switch")


def test_an_alert_is_made_tried_changed_and_deleted(app: SignedApp, name: str) -> None:
    visitor = app.visitor(name, "analyst")
    assert "last close" in drawn(shown(visitor, "?symbol=AAPL"), "alerts-parts")["alerts-form"]
    assert "last close" not in drawn(shown(visitor, "?symbol=AAPK"), "alerts-parts")["alerts-form"]
    previewed = act(visitor, "preview", **FORM)
    assert previewed.side["toast"] == {"children": []}  # an error of before is none any more
    tried = drawn(previewed, "alerts-parts")["alerts-preview"]
    assert "AAPL 1d: Close crosses above 51" in tried and "it would have told you" in tried
    assert "of at most 50" in drawn(shown(visitor), "alerts-parts")["alerts-list"]
    made = act(visitor, "add", **FORM)
    assert "You will be told when it is so: AAPL" in said(made)
    assert "alerts-form" not in made["alerts-parts.data"]  # nothing typed is lost
    number = number_of(made)
    form = drawn(shown(visitor, f"?edit={number}"), "alerts-parts")
    assert "Change an alert" in form["alerts-head"]
    changed = act(visitor, "change", **{**FORM, "edit": number, "level": "52"})
    assert changed.side["goto"]["data"] == {"href": "/alerts"}
    assert "above 52" in drawn(shown(visitor), "alerts-parts")["alerts-list"]
    off = act(visitor, "switch", edit=number, on="no")
    assert "Switch on" in drawn(off, "alerts-parts")["alerts-list"]
    gone = act(visitor, "delete", edit=number)
    assert "None yet" in drawn(gone, "alerts-parts")["alerts-list"]


@pytest.mark.parametrize("do", ["switch", "delete", "change"])
def test_the_number_of_anothers_alert_is_the_number_of_nothing(
    app: SignedApp, name: str, do: str
) -> None:
    owner, other = app.visitor(name, "analyst"), app.visitor(f"{name}x", "admin")
    number = number_of(act(owner, "add", **FORM))
    answer = act(other, do, **{**FORM, "edit": number, "on": "no"})
    assert "no such alert of yours" in said(answer)
    assert "51" not in drawn(shown(other, f"?edit={number}"), "alerts-parts")["alerts-form"]
    listed = drawn(shown(owner), "alerts-parts")["alerts-list"]
    assert "Close crosses above 51" in listed and "Switch off" in listed


def test_a_viewer_makes_none_of_what_is_not_shared(app: SignedApp, name: str) -> None:
    viewer = app.visitor(name, "viewer")
    for do in ("add", "preview"):
        assert "unknown symbol 'AAPL'" in said(act(viewer, do, **FORM))
    assert "None yet" in drawn(shown(viewer), "alerts-parts")["alerts-list"]


@pytest.mark.parametrize("edit", ["", "x", "-1", "1e9", "9" * 30, "1; DROP TABLE users"])
def test_a_number_that_is_none_is_refused_in_one_line(app: SignedApp, name: str, edit: str) -> None:
    visitor = app.visitor(name, "viewer")
    for do in ("switch", "delete", "read"):
        assert "reload it and try again" in said(act(visitor, do, edit=edit, on="yes"))


def test_names_and_texts_from_outside_stay_texts(app: SignedApp, name: str) -> None:
    visitor = app.visitor(name, "analyst")
    made = act(visitor, "add", **{**FORM, "symbol": HOSTILE_CODE})
    markup = json.dumps(made["alerts-parts.data"]["alerts-list"])
    assert HOSTILE_CODE in drawn(made, "alerts-parts")["alerts-list"]
    assert "href" in markup and "symbol=%27%3B%20DROP%20TABLE" in markup
    answer = act(visitor, "add", **{**FORM, "symbol": "<img src=x onerror=alert(1)>"})
    assert "unknown symbol" in said(answer)


def test_email_is_not_offered_where_none_is_sent(app: SignedApp, name: str) -> None:
    visitor = app.visitor(name, "analyst")
    form = json.dumps(shown(visitor)["alerts-parts.data"]["alerts-form"])
    assert f"{name}@example.com" not in form
    assert "nothing can be sent to you by e-mail" in said(
        act(visitor, "add", **{**FORM, "told": "email"})
    )


def test_the_count_of_unread_notices_keeps_no_session_alive(app: SignedApp, name: str) -> None:
    visitor = app.visitor(name, "viewer")
    app.people.run("UPDATE sessions SET seen_at = seen_at - interval '20 minutes'")
    before = app.people.run("SELECT id, seen_at FROM sessions ORDER BY id")
    answer = visitor.get("/notices")
    assert (answer.status_code, answer.get_json()) == (200, {"unread": 0})
    assert answer.headers["Cache-Control"] == "no-store"
    assert app.people.run("SELECT id, seen_at FROM sessions ORDER BY id") == before
    visitor.get("/alerts")
    assert app.people.run("SELECT id, seen_at FROM sessions ORDER BY id") != before


def test_the_count_is_never_answered_by_a_failure() -> None:
    place = Place(market=Market())
    visitor = Visitor(place.server)
    assert visitor.get("/notices").status_code == 401
    visitor.sign_in("vera")
    place.identity.away = True
    assert visitor.get("/notices").status_code == 204
    assert visitor.get("/_dash-layout").status_code == 503  # what people wait for says so
