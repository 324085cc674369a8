"""`mltrading worker`: the process that does things at their time: the daily digest, and letting go
what was kept for long enough."""

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

from mltrading.alerting import parse_alerting_file
from mltrading.cli.database import migrated
from mltrading.cli.start import configured
from mltrading.errors import DatabaseUnavailable
from mltrading.files import alerting_path
from mltrading.services.digest import HOUR_UTC
from mltrading.settings import Settings
from mltrading.utils import logs
from mltrading.utils.progress import Progress

if TYPE_CHECKING:
    from mltrading.adapters.channels import Channel
    from mltrading.services.jobs import JobRunner

LOOK_EVERY_SECONDS = 30.0
AGAIN_AFTER_SECONDS = 3.0  # when the database was away
log = logging.getLogger(logs.LIFE)  # starts, ends and deeds are told at every level

STOP_SECONDS = 0.3  # that what is under way may still take after a signal


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="do what is due now, and end")
    parser.add_argument(
        "--digest-hour",
        type=hour,
        default=HOUR_UTC,
        metavar="HOUR",
        help=f"hour of UTC at which the daily digest is sent (default: {HOUR_UTC})",
    )
    parser.set_defaults(run=run)


def hour(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 23:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to 23, not '{text}'")
    return int(text)


def run(arguments: argparse.Namespace) -> int:
    settings = configured()
    channels = info_channels(settings)
    with ExitStack() as opened:
        with Progress() as step:
            access = opened.enter_context(migrated(settings, step))
        from mltrading.app import build_jobs

        jobs = build_jobs(settings, access.url, access.owner_url, channels, arguments.digest_hour)
        if arguments.once:
            return 1 if do_due(jobs) else 0
        if settings.monitoring.enabled:
            from mltrading.observing import build_sampler, own_database

            build_sampler(settings, own_database(access.url), "worker").start()
        work_until_told(jobs)
    # What is under way keeps its thread, and taking the interpreter apart would take a second.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def info_channels(settings: Settings) -> list[Channel]:
    """The channels of severity info that can be used; the others are named on stderr."""
    from mltrading.adapters.channels import NotSet, open_channel
    from mltrading.adapters.channels.retrying import Bounded

    if not (settings.monitoring.enabled and settings.monitoring.alerts):
        off = "alerts" if settings.monitoring.enabled else "enabled"
        warn(f"monitoring.{off} is off in {settings.environment}: nothing is sent")
        return []
    found: list[Channel] = []
    environment = {name: value.get_secret_value() for name, value in settings.channels.items()}
    for one in parse_alerting_file(alerting_path(settings.config))["info"]:
        try:
            found.append(Bounded(open_channel(one.kind, one.target, environment)))
        except NotSet as error:
            warn(f"{one.kind} {one.target} skipped: {error}")
    if not found:
        warn("no channel for information can be used: nothing is sent")
    return found


def work_until_told(jobs: JobRunner) -> None:
    """Do what is due until SIGTERM or SIGINT, which end the process within a second: what is
    under way then is claimed for some minutes, and a next worker takes it up."""
    stop, failed = threading.Event(), []

    def work() -> None:
        try:
            look_again_and_again(lambda: do_due(jobs), stop)
        except BaseException as error:  # it is raised where the outcome is waited for
            failed.append(error)
        finally:
            stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    worker = threading.Thread(target=work, name="worker", daemon=True)
    worker.start()
    say("started")
    stop.wait()
    worker.join(STOP_SECONDS)
    if failed:
        raise failed[0]
    say("ended")


def look_again_and_again(look: Callable[[], object], stop: threading.Event) -> None:
    """Look for what is due until `stop`; an absent database is said and waited for."""
    while not stop.is_set():
        pause = LOOK_EVERY_SECONDS
        try:
            look()
        except DatabaseUnavailable as error:
            warn(str(error))
            pause = AGAIN_AFTER_SECONDS
        stop.wait(pause)


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
