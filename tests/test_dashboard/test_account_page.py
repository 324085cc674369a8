"""The account's page over HTTP, on a real database: what is one's own, and nobody else's."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest

from tests.callback_client import Answer
from tests.identities import PASSWORD
from tests.signed_app import SignedApp, acts, drawn, said, signed_app
from tests.visitors import Visitor

ADDRESS = {"path": "/account", "search": "", "n": 1}
NEW = "seven green lizards run"


@pytest.fixture(scope="module")
def app(server_url: str, template: str) -> Iterator[SignedApp]:
    with signed_app(server_url, template) as made:
        yield made


@pytest.fixture
def name() -> str:
    return f"u{secrets.token_hex(4)}"


def act(visitor: Visitor, do: str, **values: Any) -> Answer:
    sent = {"address.data": ADDRESS, "account-act.data": {"do": do, "n": 1, **values}}
    return visitor.callbacks.fire("account-parts.data", "account-act.data", **sent)


def shown(visitor: Visitor) -> dict[str, str]:
    answer = visitor.callbacks.fire(
        "account-parts.data", "address.data", **{"address.data": ADDRESS}
    )
    return drawn(answer, "account-parts")


def test_it_shows_who_signed_in_and_from_where(app: SignedApp, name: str) -> None:
    parts = shown(app.visitor(name, "analyst"))
    assert f"{name}@example.com  · analyst · signs in by password" in parts["account-who"]
    assert "this one" in parts["account-sessions"] and "127.0.0.1" in parts["account-sessions"]


def test_another_session_of_ones_own_ends_by_a_click(app: SignedApp, name: str) -> None:
    first = app.visitor(name, "viewer")
    second = Visitor(app.server)
    second.sign_in(name)
    rows = app.people.run(
        "SELECT sessions.id FROM sessions JOIN users ON users.id = user_id WHERE subject = %s"
        " ORDER BY sessions.created_at",
        (name,),
    )
    answer = act(second, "end-session", session=rows[0][0])
    assert "That session has ended" in said(answer)
    assert first.get("/account").status_code == 302  # to /login
    assert second.get("/account").status_code == 200


def test_a_session_of_another_does_not_end(app: SignedApp, name: str) -> None:
    other = app.visitor(f"{name}o", "viewer")
    [(session,)] = app.people.run(
        "SELECT sessions.id FROM sessions JOIN users ON users.id = user_id WHERE subject = %s",
        (f"{name}o",),
    )
    act(app.visitor(name, "viewer"), "end-session", session=session)
    assert other.get("/account").status_code == 200


def test_a_changed_password_ends_all_sessions_and_opens_new_ones(app: SignedApp, name: str) -> None:
    visitor = app.visitor(name, "viewer")
    answer = act(visitor, "change-password", old=PASSWORD, new=NEW, again=NEW)
    assert answer.side["goto"]["data"]["href"] == "/login?next=/account"
    assert visitor.get("/account").status_code == 302
    assert Visitor(app.server).sign_in(name).status_code == 401
    assert Visitor(app.server).sign_in(name, NEW).status_code == 303


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"old": "wrong wrong wrong wrong", "new": NEW, "again": NEW}, "password"),
        ({"old": PASSWORD, "new": NEW, "again": f"{NEW}!"}, "differ"),
        ({"old": PASSWORD, "new": "short", "again": "short"}, "15"),
        ({"old": PASSWORD, "new": PASSWORD, "again": PASSWORD}, "the old one"),
    ],
)
def test_a_password_that_can_not_be_changed_so_stays(
    app: SignedApp, name: str, values: dict[str, str], reason: str
) -> None:
    visitor = app.visitor(name, "viewer")
    answer = act(visitor, "change-password", **values)
    assert reason in said(answer)
    assert visitor.get("/account").status_code == 200
    assert Visitor(app.server).sign_in(name).status_code == 303


def test_a_second_factor_is_set_up_and_asked_for(app: SignedApp, name: str) -> None:
    visitor = app.visitor(name, "analyst")
    begun = act(visitor, "begin-second-factor")
    markup = json.dumps(begun["account-parts.data"]["account-second-factor"])
    assert "data:image/svg+xml;base64," in markup
    secret = begun_secret(begun)
    wrong = act(visitor, "confirm-second-factor", secret=secret, code="000000")
    assert "not the code" in said(wrong)
    right = pyotp.TOTP(secret).now()
    assert "asks for a code" in said(
        act(visitor, "confirm-second-factor", secret=secret, code=right)
    )
    assert Visitor(app.server).sign_in(name).status_code == 401
    later = pyotp.TOTP(secret).at(pyotp_step_after())
    assert Visitor(app.server).sign_in(name, code=later).status_code == 303


def begun_secret(begun: Answer) -> str:
    [form] = acts(begun["account-parts.data"]["account-second-factor"])
    return form["secret"]


def pyotp_step_after() -> int:
    """A moment of the next step: that of now was used to set the factor up."""
    import time

    return int(time.time()) + 30


def test_an_administrator_without_one_is_led_here_and_on(app: SignedApp, name: str) -> None:
    app.people.add(name, "admin")
    visitor = Visitor(app.server)
    visitor.sign_in(name)
    assert visitor.get("/").headers["Location"].startswith("/account")
    assert "needs a second factor" in shown(visitor)["account-who"]
    begun = act(visitor, "begin-second-factor")
    secret = begun_secret(begun)
    done = act(visitor, "confirm-second-factor", secret=secret, code=pyotp.TOTP(secret).now())
    assert done.side["goto"]["data"] == {"href": "/", "leave": True}
    assert visitor.get("/").status_code == 200
    assert '"/admin"' in json.dumps(visitor.get("/_dash-layout").get_json())


@pytest.mark.parametrize(("role", "place"), [("admin", 1), ("analyst", 3)])
def test_the_second_factor_comes_first_where_nothing_else_is_allowed_before(
    app: SignedApp, name: str, role: str, place: int
) -> None:
    app.people.add(name, role)
    visitor = Visitor(app.server)
    visitor.sign_in(name)
    values = {"address.data": ADDRESS, "page-shown.data": ""}
    page = visitor.callbacks.fire("page.children", "address.data", **values)
    sections = re.findall(r'"id":"account-(who|sessions|password|second-factor|data)"', page.text)
    assert sections.index("second-factor") == place and sections[0] == "who"
    assert len(sections) == 5


def test_personal_data_are_given_to_who_knows_the_password(app: SignedApp, name: str) -> None:
    visitor = app.visitor(name, "viewer")
    refused = act(visitor, "export", password="not the password")
    assert "account-download" not in refused.side and "password" in said(refused)
    file = act(visitor, "export", password=PASSWORD).side["account-download"]["data"]
    found = json.loads(file["content"])
    assert found["account"]["email"] == f"{name}@example.com"
    assert "argon2" not in file["content"]


@pytest.mark.parametrize(
    "sent",
    [
        {"do": "no-such-act", "n": 1},
        {"do": "end-session", "n": 1},
        {"do": ["end-session"], "n": 1},
        {"do": "end-session", "session": {"a": 1}, "n": 1},
        {"do": "change-password", "old": "x" * 5000, "new": "a", "again": "a", "n": 1},
        {str(i): "x" for i in range(40)} | {"do": "export", "n": 1},
    ],
    ids=repr,
)
def test_an_act_that_no_page_sends_is_said_and_does_nothing(
    app: SignedApp, name: str, sent: dict[str, Any]
) -> None:
    visitor = app.visitor(name, "viewer")
    values = {"address.data": ADDRESS, "account-act.data": sent}
    answer = visitor.callbacks.fire("account-parts.data", "account-act.data", **values)
    assert answer.status == 200 and "reload" in said(answer)


def test_the_layout_is_for_signed_in_visitors_alone(app: SignedApp) -> None:
    stranger = Visitor(app.server)
    assert stranger.get("/account").headers["Location"] == "/login?next=/account"
    assert stranger.get("/_dash-layout").status_code == 401
