"""Signing in and out, and setting a password by a link: plain HTML, before there is any session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from mltrading.dashboard.auth import login, openid, password
from mltrading.dashboard.auth.page import LoginPage

if TYPE_CHECKING:
    from mltrading.dashboard.guard.visitor import Visitors
    from mltrading.dashboard.guard.web import Web
    from mltrading.services.health import Health
    from mltrading.services.identity import Identity


def auth_blueprint(identity: Identity, health: Health, web: Web, visitors: Visitors) -> Blueprint:
    """/login, /logout, /password/<link> and /openid/..."""
    blueprint = Blueprint("auth", __name__)
    page = LoginPage(identity, health, web, visitors)
    login.add_routes(blueprint, page)
    openid.add_routes(blueprint, page)
    password.add_routes(blueprint, identity, web)
    return blueprint
