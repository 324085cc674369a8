"""Where an error in a callback ends: one line for the user, one record in the log."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from dash import html, set_props
from dash.development.base_component import Component
from flask import current_app, g

from mltrading.dashboard.components import toast
from mltrading.domain.access import Actor, Permission
from mltrading.errors import (
    DatabaseBusy,
    DatabaseFull,
    DatabaseReadOnly,
    DatabaseUnavailable,
    Forbidden,
    MLTradingError,
)
from mltrading.utils.context import current, error_id

log = logging.getLogger(__name__)

REFUSALS = "mltrading-refusals"  # where the guard leaves what writes refusals to the audit trail


def on_error(error: Exception) -> None:
    """Answer an error of any callback: the page stays as it is, a toast says what happened.

    Called by Dash with every exception but PreventUpdate; returns nothing, so no output changes.
    """
    if isinstance(error, DatabaseUnavailable):
        g.outage = error  # the answer's status tells it (guard/answers.py)
        for component, props in outage_update(error).items():
            set_props(component, props)
    elif isinstance(error, MLTradingError):
        _note("refused")
        if isinstance(error, Forbidden):
            current_app.extensions[REFUSALS].right(g.output, "of the service")
        set_props("toast", {"children": toast(str(error), "error")})
    else:
        number = _note("error")
        log.error("callback failed, id %s", number, exc_info=error)
        text = f"Something failed on the server; nothing was changed. Try again. Error id {number}"
        set_props("toast", {"children": toast(text, "error", _log_link(number))})


def _log_link(number: str) -> Component | None:
    """The way to the lines of that error, for those who may read them."""
    actor = g.get("actor")
    if not isinstance(actor, Actor) or not actor.may(Permission.MODIFY_SETTINGS):
        return None
    return html.A("Show in the log", href=f"/ops/log?id={quote(number)}", className="button")


def _note(failure: str) -> str:
    """How the callback failed, for the numbers; the error id, which leads to the log."""
    work = current()
    if work is not None:
        work.failure = failure
    return error_id()


@dataclass(frozen=True, slots=True)
class Outage:
    """What a page says of a failing database. `name` is for the header X-Outage; a toast of `fact`
    and `then` follows the deed; `banner` stands while it lasts, and where there is one the page
    asks again until it is over."""

    name: str
    fact: str
    then: str
    banner: str = ""
    kind: str = "error"

    @property
    def toast(self) -> str:
        return f"{self.fact[0].upper()}{self.fact[1:]}. {self.then}"

    @property
    def line(self) -> str:
        """The same for a reader that asks not by itself."""
        return f"{self.fact}; try again in a moment"


AWAY = Outage(
    "database",
    "the database does not answer",
    "Your view is kept; retrying.",
    "The database does not answer. What you see may be old; the page comes back by itself.",
)
BUSY = Outage(
    "busy",
    "the database is busy",
    "Your view is kept; retrying.",
    "The database is busy. What you see may be old; the page comes back by itself.",
)
READ_ONLY = Outage(
    "read-only",
    "the database takes no changes at present: nothing was saved",
    "Try again later.",
    "The database takes no changes at present. Everything can be looked at, nothing is saved.",
    "warning",
)
FULL = Outage("full", "the disk of the database is full: nothing was saved", "Try again later.")
_OUTAGES: tuple[tuple[type[DatabaseUnavailable], Outage], ...] = (
    (DatabaseBusy, BUSY),
    (DatabaseReadOnly, READ_ONLY),
    (DatabaseFull, FULL),
    (DatabaseUnavailable, AWAY),
)


def outage_of(error: DatabaseUnavailable) -> Outage:
    return next(outage for kind, outage in _OUTAGES if isinstance(error, kind))


def outage_update(error: DatabaseUnavailable) -> dict[str, dict[str, Any]]:
    """The properties that change when the database fails, by component: a toast, the banner, and
    the interval by which the page comes back (routing.py)."""
    number = _note("outage")
    log.warning("database unavailable, id %s: %s", number, error)
    outage = outage_of(error)
    told = {"toast": {"children": toast(f"{outage.toast} Error id {number}", "error")}}
    if not outage.banner:
        return told
    return {**told, "banner": {"children": banner(outage)}, "outage": {"disabled": False}}


def banner(outage: Outage) -> html.Div:
    """The line under the top bar while the database fails."""
    return html.Div(outage.banner, className=f"banner banner-{outage.kind}")
