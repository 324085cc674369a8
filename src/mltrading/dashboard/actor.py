"""Who is asking. The one place where a callback learns its actor."""

from __future__ import annotations

from flask import request

from mltrading.domain.access import DEVELOPER, Actor
from mltrading.services.ports.audit import Origin


def current_actor() -> Actor:
    """The actor of the request being answered; nobody signs in on a development server."""
    return DEVELOPER


def current_origin() -> Origin:
    """Where the request being answered comes from, for the audit trail."""
    return Origin(request.remote_addr or "", request.user_agent.string)
