"""What is known of the deployment's own running, as the services need it.

Each process adds up in memory and hands over a Batch every 15 seconds; what is read back is of all
processes together. Times of rows are the database's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from math import inf, nan
from typing import Literal, Protocol

from mltrading.services.ports import Deployment

# The alias says to mypy that whoever uses these records may take them from here.
from mltrading.utils.logs import LogRecord as LogRecord  # pylint: disable=useless-import-alias

ProcessKind = Literal["web", "worker"]
UsageKind = Literal["page", "callback", "service", "route"]
RAW_DAYS = 8
"""So long single samples are kept; sums by the hour for HOURS_DAYS."""
HOURS_DAYS = 400


@dataclass(frozen=True, slots=True)
class Window:
    """All processes together over a span of time; neither health checks nor static files count, nor
    what was refused (4xx).

    `errors`: answers of 5xx (503 included) and callbacks that failed, which a browser is told of
    with a 200. `slow`: requests of more than 10 s. Shares are 0 to 1 of the worst process: most
    memory and CPU, least disk; NaN unknown, as is the 95th percentile without requests. `latency`
    counts requests by utils.histogram's buckets. `newest_age_seconds` is from the newest sample to
    the end of the window, infinite without any.
    """

    requests: int = 0
    errors: int = 0
    slow: int = 0
    database_failures: int = 0
    latency_p95_seconds: float = nan
    memory_share: float = nan
    cpu_share: float = nan
    disk_free_share: float = nan
    samples: int = 0
    newest_age_seconds: float = inf
    latency: tuple[int, ...] = ()

    @property
    def error_rate(self) -> float:
        """NaN without requests."""
        return self.errors / self.requests if self.requests else nan


class Samples(Protocol):
    def window(self, seconds: int, until: datetime) -> Window:
        """The span (until - seconds, until]."""

    def series(
        self, since: datetime, until: datetime, step_seconds: int
    ) -> Sequence[tuple[datetime, Window]]:
        """The spans [t, t + step), t counted from 1970 in steps, that hold a sample; ascending.
        Steps of whole hours reach back HOURS_DAYS, others RAW_DAYS."""


@dataclass(frozen=True, slots=True)
class MachineState:
    """What the process uses, and the shares of the machine or container that are used; None where
    the system does not tell."""

    rss_bytes: int | None = None
    memory_share: float | None = None
    cpu_share: float | None = None
    disk_free_share: float | None = None


class Machine(Protocol):
    def read(self) -> MachineState:
        """Now; the processor's share is that since the last call."""

    def rss(self, processes: Sequence[int]) -> int | None:
        """Resident memory of these processes together."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What one process added up in `seconds`. Shares are None where the machine does not tell."""

    kind: ProcessKind
    instance: str
    process: int
    seconds: float
    requests: int = 0
    refused: int = 0  # 4xx, which count nowhere else
    errors_5xx: int = 0
    shed_503: int = 0
    slow: int = 0
    static_requests: int = 0
    health_requests: int = 0
    callbacks: int = 0
    callback_errors: int = 0
    latency: tuple[int, ...] = ()
    latency_seconds: float = 0.0
    database_failures: int = 0
    pool_in_use: int = 0  # at most at once
    pool_waits: int = 0
    pool_wait_seconds: float = 0.0
    login_failures: int = 0
    rate_limited: int = 0
    rss_bytes: int | None = None
    memory_share: float | None = None
    cpu_share: float | None = None
    disk_free_share: float | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """How often something was used in an hour, and how long it took."""

    kind: UsageKind
    name: str
    calls: int
    errors: int
    seconds: float
    latency: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Timing:
    """What browsers measured: `kind` load, callback, paint or long_task; `name` the callback."""

    page: str
    kind: str
    name: str
    seconds: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one process hands over at once. `active` are opaque names of those who were there."""

    sample: Sample
    usage: Sequence[Usage] = ()
    timings: Sequence[Timing] = ()
    active: Sequence[str] = ()
    log: Sequence[LogRecord] = ()


class SampleBook(Protocol):
    def keep(self, batch: Batch) -> None:
        """All of it or nothing."""

    def forget(self) -> None:
        """Give up what is older than it is kept for, a bounded part of it at a time."""


@dataclass(frozen=True, slots=True)
class LogQuery:
    """`text` in message or exception; `request_id` may be its short form, the error id of a toast;
    `level` is the least. Newest first, `page` from 1."""

    text: str = ""
    level: str = "warning"
    request_id: str = ""
    since: datetime | None = None
    until: datetime | None = None
    page: int = 1


LIVE = ("load_p75", "paint_p75", "callback_p95", "request_p95", "error_share")
"""What of the budgets is known of the running deployment (services/operations.py)."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What the dashboard may take of something; `live` is one of LIVE, "" where only `make bench`
    measures it."""

    name: str
    what: str
    limit: float
    unit: str
    live: str = ""


@dataclass(frozen=True, slots=True)
class PipelineMetric:
    """A figure of the delivery pipeline, as its jobs wrote it last; `target` as they judge it."""

    name: str
    value: float
    unit: str
    target: str
    met: bool | None
    measured_at: datetime


@dataclass(frozen=True, slots=True)
class Ingest:
    """The newest bar of one source, microseconds UTC, and of each calendar's symbols the newest
    session label."""

    source: str
    newest: int
    sessions: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Queue:
    """What was begun and is not done."""

    name: str
    depth: int
    oldest_seconds: float


class OperationsBook(Protocol):
    """What the Ops page, the digest and /health/full read."""

    def usage(self, kind: UsageKind, since: datetime, until: datetime) -> Sequence[Usage]:
        """Sums of whole hours, most used first."""

    def timings(self, since: datetime, until: datetime) -> Sequence[Timing]:
        """Sums of whole hours."""

    def active_users(self, since: date, until: date) -> Sequence[tuple[date, int]]:
        """How many were there, each day of [since, until) with any."""

    def deployments(self, limit: int) -> Sequence[Deployment]:
        """Newest first."""

    def log(self, query: LogQuery, limit: int) -> Sequence[LogRecord]: ...

    def pipeline(self) -> Sequence[PipelineMetric]: ...

    def ingest(self) -> Sequence[Ingest]:
        """One for each source that stored bars."""

    def queues(self) -> Sequence[Queue]: ...

    def worker_seen(self) -> float | None:
        """Seconds since a worker handed over a sample; None: never, or too long ago."""

    def digest_sent(self) -> datetime | None:
        """When the newest daily digest went out to some channel."""
