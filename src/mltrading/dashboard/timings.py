"""What browsers measured (static/js/timings.js), taken into the numbers of the process.

A report holds names that the server knows and times; whatever else is in it is left out. It is
never answered by a failure of ours: nobody waits for the answer.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from dash import Dash
from flask import Flask, Response, g, request

from mltrading.dashboard.measuring import callback_name
from mltrading.domain.access import Actor
from mltrading.utils import measures
from mltrading.utils.measures import TALLY

PATH = "/timings"
SHARE = "TIMINGS"
"""Where the server's configuration keeps which share of page loads reports."""
MOST_BYTES = 32 << 10
MOST_TIMINGS = 200
LONGEST_SECONDS = 600.0
KINDS = frozenset({"load", "callback", "paint", "long_task"})
REPORTS, REPORT_SECONDS = 20, 60.0  # of one visitor; a page reports every 30 s, and when it goes
MOST_VISITORS = 10_000

Timing = tuple[str, str, str, float]


class Turnstile:
    """Lets one visitor through so often in a span of time, in this process alone: it protects the
    numbers, not the server."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._ends = 0.0
        self._counted: dict[str, int] = {}

    def admits(self, who: str) -> bool:
        with self._lock:
            if self._now() >= self._ends or len(self._counted) > MOST_VISITORS:
                self._ends, self._counted = self._now() + REPORT_SECONDS, {}
            self._counted[who] = self._counted.get(who, 0) + 1
            return self._counted[who] <= REPORTS


def install(app: Dash, pages: Iterable[str], share: float) -> None:
    """Take reports; call it when all callbacks are registered. `share` of page loads send them."""
    server: Flask = app.server
    server.config[SHARE] = share
    known = Known(pages, app.callback_map)
    turnstile = Turnstile()

    @server.post(PATH)
    def take() -> Response:
        if (request.content_length or 0) > MOST_BYTES:
            return _refused("size", 413)
        actor = g.get("actor")
        if not turnstile.admits(actor.id if isinstance(actor, Actor) else ""):
            measures.rate_limited("timings")
            return _refused("rate", 429)
        report = _read(request.form.get("timings", ""))
        if report is None:
            return _refused("form", 400)
        for kind, name, page, seconds in known.of(report):
            TALLY.observe(seconds, measures.BROWSER_SECONDS, page, kind, name)
        return Response(status=204)

    @server.after_request
    def answer_no_failure(response: Response) -> Response:
        """The database may be away, so that nobody knows who reports: then it is dropped."""
        dropped = request.path == PATH and response.status_code >= 500
        return Response(status=204) if dropped else response


def _refused(reason: str, status: int) -> Response:
    TALLY.add(measures.TIMINGS_REFUSED, reason)
    return Response(status=status)


def _read(text: str) -> list[Any] | None:
    """The list that a report holds; None for anything else."""
    try:
        report = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return report if isinstance(report, list) and len(report) <= MOST_TIMINGS else None


class Known:
    """Which pages and callbacks there are."""

    def __init__(self, pages: Iterable[str], callbacks: Mapping[str, Mapping[str, Any]]) -> None:
        self._pages = frozenset(pages)
        self._callbacks = frozenset(
            callback_name(output) for output, entry in callbacks.items() if "callback" in entry
        )

    def of(self, report: list[Any]) -> Iterator[Timing]:
        """The timings of a report that can be true, under names of ours."""
        for one in report:
            if not (isinstance(one, list) and len(one) == 4):
                continue
            kind, name, page, milliseconds = one
            if not all(isinstance(part, str) for part in (kind, name, page)):
                continue
            if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
                continue
            named = name in self._callbacks if kind == "callback" else name == ""
            known = named and kind in KINDS and page in self._pages
            if known and 0 <= milliseconds <= LONGEST_SECONDS * 1000:  # which no NaN is
                yield kind, name, page, milliseconds / 1000
