"""Who is asking. The one place where a callback learns its actor."""

from __future__ import annotations

from flask import g, has_request_context

from mltrading.domain.access import Actor
from mltrading.errors import Forbidden

NOBODY = Actor("nobody", frozenset())


def current_actor() -> Actor:
    """The actor of the request being answered, as the guard found it: the user of the session, or
    the developer where nobody signs in. Forbidden where the guard let nobody in; outside of any
    request it is one without rights."""
    if not has_request_context():
        return NOBODY
    actor = g.get("actor")
    if not isinstance(actor, Actor):
        raise Forbidden("nobody is signed in; sign in first")
    return actor
