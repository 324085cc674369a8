"""The users of a deployment, for administrators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.acts import (
    Act,
    Doing,
    act_button,
    act_form,
    choice_field,
    query_form,
    say,
    text_field,
)
from mltrading.dashboard.markup import Node, el, table
from mltrading.dashboard.origin import current_origin, own_address
from mltrading.dashboard.pages.account_parts import session_table, stamp
from mltrading.domain.access import Actor, Role
from mltrading.errors import InvalidAccount
from mltrading.services.accounts import last_administrator
from mltrading.services.ports.identity import SessionInfo, UserInfo

if TYPE_CHECKING:
    from mltrading.services import Services

MOST_SHOWN = 100
HEADS = ("E-mail address", "Role", "Signs in by", "Second factor", "Last seen", "Sessions", "")
LAST = "last administrator: make another first"
ROLES = {
    Role.VIEWER: "viewer: sees what is shared, exports nothing",
    Role.ANALYST: "analyst: sees and exports all",
    Role.ADMIN: "admin: changes settings and users as well",
}


def drawn(services: Services, query: dict[str, str]) -> list[Node]:
    actor, sought = current_actor(), query.get("q", "").strip().lower()
    users = services.accounts.users(actor)
    found, last = [user for user in users if sought in user.email], last_administrator(users)
    opened = query.get("user", "")
    rows: list[Node] = []
    for user in found[:MOST_SHOWN]:
        rows.append(_row(user, actor, opened, user.id == last))
        if user.id == opened:
            rows.append(_opened(services.accounts.sessions_of(actor, user.id), user))
    return [
        el("h2", "Add a user"),
        _adding(),
        el("h2", "Users"),
        query_form(
            text_field("E-mail address contains", "q", type="search", value=query.get("q", "")),
            submit="Find",
        ),
        el("p", _counted(len(found), len(users)), class_="muted"),
        (
            table("Users", HEADS, rows, "users-table", stacked=True)
            if rows
            else el("p", "Nobody yet.", class_="muted")
        ),
    ]


def _counted(found: int, stored: int) -> str:
    shown = f"; the first {MOST_SHOWN} are shown" if found > MOST_SHOWN else ""
    if found != stored or shown:
        return f"{found:,} of {stored:,}{shown}"
    return "1 user" if stored == 1 else f"{stored:,} users"


def _adding() -> Node:
    return act_form(
        "add-user",
        text_field("E-mail address", "email", type="email", required="required", maxlength="254"),
        choice_field("Role", "role", [(role.value, text) for role, text in ROLES.items()]),
        submit="Add",
    )


def _row(user: UserInfo, actor: Actor, opened: str, last: bool) -> Node:
    """`last`: the service refuses what would take the administrator away, so it is not offered."""
    state = [el("span", " disabled", class_="mark mark-stale")] if user.disabled else []
    you = [el("span", " you", class_="muted")] if user.id == actor.id else []
    return el(
        "tr",
        el("th", user.email, *you, *state, scope="row", title=user.email),
        el("td", user.role.value if last else _roles(user)),
        el("td", user.issuer or ("password" if user.password else "unused link")),
        el("td", "yes" if user.second_factor else "no"),
        el("td", stamp(user.seen_at) if user.seen_at else "—"),
        el("td", _sessions_link(user, opened)),
        el("td", _actions(user, last)),
    )


def _roles(user: UserInfo) -> Node:
    buttons = [
        act_button(
            role.value,
            "set-role",
            class_="segment",
            confirm=f"Make {user.email} {role.value}? All sessions of that user end.",
            pressed=role is user.role,
            user=user.id,
            role=role.value,
        )
        for role in ROLES
    ]
    return el("div", *buttons, class_="segments")


def _sessions_link(user: UserInfo, opened: str) -> Node:
    if not user.sessions:
        return "0"
    there = "/admin" if user.id == opened else f"/admin?user={user.id}"
    return el("a", f"{user.sessions:,}", href=there)


def _actions(user: UserInfo, last: bool) -> Node:
    email, id = user.email, user.id
    return el(
        "div",
        act_button(
            "Reset password", "reset-user", user=id,
            confirm=f"Make a link that sets a new password for {email}? The old one ends now.",
        ),
        act_button(
            "Reset both factors", "reset-second-factor", user=id,
            confirm=f"Reset password and second factor of {email}?",
        ),
        *([el("span", LAST, class_="muted")] if last else _endings(user)),
        class_="button-row",
    )  # fmt: skip


def _endings(user: UserInfo) -> list[Node]:
    email, id = user.email, user.id
    return [
        act_button("Enable", "enable-user", user=id)
        if user.disabled
        else act_button(
            "Disable", "disable-user", user=id, confirm=f"Disable {email}? All sessions end."
        ),
        act_button(
            "Erase", "erase-user", user=id, class_="button button-danger",
            confirm=f"Erase {email} for good? What the audit trail says stays, without the name.",
        ),
    ]  # fmt: skip


def _opened(sessions: list[SessionInfo], user: UserInfo) -> Node:
    def end(one: SessionInfo) -> Node:
        return act_button("End", "end-user-session", user=user.id, session=one.id)

    shown = session_table(sessions, end)
    end_all = act_button("End all", "end-user-sessions", user=user.id)
    return el("tr", el("td", shown, end_all, class_="opened", colspan=str(len(HEADS))))


def _add(services: Services, actor: Actor, act: Act) -> list[Node]:
    email, role = act.value("email"), _role(act.value("role"))
    link = services.accounts.add(actor, email, role, current_origin())
    return _link(f"{email} has an account. This link sets the password, once, within a day:", link)


def _set_role(services: Services, actor: Actor, act: Act) -> None:
    role = _role(act.value("role"))
    services.accounts.set_role(actor, act.value("user"), role, current_origin())


def _disable(services: Services, actor: Actor, act: Act) -> None:
    services.accounts.disable(actor, act.value("user"), current_origin())


def _enable(services: Services, actor: Actor, act: Act) -> None:
    services.accounts.enable(actor, act.value("user"), current_origin())


def _reset(services: Services, actor: Actor, act: Act) -> list[Node]:
    phone = act.do == "reset-second-factor"
    link = services.accounts.reset(actor, act.value("user"), current_origin(), second_factor=phone)
    return _link("This link sets a new password, once, within a day:", link)


def _end(services: Services, actor: Actor, act: Act) -> None:
    session = act.values.get("session")
    ended = services.accounts.end_sessions(actor, act.value("user"), current_origin(), session)
    say(f"{ended} ended")


def _erase(services: Services, actor: Actor, act: Act) -> None:
    services.privacy.erase(actor, act.value("user"), current_origin())
    say("The account is erased")


def _role(name: str) -> Role:
    try:
        return Role(name)
    except ValueError:
        known = ", ".join(role.value for role in Role)
        raise InvalidAccount(f"there is no role '{name[:40]}'; known: {known}") from None


def _link(said: str, token: str) -> list[Node]:
    address = own_address(f"/password/{token}")
    shown = el("code", address, class_="command", id="one-time-link")
    copy = el("button", "Copy", type="button", class_="button", data_copy=address)
    hint = "It is shown here alone and now: send it to the person in a way you trust."
    return [
        el("p", said),
        el("div", shown, copy, class_="once"),
        el("p", hint, class_="muted"),
    ]


ACTS: Mapping[str, Doing[list[Node]]] = {
    "add-user": _add,
    "set-role": _set_role,
    "disable-user": _disable,
    "enable-user": _enable,
    "reset-user": _reset,
    "reset-second-factor": _reset,
    "end-user-session": _end,
    "end-user-sessions": _end,
    "erase-user": _erase,
}
