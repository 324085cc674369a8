"""What is measured: the names of all numbers, and the tally of this process.

The tally belongs to the process as the log does: whatever runs in it may add.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mltrading.utils.tally import Tally

TALLY = Tally()


@dataclass(frozen=True, slots=True)
class Family:
    """Numbers of one meaning; `labels` name the parts of a key after the first."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()


REQUESTS = "http_requests"
REQUEST_SECONDS = "http_request_seconds"
IN_FLIGHT = "http_requests_in_flight"
CALLBACKS = "callbacks"
CALLBACK_SECONDS = "callback_seconds"
PAGE_VIEWS = "page_views"
SERVICE_CALLS = "service_calls"
SERVICE_SECONDS = "service_seconds"
POOL_IN_USE = "pool_connections_in_use"
POOL_PEAK = "pool_connections_peak"
POOL_WAITS = "pool_waits"
POOL_WAIT_SECONDS = "pool_wait_seconds"
POOL_EXHAUSTED = "pool_exhausted"
DATABASE_FAILURES = "database_failures"
READS_REPEATED = "database_reads_repeated"
LOGIN_FAILURES = "login_failures"
RATE_LIMITED = "rate_limited"
BROWSER_SECONDS = "browser_seconds"
TIMINGS_REFUSED = "timings_refused"
LOG_RECORDS = "log_records"
SAMPLES_FAILED = "samples_failed"

FAMILIES = (
    Family(REQUESTS, "counter", "Requests answered.", ("route", "method", "status")),
    Family(REQUEST_SECONDS, "histogram", "Time until the answer was ready.", ("route",)),
    Family(IN_FLIGHT, "gauge", "Requests being answered."),
    Family(CALLBACKS, "counter", "Callbacks answered.", ("callback", "outcome")),
    Family(CALLBACK_SECONDS, "histogram", "Time of callbacks.", ("callback",)),
    Family(PAGE_VIEWS, "counter", "Pages shown.", ("page",)),
    Family(SERVICE_CALLS, "counter", "Calls of services.", ("verb", "outcome")),
    Family(SERVICE_SECONDS, "histogram", "Time of services.", ("verb",)),
    Family(POOL_IN_USE, "gauge", "Connections to the database in use."),
    Family(POOL_PEAK, "gauge", "Most connections in use at once since the last sample, added up."),
    Family(POOL_WAITS, "counter", "Times that no connection was free at once."),
    Family(POOL_WAIT_SECONDS, "histogram", "Time to get a connection that answers."),
    Family(POOL_EXHAUSTED, "counter", "Times that no connection came free in time."),
    Family(DATABASE_FAILURES, "counter", "Failures of the database that were met.", ("kind",)),
    Family(READS_REPEATED, "counter", "Reads that ran again after a connection broke."),
    Family(LOGIN_FAILURES, "counter", "Attempts to sign in that failed.", ("reason",)),
    Family(RATE_LIMITED, "counter", "Answers of 429.", ("limit",)),
    Family(BROWSER_SECONDS, "histogram", "Times that browsers measured.", ("page", "kind", "name")),
    Family(TIMINGS_REFUSED, "counter", "Reports of browsers that were not taken.", ("reason",)),
    Family(LOG_RECORDS, "counter", "Lines of the log.", ("level",)),
    Family(SAMPLES_FAILED, "counter", "Samples that could not be stored at once."),
)


def login_failed(reason: str) -> None:
    """Somebody could not sign in. `reason` is one of a few words of the program."""
    TALLY.add(LOGIN_FAILURES, reason)


def rate_limited(limit: str) -> None:
    """Somebody was told to wait. `limit` names which limit, never whom."""
    TALLY.add(RATE_LIMITED, limit)


def page_shown(path: str) -> None:
    """A page was opened; `path` is that of a known page."""
    TALLY.add(PAGE_VIEWS, path)
