"""/export/*.csv: what is on screen as a file, and the links to it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import TYPE_CHECKING, Any, TypeVar

from dash import html
from dash.development.base_component import Component
from flask import Blueprint, Response, request

from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.audit_query import read_query
from mltrading.dashboard.components import visually_hidden
from mltrading.dashboard.features import read_chart
from mltrading.dashboard.guard.answers import outage
from mltrading.dashboard.origin import current_origin
from mltrading.domain.access import Permission
from mltrading.domain.view import ChartView, CompareView, OverviewQuery
from mltrading.errors import (
    DatabaseUnavailable,
    Forbidden,
    InvalidView,
    MLTradingError,
    UnknownSymbol,
)
from mltrading.services.audit import Audit
from mltrading.services.exports import Export, Exports
from mltrading.services.ports.audit import AuditEntry
from mltrading.utils.csv_text import pieces
from mltrading.utils.text import one_line

if TYPE_CHECKING:
    from mltrading.services import Features

View = TypeVar("View", ChartView, CompareView, OverviewQuery)

AUDIT_COLUMNS = "number time_utc who action outcome target details address browser".split()
CHART, OVERVIEW, LINES, METRICS = "chart", "overview", "compare", "compare-metrics"
_STATUS: dict[type[MLTradingError], int] = {
    InvalidView: 400,
    Forbidden: 403,
    UnknownSymbol: 404,
}


def exports_blueprint(exports: Exports, audit: Audit, features: Features) -> Blueprint:
    """A file for each thing that is shown, under the query of its page. A query that can not be
    used as it is gets no file, where the page would leave a part of it out."""
    blueprint = Blueprint("exports", __name__, url_prefix="/export")

    @blueprint.get(f"/{CHART}.csv")
    def chart() -> Response:
        view = _whole(read_chart(_query(), features))
        return _file(exports.chart(current_actor(), view, current_origin()))

    @blueprint.get(f"/{OVERVIEW}.csv")
    def overview() -> Response:
        query = _whole(OverviewQuery.parse(_query()))
        return _file(exports.overview(current_actor(), query, current_origin()))

    def lines() -> Response:
        view = _whole(CompareView.parse(_query()))
        return _file(exports.lines(current_actor(), view, current_origin()))

    def metrics() -> Response:
        view = _whole(CompareView.parse(_query()))
        return _file(exports.metrics(current_actor(), view, current_origin()))

    if features.comparison_mode:
        blueprint.add_url_rule(f"/{LINES}.csv", view_func=lines)
        blueprint.add_url_rule(f"/{METRICS}.csv", view_func=metrics)

    @blueprint.get("/audit.csv")
    def trail() -> Response:
        query = read_query(request.args)
        entries = audit.export(current_actor(), query, current_origin())
        return _file(Export("mltrading-audit.csv", pieces(AUDIT_COLUMNS, map(_audit_row, entries))))

    blueprint.register_error_handler(MLTradingError, _refused)
    return blueprint


def _audit_row(entry: AuditEntry) -> Sequence[str]:
    details = "; ".join(f"{name}={value}" for name, value in entry.details.items())
    who, whom = entry.actor_email or entry.actor, entry.target_email or entry.target
    at = entry.at.astimezone(UTC).isoformat()
    place = (entry.origin.address, entry.origin.browser)
    return (str(entry.seq), at, who, entry.action, entry.outcome, whom, details, *place)


def csv_href(file: str, view: ChartView | CompareView | OverviewQuery) -> str | None:
    """The address of the file of the view; None for one who may not export."""
    may = current_actor().may(Permission.EXPORT_DATA)
    return f"/export/{file}.csv?{view.to_query()}" if may else None


def csv_link(href: str | None, what: str, text: str = "", **attributes: Any) -> Component:
    """The button that saves `what` ("these lines"); unseen while it has no address. `text` stands
    on it where a page has several."""
    return html.A(
        text or ["CSV", visually_hidden(f" of {what}")],
        href=href,
        title=f"Save {what} as CSV",
        className="button csv",
        download="",
        **attributes,
    )


def _query() -> str:
    return request.query_string.decode("utf-8", errors="replace")


def _whole(parsed: tuple[View, list[str]]) -> View:
    view, problems = parsed
    if problems:
        raise InvalidView("; ".join(problems))
    return view


def _file(export: Export) -> Response:
    response = Response(export.pieces, mimetype="text/csv")
    response.headers["Content-Disposition"] = f'attachment; filename="{export.name}"'
    return _private(response)


def _refused(error: MLTradingError) -> Response:
    if isinstance(error, DatabaseUnavailable):
        return _private(outage(error))
    status = next((code for kind, code in _STATUS.items() if isinstance(error, kind)), 500)
    return _private(Response(f"{one_line(str(error))}\n", status, mimetype="text/plain"))


def _private(response: Response) -> Response:
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
