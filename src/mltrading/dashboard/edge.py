"""Where an error in a callback ends: one line for the user, one record in the log."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

from dash import html, set_props
from dash.development.base_component import Component
from flask import current_app, g

from mltrading.dashboard.components import toast
from mltrading.domain.access import Actor, Permission
from mltrading.errors import DatabaseUnavailable, Forbidden, MLTradingError
from mltrading.utils.context import current, error_id

log = logging.getLogger(__name__)

REFUSALS = "mltrading-refusals"  # where the guard leaves what writes refusals to the audit trail


def on_error(error: Exception) -> None:
    """Answer an error of any callback: the page stays as it is, a toast says what happened.

    Called by Dash with every exception but PreventUpdate; returns nothing, so no output changes.
    """
    if isinstance(error, DatabaseUnavailable):
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


def outage_update(error: DatabaseUnavailable) -> dict[str, dict[str, Any]]:
    """The properties that change when the database is away, by component: a toast, the banner, and
    the interval by which the page comes back (routing.py)."""
    number = _note("outage")
    log.warning("database unavailable, id %s: %s", number, error)
    text = f"The database does not answer. Your view is kept; retrying. Error id {number}"
    return {
        "toast": {"children": toast(text, "error")},
        "banner": {"children": outage_banner()},
        "outage": {"disabled": False},
    }


def outage_banner() -> html.Div:
    """The line under the top bar while the database is away."""
    return html.Div(
        "The database does not answer. What you see may be old; the page comes back by itself.",
        className="banner banner-error",
    )
