"""Signing in and out, and setting a password by a link: plain HTML, before there is any session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from mltrading.dashboard.auth import login, password

if TYPE_CHECKING:
    from mltrading.dashboard.guard.visitor import Visitors
    from mltrading.dashboard.guard.web import Web
    from mltrading.services.identity import Identity


def auth_blueprint(identity: Identity, web: Web, visitors: Visitors) -> Blueprint:
    """/login, /logout and /password/<link>."""
    blueprint = Blueprint("auth", __name__)
    login.add_routes(blueprint, identity, web, visitors, openid=None)
    password.add_routes(blueprint, identity, web)
    return blueprint
