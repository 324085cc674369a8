"""The numbers of all processes as Prometheus reads them (its text format, version 0.0.4)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from mltrading.services.health import Running
from mltrading.services.ports.operations import MachineState
from mltrading.services.vitals import Vital
from mltrading.utils.blocks import OVERFLOW
from mltrading.utils.histogram import BOUNDS_SECONDS
from mltrading.utils.measures import FAMILIES, Family
from mltrading.utils.tally import Entry

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "mltrading_"

Labels = tuple[tuple[str, str], ...]
Gauge = tuple[str, str, Sequence[tuple[Labels, float | None]]]
"""Name, help, and the value of each set of labels; an unknown value is left out."""


def exposition(
    entries: Iterable[Entry],
    vital: Vital,
    running: Running,
    rss_bytes: int | None,
    processes: Sequence[int],
) -> str:
    """The whole answer of /metrics."""
    by_family: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_family[entry.key[0]].append(entry)
    lines: list[str] = []
    for family in FAMILIES:
        lines += _family(family, by_family.pop(family.name, []))
    lost = sum(entry.value for entry in by_family.get(OVERFLOW[0], []))
    lines += _head("metrics_lost_total", "counter", "Numbers without room for their name.")
    lines.append(_line("metrics_lost_total", (), lost))
    gauges = (*_process(running, rss_bytes, processes), *_machine(vital.machine), *_vital(vital))
    for name, text, values in gauges:
        known = [(labels, value) for labels, value in values if value is not None]
        if known:
            lines += _head(name, "gauge", text)
            lines += [_line(name, labels, value) for labels, value in known]
    return "\n".join(lines) + "\n"


def _family(family: Family, entries: list[Entry]) -> Iterator[str]:
    name = f"{family.name}_total" if family.kind == "counter" else family.name
    yield from _head(name, family.kind, family.help)
    if not entries and not family.labels and family.kind != "histogram":
        yield _line(name, (), 0.0)
    for entry in entries:
        labels = tuple(zip(family.labels, entry.key[1:]))
        if family.kind == "histogram":
            yield from _histogram(name, labels, entry)
        else:
            yield _line(name, labels, entry.value)


def _histogram(name: str, labels: Labels, entry: Entry) -> Iterator[str]:
    so_far = 0
    for bound, count in zip((*BOUNDS_SECONDS, math.inf), entry.counts, strict=True):
        so_far += count
        yield _line(f"{name}_bucket", (*labels, ("le", _number(bound))), so_far)
    yield _line(f"{name}_sum", labels, entry.value)
    yield _line(f"{name}_count", labels, so_far)


def _process(running: Running, rss_bytes: int | None, processes: Sequence[int]) -> Iterator[Gauge]:
    build = (("version", running.version), ("commit", running.commit or "unknown"))
    yield "build_info", "What runs.", [(build, 1.0)]
    yield "processes", "Processes that answer.", [((), float(len(processes)))]
    yield "resident_memory_bytes", "Memory of these processes together.", [((), rss_bytes)]


def _machine(machine: MachineState) -> Iterator[Gauge]:
    yield "memory_used_ratio", "Of what may be used.", [((), machine.memory_share)]
    yield "cpu_used_ratio", "Of what may be used.", [((), machine.cpu_share)]
    yield "disk_free_ratio", "Of the fullest disk.", [((), machine.disk_free_share)]


def _vital(vital: Vital) -> Iterator[Gauge]:
    up = float(vital.database.answers)
    yield "database_up", "Whether the database answers.", [((), up)]
    yield (
        "database_response_seconds",
        "How long it took to answer.",
        [((), None if math.isnan(vital.response_seconds) else vital.response_seconds)],
    )
    stored = vital.stored
    if stored is None:
        return
    yield (
        "newest_bar_age_seconds",
        "Since the newest bar of a source.",
        [((("source", one.source),), one.age_seconds) for one in stored.ingest],
    )
    yield (
        "ingest_lag_seconds",
        "Since a session closed that should be stored and is not.",
        [
            ((("source", one.source),), one.lag_seconds)
            for one in stored.ingest
            if not math.isnan(one.lag_seconds)
        ],
    )
    queues = [((("queue", one.name),), float(one.depth)) for one in stored.queues]
    ages = [((("queue", one.name),), one.oldest_seconds) for one in stored.queues]
    yield "queue_depth", "What was begun and is not done.", queues
    yield "queue_oldest_seconds", "The age of the oldest of it.", ages
    yield "worker_seen_seconds", "Since a worker was there.", [((), stored.worker_seen_seconds)]


def _head(name: str, kind: str, text: str) -> list[str]:
    return [f"# HELP {PREFIX}{name} {text}", f"# TYPE {PREFIX}{name} {kind}"]


def _line(name: str, labels: Labels, value: float) -> str:
    written = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels)
    return f"{PREFIX}{name}{f'{{{written}}}' if written else ''} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
