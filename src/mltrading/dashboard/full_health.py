"""/health/full: every part with its state, in the form of draft-inadarei-api-health-check-06."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from mltrading.services.health import Running
from mltrading.services.ports import DatabaseState
from mltrading.services.ports.operations import MachineState, Queue
from mltrading.services.vitals import IngestLag, Stored, Vital
from mltrading.utils import measures
from mltrading.utils.tally import Entry

SLOW_DATABASE_SECONDS = 0.5
FULL_MEMORY = FULL_CPU = 0.8
LOW_DISK = 0.1
LATE_INGEST_SECONDS = LATE_DIGEST_SECONDS = 26 * 3600.0  # a day, and time to do it in
LATE_JOB_SECONDS = 3600.0
SILENT_WORKER_SECONDS = 120.0
WORST = ("pass", "warn", "fail")

Check = dict[str, Any]


def report(vital: Vital, entries: Iterable[Entry], running: Running) -> dict[str, Any]:
    """The whole body; its status is that of the worst check."""
    checks = dict(_checks(vital, list(entries)))
    worst = max((one["status"] for found in checks.values() for one in found), key=WORST.index)
    for found in checks.values():
        for one in found:
            one["time"] = vital.at.isoformat()
    return {
        "status": worst,
        "version": running.version.partition(".")[0],
        "releaseId": running.version,
        "notes": [
            f"commit {running.commit or 'unknown'}",
            f"release {running.release or 'unknown'}",
        ],
        "serviceId": "mltrading",
        "description": "health of the MLTrading dashboard",
        "checks": checks,
    }


def _checks(vital: Vital, entries: list[Entry]) -> Iterator[tuple[str, list[Check]]]:
    yield "database:state", [_state(vital.database)]
    yield "database:responseTime", [_response(vital.response_seconds)]
    yield "pool:connections", [_pool(entries)]
    yield from _machine(vital.machine)
    if vital.stored is not None:
        yield from _stored(vital.stored, vital)
    yield "external_apis:state", [_check("component", "not_configured", True)]


def _state(state: DatabaseState) -> Check:
    fine = state is DatabaseState.OK
    return _check("datastore", state.value, fine, worst="fail")


def _response(seconds: float) -> Check:
    known = not math.isnan(seconds)
    fine = known and seconds <= SLOW_DATABASE_SECONDS
    return _check("datastore", round(seconds * 1000, 2) if known else None, fine, unit="ms")


def _pool(entries: list[Entry]) -> Check:
    values = {entry.key: entry.value for entry in entries}
    in_use = int(values.get((measures.POOL_IN_USE,), 0))
    exhausted = int(values.get((measures.POOL_EXHAUSTED,), 0))
    waits = int(values.get((measures.POOL_WAITS,), 0))
    said = f"since the start {waits} waits, {exhausted} in vain"
    return _check("component", in_use, True, unit="connections", output=said)


def _machine(machine: MachineState) -> Iterator[tuple[str, list[Check]]]:
    for name, share, fine in (
        ("memory:utilization", machine.memory_share, _most(machine.memory_share, FULL_MEMORY)),
        ("cpu:utilization", machine.cpu_share, _most(machine.cpu_share, FULL_CPU)),
        ("disk:free", machine.disk_free_share, _least(machine.disk_free_share, LOW_DISK)),
    ):
        percent = None if share is None else round(share * 100, 1)
        yield name, [_check("system", percent, fine, unit="percent")]


def _most(share: float | None, limit: float) -> bool:
    return share is None or share <= limit


def _least(share: float | None, limit: float) -> bool:
    return share is None or share >= limit


def _stored(stored: Stored, vital: Vital) -> Iterator[tuple[str, list[Check]]]:
    yield "ingest:newestBar", [_ingest(one) for one in stored.ingest] or [
        _check("component", None, True, output="no bars are stored")
    ]
    yield "queue:depth", [_queue(one) for one in stored.queues]
    yield "worker:seen", [_worker(stored.worker_seen_seconds)]
    yield "digest:sent", [_digest(stored, vital)]
    yield "deployment:newest", [_deployment(stored)]


def _ingest(one: IngestLag) -> Check:
    late = one.lag_seconds > LATE_INGEST_SECONDS
    said = "no calendar tells whether it is late" if math.isnan(one.lag_seconds) else ""
    if late:
        said = f"a session that closed {_hours(one.lag_seconds)} h ago is missing"
    return _check(
        "component", one.newest.isoformat(), not late, id=one.source, output=said, unit="time"
    )


def _queue(one: Queue) -> Check:
    said = f"the oldest is {_hours(one.oldest_seconds)} h old" if one.depth else ""
    return _check(
        "component", one.depth, one.oldest_seconds <= LATE_JOB_SECONDS, id=one.name, output=said
    )


def _worker(seconds: float | None) -> Check:
    fine = seconds is not None and seconds <= SILENT_WORKER_SECONDS
    said = "" if fine else "no worker runs: nothing is done at its time"
    shown = None if seconds is None else round(seconds, 1)
    return _check("component", shown, fine, unit="s", output=said)


def _digest(stored: Stored, vital: Vital) -> Check:
    sent = stored.digest_sent
    if sent is None:
        return _check("component", None, True, output="none was sent yet")
    fine = (vital.at - sent).total_seconds() <= LATE_DIGEST_SECONDS
    return _check("component", sent.isoformat(), fine, unit="time")


def _deployment(stored: Stored) -> Check:
    if not stored.deployments:
        return _check("component", None, True, output="none is recorded")
    newest = stored.deployments[0]
    said = " ".join(filter(None, (newest.release, newest.version, newest.commit[:12])))
    return _check("component", newest.finished_at.isoformat(), True, unit="time", output=said)


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.1f}"


def _check(
    kind: str,
    value: object,
    fine: bool,
    *,
    worst: str = "warn",
    unit: str = "",
    id: str = "",
    output: str = "",
) -> Check:
    known = {
        "componentId": id,
        "componentType": kind,
        "observedValue": value,
        "observedUnit": unit,
        "status": "pass" if fine else worst,
        "output": output,
    }
    return {name: value for name, value in known.items() if value not in ("", None)}
