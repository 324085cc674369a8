"""`mltrading worker`: the process that watches and alerts, and does things at their time: the daily
digest, and letting go what was kept for long enough."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from mltrading.cli.database import Access, open_database
from mltrading.cli.start import configured
from mltrading.cli.watching import Watching
from mltrading.errors import DatabaseUnavailable
from mltrading.paging import (
    FileConfig,
    Watch,
    build_config,
    build_price_watch,
    build_watch,
)
from mltrading.services import price_watch
from mltrading.services.ports.alerts import Leased
from mltrading.services.price_words import OF_TRADERS
from mltrading.settings import Settings
from mltrading.utils import logs
from mltrading.utils.message import Outcome
from mltrading.utils.progress import Progress

if TYPE_CHECKING:
    from mltrading.services.jobs import JobRunner
    from mltrading.services.price_watch import PriceWatch

LOOK_EVERY_SECONDS = 30.0
AGAIN_AFTER_SECONDS = 3.0  # when the database was away
log = logging.getLogger(logs.LIFE)  # starts, ends and deeds are told at every level

STOP_SECONDS = 0.3  # that what is under way may still take after a signal


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--once",
        action="store_true",
        help="do the jobs that are due now, and end; alerts need a worker that stays",
    )
    parser.add_argument(
        "--digest-hour",
        type=hour,
        metavar="HOUR",
        help="hour at which the daily digest is sent, in the time zone of alerting.yml (default: as"
        " alerting.yml says)",
    )
    parser.set_defaults(run=run)


def hour(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 23:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 23, not '{text}'")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    settings = configured()
    config = usable_config(settings)
    with ExitStack() as opened:
        with Progress() as step:
            access = open_database(settings, step)
            opened.callback(access.close)
            missing = not upgraded(access, step, needed=arguments.once)
        from mltrading.app import build_jobs

        jobs = build_jobs(settings, access.url, access.owner_url, config, arguments.digest_hour)
        if arguments.once:
            return 1 if do_due(jobs) else 0
        if settings.monitoring.enabled:
            from mltrading.observing import build_sampler, own_database

            build_sampler(settings, own_database(access.url), "worker").start()
        watch = build_watch(settings, access.url, config, tell) if config else None
        due = Due(jobs, access if missing else None)
        prices = build_price_watch(settings, access.url)
        work_until_told(due.look, watch, config, lambda: judge_prices(prices))
    # What is under way keeps its thread, and taking the interpreter apart would take a second.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def usable_config(settings: Settings) -> FileConfig | None:
    """Who is told, where alerts are on; the channels that can not be used are named on stderr."""
    if not (settings.monitoring.enabled and settings.monitoring.alerts):
        off = "alerts" if settings.monitoring.enabled else "enabled"
        warn(f"monitoring.{off} is off in {settings.environment}: nothing is sent")
        return None
    config = build_config(settings)
    for problem in config.problems():
        warn(problem)
    if not config.digest_channels():
        warn("no channel for information can be used: nothing is sent")
    return config


def upgraded(access: Access, step: Progress, *, needed: bool) -> bool:
    """Whether the schema is there. A worker that stays waits for its database: it is the one that
    tells people of its absence."""
    try:
        access.upgrade(step)
    except DatabaseUnavailable as error:
        if needed:
            raise
        warn(str(error))
        return False
    return True


class Due:
    """What is due; before it the migrations, where the database was away at the start."""

    def __init__(self, jobs: JobRunner, missing: Access | None) -> None:
        self._jobs = jobs
        self._missing = missing

    def look(self) -> None:
        if self._missing is not None:
            self._missing.upgrade(lambda _: None)
            self._missing = None
        do_due(self._jobs)
        self._jobs.tell_plans()


def work_until_told(
    look: Callable[[], object],
    watch: Watch | None = None,
    config: FileConfig | None = None,
    judge: Callable[[], object] | None = None,
) -> None:
    """Do what is due, watch, and judge prices, until SIGTERM or SIGINT, which end the process
    within a second: what is under way then is claimed for some minutes, and a next worker takes it
    up."""
    stop, failed = threading.Event(), []

    def work(look: Callable[[], object], every_seconds: float) -> None:
        try:
            look_again_and_again(look, stop, every_seconds)
        except BaseException as error:  # it is raised where the outcome is waited for
            failed.append(error)
        finally:
            stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    worker = threading.Thread(
        target=work, args=(look, LOOK_EVERY_SECONDS), name="worker", daemon=True
    )
    worker.start()
    if judge is not None:
        every = judge, price_watch.EVERY_SECONDS
        threading.Thread(target=work, args=every, name="prices", daemon=True).start()
    if watch is not None and config is not None:
        watching = Watching(watch, config, stop, say, warn)
        signal.signal(signal.SIGHUP, lambda *_: watching.read_again())
        watching.start()
    else:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    say("started")
    stop.wait()
    worker.join(STOP_SECONDS)
    if failed:
        raise failed[0]
    say("ended")


def look_again_and_again(
    look: Callable[[], object], stop: threading.Event, every_seconds: float = LOOK_EVERY_SECONDS
) -> None:
    """Look for what is due until `stop`; an absent database is said once, and waited for."""
    said = ""
    while not stop.is_set():
        pause = every_seconds
        try:
            look()
            if said:
                say("the database answers again")
            said = ""
        except DatabaseUnavailable as error:
            if not said:
                warn(str(error))
            said = str(error)
            pause = AGAIN_AFTER_SECONDS
        stop.wait(pause)


def judge_prices(watch: PriceWatch) -> None:
    """Judge traders' alerts; a fault in it must not end the worker, which does more than this."""
    try:
        for fired in watch.look():
            one, bars = fired.alert, "1 bar" if fired.bars == 1 else f"{fired.bars} bars"
            mailed = ", by e-mail too" if fired.mailed else ""
            say(f"alert {one.id} on {one.symbol.code} {one.wish.interval.value}: {bars}{mailed}")
    except DatabaseUnavailable:
        return  # the thread of the jobs says so
    except Exception:  # the next look may work
        log.exception("traders' alerts could not be judged, by a fault of this program")


def do_due(jobs: JobRunner) -> int:
    """Do what is due, and say it; how much of it did not work."""
    failed = 0
    for what, outcome in jobs.run_due():
        if outcome.delivered:
            say(f"{what}: {outcome.reason or 'delivered'}")
        else:
            failed += 1
            again = "to be tried again" if outcome.state == "retry" else "given up"
            warn(f"{what}: {outcome.reason}; {again}")
    return failed


def tell(leased: Leased, outcome: Outcome) -> None:
    """What came of an attempt to send an alert."""
    queued = leased.queued
    # No log names a trader.
    to = "a trader" if queued.message.key.startswith(OF_TRADERS) else queued.destination.name
    what = f"{queued.message.title} ({queued.message.id[:8]}) to {to}"
    if outcome.delivered:
        say(f"{what}: delivered")
    else:
        again = "to be tried again" if outcome.state == "retry" else "given up"
        warn(f"{what}: {outcome.reason}; {again}")


def say(text: str) -> None:
    if logs.as_json():
        log.info("worker: %s", text)
    else:
        print(f"worker: {text}", flush=True)


def warn(text: str) -> None:
    if logs.as_json():
        log.warning("%s", text)
    else:
        print(f"mltrading: warning: {text}", file=sys.stderr, flush=True)
