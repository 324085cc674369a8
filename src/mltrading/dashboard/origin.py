"""Where the request being answered comes from, for limits and the audit trail."""

from __future__ import annotations

from flask import request

from mltrading.services.ports.audit import Origin


def current_origin() -> Origin:
    """The client's address (as a trusted proxy says it, where there is one) and its browser."""
    return Origin(request.remote_addr or "", request.user_agent.string)


def own_address(path: str) -> str:
    """The whole address of `path` of this site, as the visitor reached it."""
    return f"{request.host_url.rstrip('/')}{path}"
