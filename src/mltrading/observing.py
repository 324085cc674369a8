"""Joins what measures: the numbers of a process, their storing, who may read them."""

from __future__ import annotations

import logging
import os
import platform
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from dash import Dash
from flask import Flask

from mltrading.adapters.budgets import read_budgets
from mltrading.adapters.machine import LinuxMachine
from mltrading.adapters.postgres.operations_book import PostgresOperationsBook
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.sample_book import PostgresSampleBook
from mltrading.adapters.postgres.samples import PostgresSamples
from mltrading.adapters.telemetry import Telemetry, installed
from mltrading.dashboard import measuring, monitors, timings
from mltrading.dashboard.actor import current_actor
from mltrading.dashboard.guard.visitor import Visitors
from mltrading.dashboard.guard.web import Web
from mltrading.dashboard.pages import PAGES
from mltrading.domain.access import Permission
from mltrading.domain.calendar import Calendars
from mltrading.services import Services
from mltrading.services.health import Health, Running
from mltrading.services.operations import Operations
from mltrading.services.ports.operations import ProcessKind
from mltrading.services.presence import Present
from mltrading.services.sampling import Sampler
from mltrading.services.vitals import Vitals
from mltrading.settings import Settings
from mltrading.utils import logs
from mltrading.utils.clock import Clock, SystemClock
from mltrading.utils.forking import OncePerProcess
from mltrading.utils.measures import TALLY
from mltrading.utils.scratch import server_folder

GUNICORN = "gunicorn/"

log = logging.getLogger(__name__)


def observe(
    app: Dash,
    settings: Settings,
    database: Database,
    services: Services,
    running: Running,
    web: Web,
) -> None:
    """Measure all that `app` does, and hand it over to `database` while it serves; call it when all
    of its callbacks are registered."""
    install_monitors(app.server, settings, services, running, web)
    present = Present(_secret(settings), SystemClock())
    actions: list[Callable[[], None]] = [share_numbers]
    ends: list[Callable[[], object]] = []
    pages = [page.path for page in PAGES]
    if settings.monitoring.enabled:
        timings.install(app, pages, settings.observing.timings)
        sampler = build_sampler(settings, database, "web", present)
        actions.append(sampler.start)
        ends.append(sampler.hand_over)
    if settings.observing.otlp_endpoint and installed():
        telemetry = Telemetry(running.version, settings.environment, instance())
        actions.append(telemetry.begin)
        ends.append(telemetry.end)
    begin = OncePerProcess(*actions)
    app.server.extensions["mltrading-end"] = ends
    app.server.extensions["mltrading-begin"] = begin
    measuring.install(app, pages, begin, present.seen)


def install_monitors(
    server: Flask, settings: Settings, services: Services, running: Running, web: Web
) -> None:
    """/metrics and /health/full."""
    token = settings.observing.metrics_token
    monitors.install(
        server,
        services.vitals,
        machine(settings),
        running,
        token.get_secret_value() if token else None,
        partial(is_administrator, services, web),
    )


def build_vitals(
    settings: Settings, database: Database, health: Health, calendars: Calendars
) -> Vitals:
    """How the deployment is, read through connections of its own."""
    book = PostgresOperationsBook(database)
    return Vitals(health, book, calendars, machine(settings), SystemClock())


def build_operations(
    database: Database, vitals: Vitals, in_force: Sequence[tuple[str, str, str]], clock: Clock
) -> Operations:
    """What administrators ask of the deployment itself."""
    samples, book = PostgresSamples(database), PostgresOperationsBook(database)
    return Operations(samples, book, vitals, read_budgets(), in_force, clock, database.most)


def is_administrator(services: Services, web: Web) -> bool:
    """Whether who asks, on a route that the guard opens to everybody, is one."""
    if services.identity is None:
        return current_actor().may(Permission.MODIFY_SETTINGS)
    actor = Visitors(services.identity, web, ()).actor()
    return (
        actor is not None
        and actor.may(Permission.MODIFY_SETTINGS)
        and not services.identity.needs_totp(actor)
    )


def own_database(url: str) -> Database:
    """Connections of their own: they must come through when all others are busy, and not show
    among what they measure."""
    return Database(url, 1, outage_seconds=1.0, timeout_seconds=3.0, measured=False)


def build_sampler(
    settings: Settings, database: Database, kind: ProcessKind, present: Present | None = None
) -> Sampler:
    """What hands over the numbers of this process; start it after the fork."""
    return Sampler(
        kind,
        instance(),
        os.getpid,
        PostgresSampleBook(database),
        machine(settings),
        logs.kept,
        present or Present(_secret(settings), SystemClock()),
    )


def instance() -> str:
    """The machine, as the platform calls it."""
    return os.environ.get("DYNO") or platform.node()


def machine(settings: Settings) -> LinuxMachine:
    """The machine that this process is on, with the disks that it may fill."""
    home = settings.home if settings.home.exists() else Path.cwd()
    return LinuxMachine([home, Path(tempfile.gettempdir())])


def share_numbers() -> None:
    """Let every worker of this server read what the others counted."""
    if not os.environ.get("SERVER_SOFTWARE", "").startswith(GUNICORN):
        return  # one process serves
    try:
        TALLY.share(server_folder(os.getppid()))
    except OSError as error:
        log.warning("each process tells its own numbers alone on /metrics: %s", error)


def _secret(settings: Settings) -> str:
    return settings.secret_key.get_secret_value() if settings.secret_key else settings.environment
