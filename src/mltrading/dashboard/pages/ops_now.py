"""What the first section of Ops says in words: state, alerts in short, jobs, processes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from mltrading.dashboard.markup import Node, el
from mltrading.dashboard.pages.ops_parts import (
    MEGABYTE,
    age,
    cell,
    mark,
    milliseconds,
    minute,
    number,
    row,
    stamp,
    table,
    unknown,
    words,
)
from mltrading.services.job_states import JobState
from mltrading.services.ports import DatabaseState
from mltrading.services.ports.operations import AlertsShort, Process, Queue
from mltrading.services.vitals import IngestLag, Stored, Vital

LATE_SECONDS = 26 * 3600.0  # a day, and time to do it in
LATE_JOB_SECONDS = 3600.0
SILENT_SECONDS = 120.0
BAD_STANDINGS = ("overdue", "given up", "trying again")


def state(vital: Vital) -> Node:
    """How the parts are at this moment."""
    fine = vital.database is DatabaseState.OK
    rows = [row("Database", cell(mark(vital.database.value, bad=not fine)), _answer(vital))]
    if vital.stored is not None:
        rows += _stored(vital.stored)
    return table("ops-state-table", ("Part", "State", ""), rows, "")[0]


def _answer(vital: Vital) -> Node:
    if math.isnan(vital.response_seconds):
        return cell("it does not answer")
    return cell(f"answers in {milliseconds(vital.response_seconds)}")


def _stored(stored: Stored) -> Iterator[Node]:
    for lag in stored.ingest:
        yield _ingest(lag)
    if not stored.ingest:
        yield row("Bars", cell(unknown("no source stored any")), cell("none are stored"))
    for queue in stored.queues:
        yield _queue(queue)
    seen = stored.worker_seen_seconds
    silent = seen is None or seen > SILENT_SECONDS
    said = "it hands over no numbers" if seen is None else f"seen {age(seen)} ago"
    yield row("Worker", cell(mark("silent" if silent else "runs", bad=silent)), cell(said))
    sent = stored.digest_sent
    yield row(
        "Daily digest",
        cell(unknown("none is recorded") if sent is None else mark("sent", bad=False)),
        cell("none was sent yet" if sent is None else f"{stamp(sent)} UTC"),
    )


def _ingest(lag: IngestLag) -> Node:
    newest = f"newest bar {lag.newest:%Y-%m-%d %H:%M} UTC, {age(lag.age_seconds)} ago"
    if math.isnan(lag.lag_seconds):
        shown = unknown("no calendar tells when its sessions close")
    else:
        late = lag.lag_seconds > LATE_SECONDS
        shown = mark(f"{age(lag.lag_seconds)} behind" if lag.lag_seconds else "whole", bad=late)
    return row(f"Bars of {lag.source}", cell(shown), cell(newest))


def _queue(queue: Queue) -> Node:
    late = queue.oldest_seconds > LATE_JOB_SECONDS
    said = f"the oldest was due {age(queue.oldest_seconds)} ago" if queue.depth else "none waits"
    return row(f"Queue of {queue.name}", cell(mark(f"{queue.depth:,}", bad=late)), cell(said))


def alerts(short: AlertsShort) -> list[Node]:
    """How many fire and are about to, with the way to them."""
    link = el("a", "All alerts", href="/ops/alerts")
    if short.evaluated_seconds is None:
        never = "Alerts: not known, no rule was looked at yet; a worker does it. "
        return [el("p", never, link, id="ops-alerts", class_="muted")]
    firing, pending = short.states.get("firing", 0), short.states.get("pending", 0)
    broken = short.states.get("error", 0) + short.states.get("nodata", 0)
    named = f" ({', '.join(short.firing)})" if short.firing else ""
    parts: list[Node] = [
        "Alerts: ",
        mark(f"{firing} firing", bad=firing > 0),
        f"{named}, {pending} pending",
        f", {broken} that can not be judged" if broken else "",
        f"; looked at {age(short.evaluated_seconds)} ago. ",
    ]
    return [el("p", *parts, link, id="ops-alerts")]


def jobs(states: Sequence[JobState]) -> list[Node]:
    """What the workers do at their times."""
    rows = [
        row(
            one.job,
            cell(one.target or "—"),
            cell(_standing(one)),
            cell(minute(one.run.finished_at) if one.run and one.run.finished_at else "—"),
            cell(minute(one.next_at) if one.next_at else unknown("no worker told it")),
            words(one.run.outcome if one.run else ""),
        )
        for one in states
    ]
    heads = ("Job", "For", "State", "Last done (UTC)", "Next due (UTC)", "Outcome")
    nothing = "Not known: no worker has looked for what is due yet."
    return [el("h2", "Jobs"), *table("ops-jobs-table", heads, rows, nothing, stacked=True)]


def _standing(one: JobState) -> Node:
    tried = one.standing == "trying again" and one.run is not None
    said = f"{one.standing}, {one.run.attempts} so far" if tried and one.run else one.standing
    return mark(said, bad=one.standing in BAD_STANDINGS)


def processes(running: Sequence[Process]) -> list[Node]:
    """Those that handed over numbers in the last minute."""
    rows = [
        row(
            f"{one.kind} {one.process}",
            cell(one.instance),
            number(one.rss_bytes, f"{(one.rss_bytes or 0) / MEGABYTE:,.0f} MB"),
            number(one.pool_in_use, f"{one.pool_in_use}"),
            number(one.age_seconds, f"{age(one.age_seconds)}"),
        )
        for one in running
    ]
    heads = ("Process", "Machine", ">Memory", ">Connections at most", ">Told ago")
    nothing = "Not known: no process handed over numbers in the last minute."
    return [el("h2", "Processes"), *table("ops-processes-table", heads, rows, nothing)]
