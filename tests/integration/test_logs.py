"""The log of a real gunicorn in staging: JSON, one object a line, with the request's id in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.database_fixtures import execute
from tests.gunicorn_server import OURS, TOKEN, Gunicorn, gunicorn
from tests.waiting import held_port, wait_until

pytestmark = pytest.mark.database

KEY = "canary-secret-key-0123456789abcdef-0123456789"
WEBHOOK = "https://hooks.slack.example/services/T0CANARY/B0CANARY/canaryhook"
GIVEN = "0b7e3c5e-8f1d-4c52-9c1a-5d1f0c0ffee1"
HTTPS = {"X_Forwarded_Proto": "https"}


def configuration(folder: Path, level: str = "info", enabled: bool = True) -> Path:
    path = folder / f"staging-{level}-{enabled}.yml"
    path.write_text(
        "environment: staging\nfeatures: {test_mode: false}\n"
        f"monitoring: {{enabled: {str(enabled).lower()}, level: {level}}}\n"
    )
    return path


def environment(folder: Path, **more: str) -> dict[str, str]:
    known = {
        "ENVIRONMENT": "staging",
        "SECRET_KEY": KEY,
        "SLACK_WEBHOOK": WEBHOOK,
        "MLTRADING_PROXY": "on",
        "MLTRADING_CONFIG": str(configuration(folder)),
    }
    return {**known, **more}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def staging(market_url: str, folder: Path) -> Iterator[Gunicorn]:
    with gunicorn(folder, market_url, *OURS, **environment(folder)) as started:
        yield started


def lines_of(server: Gunicorn, request_id: str) -> list[dict[str, object]]:
    return [one for one in server.records() if one.get("request_id") == request_id]


def test_a_request_is_one_line_with_its_id_route_status_and_time(staging: Gunicorn) -> None:
    status, headers, _ = staging.ask("/health/ready", X_Request_ID=GIVEN)
    assert (status, headers["x-request-id"]) == (200, GIVEN)
    wait_until(lambda: lines_of(staging, GIVEN), "the line is written")
    [line] = lines_of(staging, GIVEN)
    assert line["level"] == "info"
    assert line["logger"] == "mltrading.request"
    assert (line["route"], line["status"]) == ("/health/ready", 200)
    assert isinstance(line["duration_ms"], float) and line["duration_ms"] > 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", str(line["time"]))
    assert str(line["message"]).startswith("GET /health/ready 200 in ")


@pytest.mark.parametrize("given", ["short", "with space", 'quote"quote', "x" * 200])
def test_an_id_that_could_harm_a_log_is_replaced(staging: Gunicorn, given: str) -> None:
    _, headers, _ = staging.ask("/health/live", X_Request_ID=given)
    assert re.fullmatch(r"[0-9a-f]{32}", headers["x-request-id"])


def test_refusals_have_ids_and_routes_too(staging: Gunicorn) -> None:
    status, headers, _ = staging.ask("/_dash-layout", **HTTPS)
    assert status == 401
    number = headers["x-request-id"]
    wait_until(lambda: lines_of(staging, number), "the line is written")
    [line] = lines_of(staging, number)
    assert (line["route"], line["status"]) == ("/_dash-layout", 401)


def test_every_line_is_an_object_and_none_holds_a_secret(staging: Gunicorn) -> None:
    for path in (f"/health/{KEY}", f"/nowhere?{WEBHOOK}", "/a%0d%0a{}"):
        staging.ask(path, Authorization=f"Bearer {TOKEN}", **HTTPS)
    staging.kill(staging.workers()[0], 2)  # gunicorn has something to say of it
    wait_until(
        lambda: [one for one in staging.records() if one["logger"] == "gunicorn.error"],
        "gunicorn's own lines come in the same form",
    )
    text = staging.log
    assert not [one for one in (KEY, WEBHOOK, "T0CANARY", "canaryhook", TOKEN) if one in text]
    for one in staging.records():
        assert {"time", "level", "logger", "message", "process"} <= set(one)


def test_what_a_message_says_of_an_error_leads_to_its_line(folder: Path) -> None:
    """The database is away: the page gets a toast with an error id, the log the whole story."""
    with (
        held_port() as mute,
        gunicorn(
            folder,
            f"postgresql://trader:canary-password@127.0.0.1:{mute}/none",
            *OURS,
            MLTRADING_CONFIG=str(development(folder)),
        ) as server,
    ):
        body = {
            "output": "search-found.data",
            "outputs": {"id": "search-found", "property": "data"},
            "inputs": [{"id": "search-enter", "property": "data", "value": {"text": "A", "n": 1}}],
            "state": [],
            "changedPropIds": ["search-enter.data"],
        }
        status, headers, text = server.ask(
            "/_dash-update-component", "POST", json.dumps(body), Content_Type="application/json"
        )
        assert (status, headers["x-outage"]) == (503, "database")
        found = re.search(r"Error id (\w{8})", text)
        assert found is not None and headers["x-request-id"].endswith(found[1])
        lines = [line for line in server.log.splitlines() if found[1] in line]
        assert any("search-found.data" in line and "no answer" in line for line in lines)
        assert "canary-password" not in server.log


def development(folder: Path) -> Path:
    path = folder / "development.yml"
    path.write_text("environment: development\nfeatures: {test_mode: false}\n")
    return path


def test_the_level_of_the_file_acts(database_url: str, folder: Path) -> None:
    config = str(configuration(folder, "warning"))
    with gunicorn(
        folder, database_url, *OURS, **environment(folder, MLTRADING_CONFIG=config)
    ) as server:
        server.ask("/health/ready")
        server.kill(server.workers()[0], 2)
        wait_until(lambda: server.records(), "gunicorn tells of the killed worker")
        assert {one["level"] for one in server.records()} <= {"warning", "error", "critical"}


def test_every_process_hands_over_what_it_counted(database_url: str, tmp_path: Path) -> None:
    """Samples come from every process, and the last ones when it ends."""
    with gunicorn(tmp_path, database_url, *OURS) as server:
        server.flood("/health/live", 80)
        server.ask("/charts")
        wait_until(
            lambda: execute(database_url, "SELECT count(DISTINCT process) FROM web_samples")
            == [(2,)],
            "both workers hand over",
        )
        seen = "SELECT sum(requests), sum(health_requests) FROM web_samples"
        wait_until(
            lambda: execute(database_url, seen)[0][1] >= 80
            and execute(database_url, seen)[0][0] >= 1,
            "what was asked is in the samples",
        )
    # The end of the server hands over the rest.
    [(requests, errors)] = execute(database_url, "SELECT sum(requests), sum(errors) FROM web_hours")
    assert (requests, errors) == (1, 0)


def test_switched_off_nothing_is_sampled_and_no_browser_reports(
    database_url: str, folder: Path
) -> None:
    path = folder / "off.yml"
    path.write_text(
        "environment: development\nfeatures: {test_mode: false}\nmonitoring: {enabled: false}\n"
    )
    with gunicorn(folder, database_url, *OURS, MLTRADING_CONFIG=str(path)) as server:
        assert 'data-timings="0"' in server.ask("/help")[2]
        assert server.ask("/timings", "POST", "timings=[]")[0] == 405
        assert server.metrics()["mltrading_processes"] >= 1  # who has the token may still read
    assert execute(database_url, "SELECT count(*) FROM web_samples") == [(0,)]
