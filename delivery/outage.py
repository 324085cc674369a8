"""What a run leaves for later runs to measure: notices on its job, which GitHub keeps with the run.

`::error title=Production outage::{"failed_at": ..., "healthy_at": ...}` is written when a release
failed in production, `::notice title=Coverage::91.3` when the tests were counted. They are for
people as much as for `python -m delivery metrics`, and need no branch, no artefact, no database.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

OUTAGE = "Production outage"
COVERAGE = "Coverage"


@dataclass(frozen=True, slots=True)
class Outage:
    """Production failed its visitors from `failed_at` on; `healthy_at` None: it still did at the
    end of the run."""

    failed_at: datetime
    healthy_at: datetime | None


def announce_outage(outage: Outage, environment: Mapping[str, str] | None = None) -> None:
    healthy = outage.healthy_at.isoformat() if outage.healthy_at else None
    message = json.dumps({"failed_at": outage.failed_at.isoformat(), "healthy_at": healthy})
    _announce("error", OUTAGE, message, environment)


def announce_coverage(percent: float, environment: Mapping[str, str] | None = None) -> None:
    _announce("notice", COVERAGE, f"{percent:.2f}", environment)


def _announce(level: str, title: str, message: str, known: Mapping[str, str] | None) -> None:
    """Printed as a workflow command, where a workflow listens."""
    if (os.environ if known is None else known).get("GITHUB_ACTIONS") == "true":
        print(f"::{level} title={title}::{message}", flush=True)


def read_outage(annotation: Mapping[str, Any]) -> Outage | None:
    """The outage of an annotation; None where it is another one."""
    if annotation.get("title") != OUTAGE:
        return None
    try:
        body = json.loads(str(annotation.get("message")))
        healthy = body["healthy_at"]
        outage = Outage(
            datetime.fromisoformat(body["failed_at"]),
            None if healthy is None else datetime.fromisoformat(healthy),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    times = [each for each in (outage.failed_at, outage.healthy_at) if each is not None]
    return outage if all(each.tzinfo is not None for each in times) else None


def read_coverage(annotation: Mapping[str, Any]) -> float | None:
    if annotation.get("title") != COVERAGE:
        return None
    try:
        percent = float(str(annotation.get("message")))
    except ValueError:
        return None
    return percent if 0 <= percent <= 100 else None
