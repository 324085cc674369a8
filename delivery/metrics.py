"""`python -m delivery metrics`: how well the pipeline does, against its targets and against before.

Without more words: the measures of the last 28 days beside the 28 days before, as a table in the
run's summary and as JSON (build/metrics.json). `metrics estimate`: the wall time of ci.yml from
recorded times of its jobs. `metrics record JOB SECONDS`: keep such a time. `metrics coverage FILE`:
leave the coverage of this run where later runs find it.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

from delivery.errors import DeliveryError
from delivery.estimate import configure as configure_estimate
from delivery.estimate import configure_record
from delivery.findings import ROOT
from delivery.forge import Forge, Summary, cell, table
from delivery.measures import Measure, Period, Trend, measures
from delivery.outage import announce_coverage
from delivery.pipeline import history

DAYS = 28
FILE = ROOT / "build" / "metrics.json"
SIGNS = {True: "yes", False: "**no**", None: "-"}


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=int, default=DAYS, help="of a period: %(default)s")
    parser.add_argument("--output", type=Path, default=FILE, help="default: %(default)s")
    parser.set_defaults(run=report)
    actions = parser.add_subparsers(metavar="ACTION")
    configure_estimate(actions.add_parser("estimate", help="wall time of ci.yml"))
    configure_record(actions.add_parser("record", help="keep the time of a job"))
    counted = actions.add_parser("coverage", help="leave the coverage for later runs")
    counted.add_argument("file", type=Path, help="JSON of coverage.py")
    counted.set_defaults(run=coverage)


def report(arguments: argparse.Namespace) -> int:
    if arguments.days < 1:
        raise DeliveryError("a period has at least one day")
    end = datetime.now(timezone.utc)
    trends = measure(Forge.from_environment(), end, arguments.days)
    summary = Summary([f"### Pipeline, the last {arguments.days} days", "", *shown(trends)])
    summary.write()
    keep(arguments.output, trends, end, arguments.days)
    return 0


def measure(forge: Forge, end: datetime, days: int) -> list[Trend]:
    period = Period(end - timedelta(days=days), end)
    known = history(forge, period.before().start, end)
    pairs = zip(measures(known, period), measures(known, period.before()), strict=True)
    return [Trend(now, before) for now, before in pairs]


def shown(trends: list[Trend]) -> list[str]:
    rows = [
        [
            one.now.name,
            value(one.now),
            one.now.target or "-",
            SIGNS[one.now.met],
            value(one.before),
            one.words,
            cell(one.now.note),
        ]
        for one in trends
    ]
    return table(["measure", "now", "target", "met", "before", "trend", "of"], rows)


def value(measure: Measure) -> str:
    return "-" if measure.value is None else f"{measure.value:.2f} {measure.unit}"


def keep(path: Path, trends: list[Trend], end: datetime, days: int) -> None:
    """The table as JSON; a workflow keeps it with its run."""
    content = {
        "measured_at": end.isoformat(timespec="seconds"),
        "days": days,
        "now": [asdict(one.now) for one in trends],
        "before": [asdict(one.before) for one in trends],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def coverage(arguments: argparse.Namespace) -> int:
    try:
        body = json.loads(arguments.file.read_text(encoding="utf-8"))
        percent = float(body["totals"]["percent_covered"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeliveryError(f"{arguments.file} is no JSON report of coverage: {error!r}") from None
    print(f"coverage {percent:.2f} %")
    announce_coverage(percent)
    return 0
