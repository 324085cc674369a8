"""/health/full: each part with its state, the worst of which is the answer's."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from mltrading.dashboard import monitors
from mltrading.dashboard.full_health import report
from mltrading.services.health import Running
from mltrading.services.ports import DatabaseState, Deployment
from mltrading.services.ports.operations import MachineState, Queue
from mltrading.services.vitals import IngestLag, Stored, Vital
from tests.test_services.operations_made import NOON, Machine

pytestmark = pytest.mark.smoke

RUNNING = Running("0.1.0", "abc1234", "v5")
TOKEN = "t0ken-of-the-monitors"
STORED = Stored(
    ingest=[IngestLag("feed", NOON, 60.0, 0.0)],
    queues=[Queue("jobs", 0, 0.0)],
    deployments=[Deployment("production", "0.1.0", "abc1234", "v5", NOON)],
    worker_seen_seconds=4.0,
    digest_sent=NOON - timedelta(hours=4),
)
WELL = Vital(NOON, DatabaseState.OK, 0.003, MachineState(1, 0.5, 0.2, 0.6), STORED)


def stored(**changes: Any) -> Vital:
    return replace(WELL, stored=replace(STORED, **changes))


def test_all_well_is_a_pass_and_says_what_runs() -> None:
    body = report(WELL, [], RUNNING)
    assert (body["status"], body["releaseId"], body["version"]) == ("pass", "0.1.0", "0")
    assert "commit abc1234" in body["notes"]
    checks = body["checks"]
    assert checks["database:responseTime"][0]["observedValue"] == 3.0
    assert checks["external_apis:state"][0]["observedValue"] == "not_configured"
    assert checks["deployment:newest"][0]["output"] == "v5 0.1.0 abc1234"
    for found in checks.values():
        for one in found:
            assert one["status"] in ("pass", "warn", "fail")
            assert one["time"] == NOON.isoformat()


@pytest.mark.parametrize(
    ("vital", "check", "status"),
    [
        (replace(WELL, database=DatabaseState.TIMEOUT), "database:state", "fail"),
        (replace(WELL, database=DatabaseState.OUTDATED), "database:state", "fail"),
        (replace(WELL, response_seconds=0.8), "database:responseTime", "warn"),
        (replace(WELL, machine=MachineState(1, 0.81, 0.2, 0.6)), "memory:utilization", "warn"),
        (replace(WELL, machine=MachineState(1, 0.5, 0.81, 0.6)), "cpu:utilization", "warn"),
        (replace(WELL, machine=MachineState(1, 0.5, 0.2, 0.09)), "disk:free", "warn"),
        (stored(ingest=[IngestLag("feed", NOON, 9e5, 9e4 + 3600 * 2)]), "ingest:newestBar", "warn"),
        (stored(queues=[Queue("jobs", 1, 3601.0)]), "queue:depth", "warn"),
        (stored(worker_seen_seconds=None), "worker:seen", "warn"),
        (stored(worker_seen_seconds=121.0), "worker:seen", "warn"),
        (stored(digest_sent=NOON - timedelta(hours=27)), "digest:sent", "warn"),
    ],
)
def test_the_worst_part_is_the_answer(vital: Vital, check: str, status: str) -> None:
    body = report(vital, [], RUNNING)
    assert (body["status"], body["checks"][check][0]["status"]) == (status, status)


@pytest.mark.parametrize(
    "vital",
    [
        stored(ingest=[IngestLag("feed", NOON, 60.0, math.nan)]),
        stored(ingest=[], deployments=[], digest_sent=None),
        replace(WELL, machine=MachineState()),
    ],
)
def test_what_is_not_known_is_no_fault(vital: Vital) -> None:
    assert report(vital, [], RUNNING)["status"] == "pass"


class Reader:
    def __init__(self, vital: Vital) -> None:
        self.vital = vital

    def read(self) -> Vital:
        return self.vital


def served(vital: Vital = WELL, token: str | None = TOKEN, administrator: bool = False) -> Any:
    server = Flask("test")
    monitors.install(
        server,
        Reader(vital),  # type: ignore[arg-type]
        Machine(),
        RUNNING,
        token,
        lambda: administrator,
    )
    return server.test_client()


def test_it_is_served_as_the_draft_says() -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    answer = served().get("/health/full", headers=headers)
    assert (answer.status_code, answer.mimetype) == (200, "application/health+json")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.get_json(force=True)["status"] == "pass"
    warn = served(stored(worker_seen_seconds=None)).get("/health/full", headers=headers)
    assert (warn.status_code, warn.get_json(force=True)["status"]) == (200, "warn")
    gone = replace(WELL, database=DatabaseState.UNREACHABLE, response_seconds=math.nan, stored=None)
    fail = served(gone).get("/health/full", headers=headers)
    assert (fail.status_code, fail.get_json(force=True)["status"]) == (503, "fail")
    assert set(fail.get_json(force=True)["checks"]) >= {"database:state", "memory:utilization"}


@pytest.mark.parametrize(
    ("authorization", "administrator", "token", "status"),
    [
        ("", False, TOKEN, 401),
        ("", False, None, 401),
        ("", True, TOKEN, 200),
        ("", True, None, 200),
        (f"Bearer {TOKEN}", False, TOKEN, 200),
        ("Bearer wrong", False, TOKEN, 403),
        ("Bearer wrong", True, TOKEN, 403),
        ("Bearer wrong", False, None, 403),
        ("Bearer ", False, None, 401),
    ],
)
def test_monitors_and_administrators_read_it(
    authorization: str, administrator: bool, token: str | None, status: int
) -> None:
    headers = {"Authorization": authorization} if authorization else {}
    client = served(token=token, administrator=administrator)
    answer = client.get("/health/full", headers=headers)
    assert answer.status_code == status
    assert (b"checks" in answer.data) == (status == 200)
