"""/health for uptime checks and deploys, /health/live and /health/ready for orchestrators."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, Response, jsonify

from mltrading.services.health import Health, HealthReport, Running


def health_blueprint(health: Health, running: Running) -> Blueprint:
    """The three addresses. Anonymous by design: they show codes and nothing else."""
    blueprint = Blueprint("health", __name__, url_prefix="/health")

    @blueprint.get("")
    def report() -> Response:
        return _answer(health.report(), unwell=500)

    @blueprint.get("/live")
    def live() -> Response:
        """This process answers, and says which release it is; touches nothing, so a restart is
        right when it fails."""
        return _uncached(jsonify(status="live", **asdict(running)), 200)

    @blueprint.get("/ready")
    def ready() -> Response:
        """Whether to send traffic here."""
        return _answer(health.ready(), unwell=503)

    return blueprint


def _answer(report: HealthReport, unwell: int) -> Response:
    body: dict[str, object] = {
        "status": "healthy" if report.healthy else "unhealthy",
        "timestamp": report.timestamp.isoformat(),
        "checks": report.checks,
    }
    if report.error is not None:
        body["error"] = report.error
    return _uncached(jsonify(body), 200 if report.healthy else unwell)


def _uncached(response: Response, status: int) -> Response:
    response.status_code = status
    response.headers["Cache-Control"] = "no-store"
    return response
