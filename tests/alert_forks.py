"""Workers that alert, as many as a test can kill: forked from a process that has loaded the
program, so that each is there at once. Nothing else of them differs from `mltrading worker`."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path

from mltrading.__main__ import main
from mltrading.services import alert_delivery, alert_engine, alert_sensors
from mltrading.utils import retry

LEASE_SECONDS = 3.0
PRELOADED = (__name__, "mltrading.app", "mltrading.cli.worker", "mltrading.paging", "sqlalchemy")


def context() -> ForkServerContext:
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(list(PRELOADED))
    return found


def worker(context: ForkServerContext, env: Mapping[str, str], log: Path) -> ForkServerProcess:
    """One that runs."""
    process = context.Process(target=_work, args=(dict(env), str(log)), daemon=True)
    process.start()
    return process


def _work(env: dict[str, str], log: str) -> None:
    os.environ.clear()
    os.environ.update(env)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(output, 1)
    os.dup2(output, 2)
    alert_engine.EVERY_SECONDS = 0.5
    alert_sensors.DATABASE_AGAIN_SECONDS = alert_sensors.APP_AGAIN_SECONDS = 0.1
    alert_delivery.LOOK_EVERY_SECONDS = 0.2
    alert_delivery.LEASE_SECONDS = LEASE_SECONDS
    retry.FIRST_PAUSE_SECONDS, retry.LONGEST_PAUSE_SECONDS = 0.05, 0.3
    main(["worker", "--digest-hour", "23"])
