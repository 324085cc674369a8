"""What the forms of signing in bring, and the token that they carry."""

from __future__ import annotations

from flask import request
from flask_wtf.csrf import generate_csrf

from mltrading.dashboard.guard.web import Web

LONGEST = 2000


def field(name: str) -> str:
    """The text of a field; "" where it is missing, or longer than anybody types."""
    text = request.form.get(name, "")
    return text if len(text) <= LONGEST else ""


def form_token(web: Web) -> str:
    """For the hidden field `csrf_token`; "" where nothing checks it."""
    return str(generate_csrf()) if web.csrf else ""
