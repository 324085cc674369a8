"""Joins settings, adapters, services and dashboard. mypy proves here that adapters fit ports."""

from __future__ import annotations

from dataclasses import replace
from datetime import time
from functools import partial

from dash import Dash

from mltrading import __version__
from mltrading.adapters.calendar_files import KeptCalendars
from mltrading.adapters.postgres import migrate
from mltrading.adapters.postgres.alerts import PostgresAlerts
from mltrading.adapters.postgres.audit import PostgresAudit
from mltrading.adapters.postgres.bars import PostgresBars
from mltrading.adapters.postgres.health import PostgresProbe
from mltrading.adapters.postgres.operations import PostgresDayBook, PostgresJobRuns
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.privacy import PostgresPrivacy
from mltrading.adapters.postgres.symbols import PostgresSymbols
from mltrading.dashboard import create_dashboard
from mltrading.dashboard.health import health_blueprint
from mltrading.dashboard.pages import PAGES
from mltrading.domain.access import DEVELOPER
from mltrading.domain.view import ChartView, OverviewQuery
from mltrading.errors import MLTradingError
from mltrading.observing import observe
from mltrading.paging import FileConfig
from mltrading.services import Services
from mltrading.services.alerts import AlertHistoryJob
from mltrading.services.audit import Audit
from mltrading.services.digest import DailyDigest, DigestMoment
from mltrading.services.health import Health, Running
from mltrading.services.jobs import JobRunner
from mltrading.services.market import Market
from mltrading.services.ports.privacy import Confirmation
from mltrading.services.privacy import Privacy
from mltrading.services.retention import Retainer, RetentionJob
from mltrading.settings import WEB_WORKERS, Settings
from mltrading.utils.clock import SystemClock


def build_services(settings: Settings, url: str) -> Services:
    """Every service over the database at `url`; connects with the first question, not before."""
    # At busy moments a pool doubles, so each worker keeps half of its share.
    database = Database(url, max(1, settings.connection_pool // (2 * WEB_WORKERS)))
    clock, calendars = SystemClock(), KeptCalendars(settings.home / "calendars")
    return Services(
        market=Market(PostgresSymbols(database), PostgresBars(database), calendars, clock),
        health=Health(PostgresProbe(url, schema=len(migrate.migrations())), clock),
        audit=Audit(PostgresAudit(database)),
        privacy=build_privacy(settings, database),
        features=settings.features,
        calendars=calendars,
        clock=clock,
    )


def build_privacy(
    settings: Settings,
    database: Database,
    owner: Database | None = None,
    confirmation: Confirmation | None = None,
) -> Privacy:
    """What is kept about persons. `owner` gives up the oldest of the audit trail, where the role of
    `database` may not; `confirmation` knows the passwords of users."""
    store = PostgresPrivacy(database, owner)
    retainer = Retainer(store, settings.retention)
    return Privacy(store, PostgresAudit(database), confirmation, retainer)


def create_app(settings: Settings, url: str) -> Dash:
    """The dashboard over the database at `url`, ready for several threads and for forking."""
    services = build_services(settings, url)
    app = create_dashboard(services)
    running = Running(__version__, settings.commit, settings.release)
    app.server.register_blueprint(health_blueprint(services.health, running))
    app.server.extensions["mltrading-warm"] = partial(warm, services.market)
    if settings.debug:
        app.enable_dev_tools(
            debug=True,
            dev_tools_hot_reload=False,
            dev_tools_disable_version_check=True,  # it would ask its makers from the browser
        )
    observe(app, settings, url, services.health, running, [page.path for page in PAGES])
    # Else several threads' first requests race for it, and some get a 500 (plotly/dash#3971).
    app._setup_server()  # pylint: disable=protected-access  # it has no other name
    return app


def warm(market: Market) -> None:
    """Ask what the first visitor will ask: that loads pandas, calendars and the pool's code."""
    try:
        market.overview(DEVELOPER, OverviewQuery())
        market.chart(DEVELOPER, ChartView())
    except MLTradingError:
        return  # no database, or no symbol yet: the first visitor is told, and waits a second


def build_jobs(
    settings: Settings,
    url: str,
    owner_url: str,
    config: FileConfig | None,
    digest_hour: int | None = None,
) -> JobRunner:
    """What `mltrading worker` does by itself at a time, told to the channels of `config` (None:
    nobody is told)."""
    database, clock = Database(url, 1), SystemClock()
    owner = database if owner_url == url else Database(owner_url, 1)

    def moment() -> DigestMoment:
        known = config.digest_moment() if config else DigestMoment()
        return known if digest_hour is None else replace(known, at=time(digest_hour))

    digest = DailyDigest(
        settings.environment,
        config.digest_channels if config else tuple,
        PostgresSymbols(database),
        KeptCalendars(settings.home / "calendars"),
        PostgresDayBook(database),
        clock,
        moment,
    )
    retention = RetentionJob(Retainer(PostgresPrivacy(database, owner), settings.retention))
    history = AlertHistoryJob(PostgresAlerts(database))
    return JobRunner([digest, retention, history], PostgresJobRuns(database), clock)
