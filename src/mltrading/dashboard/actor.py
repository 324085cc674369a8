"""Who is asking. The one place where a callback learns its actor."""

from __future__ import annotations

from mltrading.domain.access import DEVELOPER, Actor


def current_actor() -> Actor:
    """The actor of the request being answered; nobody signs in on a development server."""
    return DEVELOPER
