"""`mltrading pipeline FILE`: what the delivery jobs measured reaches the database as written."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from delivery.measures import History, Period, Trend, measures
from delivery.metrics import keep
from tests.console import Done, typed
from tests.database_fixtures import execute

pytestmark = pytest.mark.database

END = datetime(2026, 3, 4, 12, tzinfo=timezone.utc)


def pipeline(database_url: str, path: Path, *words: str) -> Done:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MLTRADING_")}
    environment = {**kept, "DATABASE_URL": database_url, "MLTRADING_HOME": str(path.parent)}
    return typed(environment, "pipeline", str(path), *words)


def test_what_is_known_of_the_jobs_own_file_is_stored(database_url: str, tmp_path: Path) -> None:
    """The file is written by the delivery tooling itself, so that the two can not drift apart."""
    path = tmp_path / "metrics.json"
    period = Period(END - timedelta(days=28), END)
    history = History(coverage=((END - timedelta(days=1), 93.5),))
    now = measures(history, period)
    keep(path, [Trend(one, one) for one in now], END, 28)
    done = pipeline(database_url, path, "--json")
    assert (done.code, json.loads(done.out)) == (0, {"stored": 1}), done.err
    assert execute(database_url, "SELECT name, value, unit, target, met FROM pipeline_metrics") == [
        ("Coverage", 93.5, "%", "> 80 %", True)
    ]
    assert pipeline(database_url, path).out == "stored 1 figure of the pipeline\n"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"measured_at": "2026-03-04T12:00:00", "now": []}',
        '{"measured_at": "2026-03-04T12:00:00+00:00", "now": [{"name": "x"}]}',
        '{"measured_at": "2026-03-04T12:00:00+00:00", "now": 5}',
    ],
)
def test_another_file_is_refused_in_one_line(
    database_url: str, tmp_path: Path, content: str
) -> None:
    path = tmp_path / "metrics.json"
    path.write_text(content)
    done = pipeline(database_url, path)
    assert done.code == 1
    assert "is not what `python -m delivery metrics` writes" in done.err
    assert done.err.count("\n") == 1


def test_a_missing_file_is_named(database_url: str, tmp_path: Path) -> None:
    done = pipeline(database_url, tmp_path / "none.json")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "none.json: No such file" in done.err
