"""/notices: how many notices of the visitor's alerts are unread, for static/js/notices.js, which
asks now and then. It is one cheap question, keeps no session alive, and is never answered by a
failure of ours: the number stays as it was then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Response, jsonify, request

from mltrading.dashboard.actor import current_actor
from mltrading.domain.access import Permission

if TYPE_CHECKING:
    from mltrading.services import Services

PATH = "/notices"


def notices_blueprint(services: Services) -> Blueprint:
    blueprint = Blueprint("notices", __name__)

    @blueprint.get(PATH)
    def unread() -> Response:
        actor = current_actor()
        may = actor.may(Permission.VIEW_SHARED_DATA)
        response = jsonify(unread=services.price_alerts.unread(actor) if may else 0)
        response.headers["Cache-Control"] = "no-store"
        return response

    @blueprint.after_app_request
    def answer_no_failure(response: Response) -> Response:
        """The database may be away, so that nobody knows who asks."""
        failed = request.path == PATH and response.status_code >= 500
        return Response(status=204) if failed else response

    return blueprint
