"""The table `pipeline_metrics`: what the delivery jobs measured, the newest of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from psycopg2.extensions import connection as Connection

from mltrading.adapters.postgres.pool import Database
from mltrading.services.ports.operations import PipelineMetric

_KEEP = """INSERT INTO pipeline_metrics AS kept (name, value, unit, target, met, measured_at)
    VALUES (%(name)s, %(value)s, %(unit)s, %(target)s, %(met)s, %(measured_at)s)
    ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value, unit = EXCLUDED.unit,
        target = EXCLUDED.target, met = EXCLUDED.met, measured_at = EXCLUDED.measured_at
    WHERE kept.measured_at <= EXCLUDED.measured_at"""


class PostgresPipelineMetrics:
    """Writes only; operations_book.py reads."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, metrics: Sequence[PipelineMetric]) -> None:
        """An older figure replaces no newer one."""

        def write(link: Connection) -> None:
            with link.cursor() as cursor:
                for metric in metrics:
                    cursor.execute(_KEEP, asdict(metric))

        self._database.write(write)
