"""The parts of the account's page, as markup."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Sequence
from datetime import datetime

from mltrading.dashboard.acts import act_button, act_form, text_field
from mltrading.dashboard.markup import Node, el, table
from mltrading.domain.access import Actor
from mltrading.services.own_account import Profile, TotpSetup
from mltrading.services.ports.identity import SessionInfo

SHORTEST = "15"  # as services.credentials has it; the browser helps, the service decides
PICTURE_SCALE = 5
# The first mark that is found counts: most call themselves by the names of others too.
BROWSERS = {
    "Edg/": "Edge",
    "OPR/": "Opera",
    "Firefox/": "Firefox",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS = {
    "Android": "Android",
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Windows": "Windows",
    "Mac OS X": "Mac",
    "Linux": "Linux",
}


def who(actor: Actor, profile: Profile, must_enrol: bool) -> list[Node]:
    by = f"signs in by {profile.issuer}" if profile.issuer else "signs in by password"
    role = actor.role.value if actor.role else "no role"
    shown: list[Node] = [el("p", el("span", actor.email, class_="user-email"), f" · {role} · {by}")]
    if must_enrol:
        needed = "An administrator needs a second factor before anything else: set it up here."
        shown.append(el("p", needed, class_="callout"))
    return shown


def sessions(found: Sequence[SessionInfo]) -> list[Node]:
    return [
        el("h2", "Sessions"),
        el("p", "A session ends after 30 minutes without use, and after 8 hours.", class_="muted"),
        session_table(found, lambda one: act_button("End", "end-session", session=one.id)),
    ]


def session_table(found: Sequence[SessionInfo], end: Callable[[SessionInfo], Node]) -> Node:
    """Each with what ends it, but the one that asks."""

    def row(one: SessionInfo) -> Node:
        last = el("span", "this one", class_="muted") if one.current else end(one)
        cells = (stamp(one.created_at), stamp(one.seen_at), one.address or "—")
        browser = el("td", browser_name(one.browser), title=one.browser)
        return el("tr", *(el("td", cell) for cell in cells), browser, el("td", last))

    heads = ("Began", "Last seen", "From", "Browser", "")
    return table("Sessions", heads, map(row, found), stacked=True)


def password(profile: Profile) -> list[Node]:
    if not profile.password:
        said = "This account has no password. An administrator can send a link that sets one."
        return [el("h2", "Password"), el("p", said, class_="muted")]
    return [
        el("h2", "Password"),
        el("p", "A change ends all your sessions, this one too.", class_="muted"),
        act_form(
            "change-password",
            _password_field("Password now", "old", "current-password"),
            _password_field("New password, 15 characters or more", "new", "new-password"),
            _password_field("The new one again", "again", "new-password"),
            submit="Change password",
        ),
    ]


def _password_field(label: str, name: str, autocomplete: str) -> Node:
    shortest = SHORTEST if autocomplete == "new-password" else None
    return text_field(
        label,
        name,
        type="password",
        autocomplete=autocomplete,
        required="required",
        minlength=shortest,
        maxlength="256",
    )


def second_factor(profile: Profile) -> list[Node]:
    title = el("h2", "Second factor")
    if not profile.second_factor:
        said = "An authenticator app on your phone shows a code that signing in asks for."
        return [
            title,
            el("p", said, class_="muted"),
            act_button("Set up", "begin-second-factor"),
        ]
    fields = [_password_field("Password", "password", "current-password")]
    return [
        title,
        el("p", "Signing in asks for a code of your authenticator app.", class_="muted"),
        act_form(
            "drop-second-factor",
            *(fields if profile.password else []),
            submit="Remove it",
            confirm="Sign in with the password alone from now on?",
            **_proof(profile),
        ),
    ]


def enrolment(setup: TotpSetup) -> list[Node]:
    """The picture for an app, the secret for one that can not read it, and the code that proves
    that it worked."""
    code = text_field(
        "Code that it shows now",
        "code",
        inputmode="numeric",
        autocomplete="one-time-code",
        required="required",
        maxlength="8",
    )
    return [
        el("h2", "Second factor"),
        el(
            "div",
            el("img", src=picture(setup.uri), alt="Picture for an authenticator app"),
            el(
                "div",
                el("p", "Read the picture with an authenticator app, or type this into it:"),
                el("p", el("code", grouped(setup.secret), class_="command", id="totp-secret")),
                act_form("confirm-second-factor", code, submit="Turn on", secret=setup.secret),
            ),
            class_="totp",
        ),
    ]


def _proof(profile: Profile) -> dict[str, str]:
    """What stands for the field of a password, where the account has none to ask for."""
    return {} if profile.password else dict.fromkeys(("password",), "")


def personal_data(profile: Profile) -> list[Node]:
    fields = [_password_field("Password", "password", "current-password")]
    return [
        el("h2", "Your data"),
        el(
            "p",
            "All that is kept about you, as a file: the account, its sessions, what the audit trail"
            " says you did. To be erased, ask an administrator.",
            class_="muted",
        ),
        act_form(
            "export",
            *(fields if profile.password else []),
            submit="Export my data",
            **_proof(profile),
        ),
    ]


def picture(text: str) -> str:
    """A QR code as the address of a picture."""
    import segno

    drawn = io.BytesIO()
    segno.make(text, error="m").save(drawn, kind="svg", scale=PICTURE_SCALE, border=3)
    return f"data:image/svg+xml;base64,{base64.b64encode(drawn.getvalue()).decode('ascii')}"


def grouped(secret: str) -> str:
    """In fours, to be typed."""
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))


def browser_name(agent: str) -> str:
    """What a browser says it is, in two words where it is one of the usual: "Firefox, Linux"."""
    browser = next((name for mark, name in BROWSERS.items() if mark in agent), "")
    system = next((name for mark, name in SYSTEMS.items() if mark in agent), "")
    return ", ".join(filter(None, (browser, system))) if browser else agent[:40] or "—"


def stamp(moment: datetime) -> str:
    """A moment as tables show it."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
