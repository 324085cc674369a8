"""`mltrading pipeline FILE`: store what `python -m delivery metrics` measured, for the Ops page."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from mltrading.cli.database import migrated_url
from mltrading.cli.start import configured
from mltrading.errors import ConfigurationError
from mltrading.services.ports.operations import PipelineMetric
from mltrading.utils.progress import Progress


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="build/metrics.json of a run")
    parser.add_argument("--json", action="store_true", help="report as one line of JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from mltrading.adapters.postgres.pipeline_metrics import PostgresPipelineMetrics
    from mltrading.adapters.postgres.pool import Database

    metrics = read(arguments.file)
    settings = configured()
    with Progress() as say, migrated_url(settings, say) as url:
        database = Database(url, 1)
        try:
            PostgresPipelineMetrics(database).keep(metrics)
        finally:
            database.close()
    if arguments.json:
        print(json.dumps({"stored": len(metrics)}))
    else:
        noun = "figure" if len(metrics) == 1 else "figures"
        print(f"stored {len(metrics)} {noun} of the pipeline")
    return 0


def read(path: Path) -> list[PipelineMetric]:
    """The figures of a file that are known; ConfigurationError for a file of another form."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        measured_at = datetime.fromisoformat(content["measured_at"])
        if measured_at.tzinfo is None:
            raise ValueError("measured_at names no time zone")
        return [_metric(one, measured_at) for one in content["now"] if one["value"] is not None]
    except OSError as error:
        raise ConfigurationError(f"can not read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} is not what `python -m delivery metrics` writes: {error!r}"
        ) from None


def _metric(one: dict[str, Any], measured_at: datetime) -> PipelineMetric:
    met = one["met"]
    return PipelineMetric(
        str(one["name"]),
        float(one["value"]),
        str(one["unit"]),
        str(one["target"]),
        None if met is None else bool(met),
        measured_at,
    )
