"""The page that people sign in with, as it is at first and as it comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Response, render_template, request

from mltrading.dashboard.auth.cookies import welcome
from mltrading.dashboard.auth.forms import field, form_token
from mltrading.dashboard.auth.places import local_path
from mltrading.dashboard.edge import outage_of
from mltrading.dashboard.guard.answers import RETRY_SECONDS, retry_after
from mltrading.dashboard.guard.visitor import Visitors
from mltrading.dashboard.guard.web import Web
from mltrading.dashboard.origin import current_origin
from mltrading.errors import (
    CodeNeeded,
    DatabaseReadOnly,
    DatabaseUnavailable,
    MLTradingError,
    ProviderUnavailable,
    TooManyAttempts,
)

if TYPE_CHECKING:
    from mltrading.services.health import Health
    from mltrading.services.identity import Identity, SignedIn

NOTICES = {
    "out": "You are signed out.",
    "set": "The password is set. Sign in with it.",
}


@dataclass(frozen=True, slots=True)
class LoginPage:
    identity: Identity
    health: Health
    web: Web
    visitors: Visitors

    def left(self, began: SignedIn, place: str | None) -> Response:
        """On to where the user wanted to go; an earlier session of this browser ends."""
        if self.visitors.token:
            self.identity.sign_out(self.visitors.token, current_origin())
        return welcome(began, local_path(place), self.web)

    def outage(self) -> DatabaseUnavailable | None:
        """Why nobody can sign in at present, where that is the database."""
        state = self.health.database()
        if state.read_only:
            return DatabaseReadOnly(state.value)
        return None if state.answers else DatabaseUnavailable(state.value)

    def begun(self, outage: DatabaseUnavailable | None) -> Response:
        """The form as it is at first; with what stands in the way, before anybody types."""
        return Response(self._form(outage))

    def shown(self, error: MLTradingError, place: str | None = None) -> Response:
        """The form again, on the way to `place` or where the request says; with why nobody was
        signed in, and a status that says so too. What was typed is kept, but for secrets."""
        return retry_after(Response(self._form(error, place), _status(error)), _again_after(error))

    def _form(self, error: MLTradingError | None, place: str | None = None) -> str:
        return render_template(
            "login.html",
            error=_sentence(error) if error else "",
            notice=NOTICES.get(request.args.get("said", ""), ""),
            code_needed=isinstance(error, CodeNeeded),
            email=field("email"),
            next=local_path(place or request.values.get("next")),
            openid=self.identity.provider,
            csrf=form_token(self.web),
        )


def _sentence(error: MLTradingError) -> str:
    if isinstance(error, DatabaseUnavailable):
        text = f"{outage_of(error).fact}. Nobody can sign in meanwhile; try again in a moment"
    else:
        text = str(error)
    return f"{text[:1].upper()}{text[1:]}."


def _again_after(error: MLTradingError) -> float | None:
    if isinstance(error, TooManyAttempts):
        return error.seconds
    return RETRY_SECONDS if isinstance(error, DatabaseUnavailable) else None


def _status(error: MLTradingError) -> int:
    if isinstance(error, TooManyAttempts):
        return 429
    return 503 if isinstance(error, DatabaseUnavailable | ProviderUnavailable) else 401
