"""The administration's page over HTTP, on a real database: what it shows, does and records."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.callback_client import Answer
from tests.identities import PASSWORD
from tests.signed_app import SignedApp, acts, drawn, said, signed_app
from tests.visitors import Visitor

NEW = "seven green lizards run"


@pytest.fixture(scope="module")
def app(server_url: str, template: str) -> Iterator[SignedApp]:
    with signed_app(server_url, template) as made:
        yield made


@pytest.fixture(scope="module")
def admin(app: SignedApp) -> Visitor:
    return app.visitor("adam", "admin")


@pytest.fixture
def name() -> str:
    return f"u{secrets.token_hex(4)}"


def asked(visitor: Visitor, search: str = "", act: dict[str, Any] | None = None) -> Answer:
    address = {"path": "/admin", "search": search, "n": 1}
    values = {"address.data": address, "admin-act.data": act and {**act, "n": 1}}
    changed = "admin-act.data" if act else "address.data"
    return visitor.callbacks.fire("admin-parts.data", changed, **values)


def act(visitor: Visitor, do: str, **values: Any) -> Answer:
    return asked(visitor, act={"do": do, **values})


def shown(visitor: Visitor, search: str = "") -> str:
    return drawn(asked(visitor, search), "admin-parts")["admin-part"]


def link_of(answer: Answer) -> str:
    words = drawn(answer, "admin-parts")["admin-once"].split()
    return next(word for word in words if "/password/" in word).partition("localhost")[2]


def test_a_user_is_added_and_sets_the_password_by_the_link(
    app: SignedApp, admin: Visitor, name: str
) -> None:
    answer = act(admin, "add-user", email=f"{name}@example.com", role="analyst")
    assert f"{name}@example.com" in drawn(answer, "admin-parts")["admin-part"]
    newcomer = Visitor(app.server)
    newcomer.post(link_of(answer), password=NEW, again=NEW)
    assert newcomer.sign_in(name, NEW).status_code == 303


@pytest.mark.parametrize(
    ("email", "role", "reason"),
    [
        ("nobody", "viewer", "address"),
        ("adam@example.com", "viewer", "account"),
        ("x@example.com", "root", "no role"),
    ],
)
def test_a_user_that_can_not_be_is_refused(
    admin: Visitor, email: str, role: str, reason: str
) -> None:
    assert reason in said(act(admin, "add-user", email=email, role=role))


def test_a_role_is_changed_and_ends_the_sessions(app: SignedApp, admin: Visitor, name: str) -> None:
    visitor = app.visitor(name, "viewer")
    act(admin, "set-role", user=name, role="analyst")
    assert visitor.get("/").status_code == 302
    assert app.people.run("SELECT role FROM users WHERE subject = %s", (name,)) == [("analyst",)]


def test_the_last_administrator_stays(app: SignedApp, admin: Visitor) -> None:
    for do, more in (("set-role", {"role": "viewer"}), ("disable-user", {}), ("erase-user", {})):
        assert "administrator" in said(act(admin, do, user="adam", **more))
    assert admin.get("/admin").status_code == 200


def offered(visitor: Visitor, user: str) -> set[str]:
    """What the buttons beside that user do."""
    nodes = asked(visitor)["admin-parts.data"]["admin-part"]
    return {one["do"] for one in acts(nodes) if one.get("user") == user}


def test_what_would_take_the_last_administrator_away_is_not_offered(
    app: SignedApp, admin: Visitor, name: str
) -> None:
    resets, rest = {"reset-user", "reset-second-factor"}, {"disable-user", "erase-user", "set-role"}
    app.people.add(name, "viewer")
    assert (offered(admin, "adam"), offered(admin, name)) == (resets, resets | rest)
    assert "last administrator: make another first" in shown(admin, "?q=adam")
    act(admin, "set-role", user=name, role="admin")
    assert offered(admin, "adam") == offered(admin, name) == resets | rest
    act(admin, "disable-user", user=name)
    assert offered(admin, "adam") == resets
    assert offered(admin, name) == resets | {"enable-user", "erase-user", "set-role"}


def test_disabled_and_enabled(app: SignedApp, admin: Visitor, name: str) -> None:
    visitor = app.visitor(name, "viewer")
    assert "disabled" in drawn(act(admin, "disable-user", user=name), "admin-parts")["admin-part"]
    assert visitor.get("/").status_code == 302
    assert Visitor(app.server).sign_in(name).status_code == 401
    act(admin, "enable-user", user=name)
    assert Visitor(app.server).sign_in(name).status_code == 303


def test_a_reset_makes_a_link_and_the_old_password_opens_nothing(
    app: SignedApp, admin: Visitor, name: str
) -> None:
    app.visitor(name, "viewer")
    link = link_of(act(admin, "reset-user", user=name))
    assert Visitor(app.server).sign_in(name).status_code == 401
    Visitor(app.server).post(link, password=NEW, again=NEW)
    assert Visitor(app.server).sign_in(name, NEW).status_code == 303


def test_both_factors_are_reset_for_a_lost_phone(app: SignedApp, admin: Visitor, name: str) -> None:
    app.people.add(name, "viewer")
    app.people.enrol(name)
    link = link_of(act(admin, "reset-second-factor", user=name))
    Visitor(app.server).post(link, password=NEW, again=NEW)
    assert Visitor(app.server).sign_in(name, NEW).status_code == 303


def test_the_sessions_of_a_user_are_listed_and_ended(
    app: SignedApp, admin: Visitor, name: str
) -> None:
    visitor = app.visitor(name, "viewer")
    nodes = asked(admin, f"?user={name}")["admin-parts.data"]["admin-part"]
    [session] = [one["session"] for one in acts(nodes) if one["do"] == "end-user-session"]
    act(admin, "end-user-session", user=name, session=session)
    assert visitor.get("/").status_code == 302


def test_an_erased_user_is_gone_and_the_trail_is_whole(
    app: SignedApp, admin: Visitor, name: str
) -> None:
    visitor = app.visitor(name, "viewer")
    act(admin, "erase-user", user=name)
    assert visitor.get("/").status_code == 302
    assert app.people.run("SELECT 1 FROM users WHERE subject = %s", (name,)) == []
    whole = act(admin, "verify-audit")
    assert "The trail is whole" in drawn(whole, "admin-parts")["admin-once"]


def test_a_shared_symbol_is_what_a_viewer_finds(app: SignedApp, admin: Visitor, name: str) -> None:
    viewer = app.visitor(name, "viewer")

    def found() -> Any:
        sought = {"search-text.data": {"text": "IBM", "n": 1}}
        answer = viewer.callbacks.fire("symbol-options.children", "search-text.data", **sought)
        return answer["symbol-options.children"]

    assert found() == []
    act(admin, "share-symbol", code="IBM")
    assert "IBM International Business Machines shared" in shown(admin, "?tab=symbols&q=IBM")
    assert len(found()) == 1
    act(admin, "unshare-symbol", code="IBM")
    assert found() == []


def test_what_is_in_force_is_shown(admin: Visitor) -> None:
    text = shown(admin, "?tab=features")
    assert "features.comparison_mode on" in text and "signing in on MLTRADING_AUTH" in text


def test_the_trail_is_searched_by_who_what_and_when(
    app: SignedApp, admin: Visitor, name: str
) -> None:
    app.visitor(name, "viewer")
    Visitor(app.server).sign_in(name, "wrong wrong wrong wrong")
    text = shown(admin, f"?tab=audit&who={name}@example.com&action=session.begin")
    assert f"{name}@example.com" in text and "adam@example.com" not in text
    refused = shown(admin, "?tab=audit&outcome=refused")
    assert "reason: password" in refused and " done " not in refused.split("From")[-1]
    assert "Nothing of that kind" in shown(admin, "?tab=audit&until=2001-01-01")
    assert "since must be a day" in shown(admin, "?tab=audit&since=yesterday")
    assert "page must be a number" in shown(admin, "?tab=audit&page=-1")


def test_the_trail_leaves_as_a_file_and_that_is_a_row_of_it(admin: Visitor) -> None:
    answer = admin.get("/export/audit.csv?action=session.begin")
    lines = answer.get_data(as_text=True).splitlines()
    assert lines[0].startswith("number,time_utc,who,action")
    assert len(lines) > 1 and all("session.begin" in line for line in lines[1:])
    assert "audit.export" in shown(admin, "?tab=audit&action=audit.export")
    assert admin.get("/export/audit.csv?page=x").status_code == 400


@pytest.mark.parametrize("role", ["viewer", "analyst"])
def test_nobody_else_administrates(app: SignedApp, name: str, role: str) -> None:
    visitor = app.visitor(name, role)
    assert visitor.get("/admin").status_code == 403
    assert visitor.get("/export/audit.csv").status_code == 403
    assert act(visitor, "set-role", user=name, role="admin").status == 403
    assert app.people.run("SELECT role FROM users WHERE subject = %s", (name,)) == [(role,)]
    layout = json.dumps(visitor.get("/_dash-layout").get_json())
    assert '"/account"' in layout
    assert '"/admin"' not in layout


@pytest.mark.parametrize(
    "sent",
    [{"do": "no-such-act"}, {"do": "set-role"}, {"do": "set-role", "user": 5, "role": "admin"}],
    ids=repr,
)
def test_an_act_that_no_page_sends_is_said(admin: Visitor, sent: dict[str, Any]) -> None:
    assert "reload" in said(asked(admin, act=sent))


@pytest.mark.parametrize("user", ["", "nobody", "'; DROP TABLE users --", "\x00"])
def test_an_account_that_is_not_there_is_said(admin: Visitor, user: str) -> None:
    assert "account" in said(act(admin, "disable-user", user=user))


def test_passwords_are_nowhere_in_the_trail(app: SignedApp) -> None:
    assert PASSWORD not in app.people.everything() and NEW not in app.people.everything()
