"""What was measured, made up: samples and a book that answer from memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from mltrading.services.ports import DatabaseState, Deployment
from mltrading.services.ports.operations import (
    AlertsShort,
    Ingest,
    JobPlan,
    JobRun,
    Jobs,
    LogQuery,
    LogRecord,
    MachineState,
    PipelineMetric,
    Process,
    Queue,
    Timing,
    Usage,
    UsageKind,
    Window,
)
from mltrading.utils.histogram import BUCKETS, bucket

NOON = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)


def counts(*seconds: float) -> tuple[int, ...]:
    found = [0] * BUCKETS
    for one in seconds:
        found[bucket(one)] += 1
    return tuple(found)


class Clock:
    def now(self) -> datetime:
        return NOON


@dataclass
class Samples:
    """`hours` by their begin."""

    hours: dict[datetime, Window] = field(default_factory=dict)
    steps: list[int] = field(default_factory=list)

    def window(self, seconds: int, until: datetime) -> Window:
        return Window()

    def series(
        self, since: datetime, until: datetime, step_seconds: int
    ) -> Sequence[tuple[datetime, Window]]:
        self.steps.append(step_seconds)
        return [(at, one) for at, one in sorted(self.hours.items()) if since <= at < until]


@dataclass
class Book:
    used: list[tuple[datetime, Usage]] = field(default_factory=list)
    timed: list[tuple[datetime, Timing]] = field(default_factory=list)
    users: list[tuple[date, int]] = field(default_factory=list)
    records: list[LogRecord] = field(default_factory=list)
    metrics: list[PipelineMetric] = field(default_factory=list)
    deployed: list[Deployment] = field(default_factory=list)
    ingested: list[Ingest] = field(default_factory=list)
    runs: list[JobRun] = field(default_factory=list)
    plans: list[JobPlan] = field(default_factory=list)
    running: list[Process] = field(default_factory=list)
    alerting: AlertsShort = AlertsShort({}, (), None)
    worker: float | None = 3.0
    digest: datetime | None = None
    asked: list[Any] = field(default_factory=list)
    fails: Exception | None = None

    def usage(self, kind: UsageKind, since: datetime, until: datetime) -> Sequence[Usage]:
        return [one for at, one in self.used if one.kind == kind and since <= at < until]

    def timings(self, since: datetime, until: datetime) -> Sequence[Timing]:
        return [one for at, one in self.timed if since <= at < until]

    def active_users(self, since: date, until: date) -> Sequence[tuple[date, int]]:
        return [(day, count) for day, count in self.users if since <= day < until]

    def deployments(self, limit: int) -> Sequence[Deployment]:
        return self.deployed[:limit]

    def log(self, query: LogQuery, limit: int) -> Sequence[LogRecord]:
        self.asked.append(query)
        start = limit * (query.page - 1)
        return self.records[start : start + limit]

    def pipeline(self) -> Sequence[PipelineMetric]:
        return self.metrics

    def ingest(self) -> Sequence[Ingest]:
        if self.fails:
            raise self.fails
        self.asked.append("ingest")
        return self.ingested

    def queues(self) -> Sequence[Queue]:
        return [Queue("jobs", 2, 90.0)]

    def worker_seen(self) -> float | None:
        return self.worker

    def usage_hours(
        self, kind: UsageKind, name: str, since: datetime, until: datetime
    ) -> Sequence[tuple[datetime, Usage]]:
        return [
            (at, one)
            for at, one in self.used
            if (one.kind, one.name) == (kind, name) and since <= at < until
        ]

    def jobs(self) -> Jobs:
        return Jobs(self.runs, self.plans, NOON)

    def processes(self, seconds: float) -> Sequence[Process]:
        return [one for one in self.running if one.age_seconds <= seconds]

    def alerts(self) -> AlertsShort:
        return self.alerting

    def digest_sent(self) -> datetime | None:
        return self.digest


class Health:
    """Answers as it is told."""

    response_seconds = 0.004

    def __init__(self, state: DatabaseState = DatabaseState.OK) -> None:
        self.state = state

    def database(self) -> DatabaseState:
        return self.state


class Machine:
    def __init__(self, **shares: float | None) -> None:
        self.state = MachineState(**shares)  # type: ignore[arg-type]

    def read(self) -> MachineState:
        return self.state

    def rss(self, processes: Sequence[int]) -> int | None:
        return None
