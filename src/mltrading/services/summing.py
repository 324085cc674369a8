"""What the numbers of a process come to: one sample, and usage by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from mltrading.services.ports.operations import Sample, Timing, Usage, UsageKind
from mltrading.utils import measures
from mltrading.utils.histogram import BUCKETS, added, over
from mltrading.utils.tally import Entry

HEALTH = ("/health",)
STATIC = ("/assets/", "/_dash-component-suites/", "/favicon.ico", "/_favicon.ico")
OWN = ("/metrics", "/timings")
"""Where the routes of those begin that no person asks for."""
SLOW_SECONDS = 10.0
FAILED = frozenset({"error", "outage"})
"""The outcomes of callbacks and services that are failures of ours."""
LOST = frozenset({"lost", "unreachable", "disk_full"})
"""The failures of the database that are more than one question that took too long."""
_NOTHING = (0,) * BUCKETS


def sample_of(entries: Iterable[Entry], **known: Any) -> Sample:
    """The row of `web_samples`; `known` are the fields that no entry tells."""
    sums: dict[str, float] = defaultdict(float)
    latency = _NOTHING
    for entry in entries:
        if entry.key[0] == measures.REQUEST_SECONDS and kind_of(entry.key[1]) == "people":
            latency = added(latency, entry.counts)
            sums["latency_seconds"] += entry.value
            sums["slow"] += over(entry.counts, SLOW_SECONDS)
        elif entry.key[0] == measures.POOL_WAIT_SECONDS:
            sums["pool_wait_seconds"] += entry.value
        else:
            for column in _columns(entry.key):
                sums[column] += entry.value
    values: dict[str, Any] = {
        name: value if name.endswith("_seconds") else int(value) for name, value in sums.items()
    }
    return Sample(latency=latency, **values, **known)


def _columns(key: tuple[str, ...]) -> Iterator[str]:
    """The columns that a counter counts in."""
    family, labels = key[0], key[1:]
    if family == measures.REQUESTS:
        yield from _columns_of_request(labels[0], int(labels[2]))
    elif family == measures.CALLBACKS:
        yield "callbacks"
        if labels[1] == "error":  # an outage is a 503, and counted as that
            yield "callback_errors"
    elif family == measures.DATABASE_FAILURES and labels[0] in LOST:
        yield "database_failures"
    elif family in (measures.POOL_WAITS, measures.LOGIN_FAILURES):
        yield family


def _columns_of_request(route: str, status: int) -> Iterator[str]:
    kind = kind_of(route)
    if kind != "people":
        if kind != "own":
            yield f"{kind}_requests"
        return
    if status == 429:
        yield "rate_limited"
    if 400 <= status < 500:
        yield "refused"
        return
    yield "requests"
    if status >= 500:
        yield "errors_5xx"
    if status == 503:
        yield "shed_503"


def kind_of(route: str) -> str:
    """Whose request it is: "people", "health", "static" or our "own"."""
    for kind, begins in (("health", HEALTH), ("static", STATIC), ("own", OWN)):
        if route.startswith(begins):
            return kind
    return "people"


_COUNTERS: dict[str, UsageKind] = {
    measures.CALLBACKS: "callback",
    measures.SERVICE_CALLS: "service",
    measures.PAGE_VIEWS: "page",
    measures.REQUESTS: "route",
}
_TIMES: dict[str, UsageKind] = {
    measures.CALLBACK_SECONDS: "callback",
    measures.SERVICE_SECONDS: "service",
    measures.REQUEST_SECONDS: "route",
}


def usage_of(entries: Iterable[Entry]) -> list[Usage]:
    """How often each page, callback, service and route of people was used."""
    found: dict[tuple[UsageKind, str], Usage] = {}
    for entry in entries:
        one = _usage(entry)
        if one is not None:
            key = (one.kind, one.name)
            found[key] = together(found[key], one) if key in found else one
    return list(found.values())


def _usage(entry: Entry) -> Usage | None:
    family, *labels = entry.key
    if family in _TIMES and _of_people(_TIMES[family], labels[0]):
        return Usage(_TIMES[family], labels[0], 0, 0, entry.value, entry.counts)
    if family in _COUNTERS and _of_people(_COUNTERS[family], labels[0]):
        calls = int(entry.value)
        failed = calls if _failed(family, labels) else 0
        return Usage(_COUNTERS[family], labels[0], calls, failed, 0.0, _NOTHING)
    return None


def _of_people(kind: UsageKind, name: str) -> bool:
    return kind != "route" or kind_of(name) == "people"


def _failed(family: str, labels: list[str]) -> bool:
    if family == measures.REQUESTS:
        return int(labels[2]) >= 500
    return family != measures.PAGE_VIEWS and labels[1] in FAILED


def together(one: Usage, other: Usage) -> Usage:
    """Two of the same name."""
    return Usage(
        one.kind,
        one.name,
        one.calls + other.calls,
        one.errors + other.errors,
        one.seconds + other.seconds,
        added(one.latency, other.latency),
    )


def timings_of(entries: Iterable[Entry]) -> list[Timing]:
    """What browsers measured."""
    found = []
    for entry in entries:
        if entry.key[0] == measures.BROWSER_SECONDS:
            page, kind, name = entry.key[1:]
            found.append(Timing(page, kind, name, entry.value, entry.counts))
    return found
