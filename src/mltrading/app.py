"""Joins settings, adapters, services and dashboard. mypy proves here that adapters fit ports."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import time
from functools import partial

from dash import Dash

from mltrading import __version__
from mltrading.adapters.calendar_files import KeptCalendars
from mltrading.adapters.openid import OpenIdConnect
from mltrading.adapters.passwords import Argon2Passwords
from mltrading.adapters.postgres import migrate
from mltrading.adapters.postgres.alerts import PostgresAlerts
from mltrading.adapters.postgres.audit import PostgresAudit
from mltrading.adapters.postgres.bars import PostgresBars
from mltrading.adapters.postgres.health import PostgresProbe
from mltrading.adapters.postgres.identity import PostgresIdentity
from mltrading.adapters.postgres.limits import PostgresLimiter
from mltrading.adapters.postgres.operations import PostgresDayBook, PostgresJobRuns
from mltrading.adapters.postgres.operations_book import PostgresOperationsBook
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.price_alerts import PostgresPriceAlerts
from mltrading.adapters.postgres.privacy import PostgresPrivacy
from mltrading.adapters.postgres.samples import PostgresSamples
from mltrading.adapters.postgres.symbols import PostgresSymbols
from mltrading.adapters.redis_limits import RedisLimiter
from mltrading.adapters.sealing import SecretKeySeals
from mltrading.adapters.totp import TotpCodes
from mltrading.dashboard import create_dashboard
from mltrading.dashboard.exports import exports_blueprint
from mltrading.dashboard.guard.complete import refuse_unguarded
from mltrading.dashboard.guard.web import Web
from mltrading.dashboard.health import health_blueprint
from mltrading.domain.access import DEVELOPER, Role
from mltrading.domain.view import ChartView, OverviewQuery
from mltrading.errors import ConfigurationError, MLTradingError
from mltrading.observing import build_operations, build_vitals, observe, own_database
from mltrading.paging import FileConfig, build_desk, sends_mail
from mltrading.services import Services
from mltrading.services.accounts import Accounts
from mltrading.services.alerts import AlertHistoryJob
from mltrading.services.attempts import Attempts
from mltrading.services.audit import Audit, ViewLog
from mltrading.services.days import DayReader
from mltrading.services.digest import DailyDigest, DigestMoment
from mltrading.services.exports import Exports
from mltrading.services.health import Health, Running
from mltrading.services.identity import Identity, Tools
from mltrading.services.jobs import JobRunner
from mltrading.services.market import Market
from mltrading.services.ports.audit import Unlogged
from mltrading.services.ports.limits import RateLimiter
from mltrading.services.ports.privacy import Confirmation
from mltrading.services.price_alerts import PriceAlerts
from mltrading.services.privacy import Privacy
from mltrading.services.reading import MarketReader
from mltrading.services.retention import Retainer, RetentionJob
from mltrading.settings import DATABASE_SLOTS, WEB_WORKERS, Settings
from mltrading.settings.origins import DEFAULT
from mltrading.utils.clock import Clock, SystemClock


def build_services(
    settings: Settings, url: str, database: Database, own: Database | None = None
) -> Services:
    """Every service over `database`, which is at `url`; connects with the first question, not
    before. `own` are the connections by which the program looks at itself."""
    clock, calendars = SystemClock(), KeptCalendars(settings.home / "calendars")
    passwords = Argon2Passwords()
    reader = MarketReader(PostgresSymbols(database), PostgresBars(database), calendars, clock)
    views = ViewLog(PostgresAudit(database), clock) if settings.sign_in else Unlogged()
    identity = build_identity(settings, database, passwords, clock)
    health = Health(PostgresProbe(url, schema=len(migrate.migrations())), clock)
    vitals = build_vitals(settings, own or own_database(url), health, calendars)
    switches = in_force(settings)
    return Services(
        market=Market(reader, views),
        exports=Exports(reader, views, PostgresAudit(database)),
        health=health,
        identity=identity,
        accounts=Accounts(PostgresIdentity(database), passwords),
        audit=Audit(PostgresAudit(database)),
        privacy=build_privacy(settings, database, identity),
        price_alerts=PriceAlerts(
            PostgresPriceAlerts(database), reader, calendars, clock, sends_mail(settings)
        ),
        vitals=vitals,
        operations=build_operations(database, vitals, switches, clock),
        alert_desk=build_desk(settings, database),
        features=settings.features,
        calendars=calendars,
        clock=clock,
        in_force=switches,
    )


def in_force(settings: Settings) -> list[tuple[str, str, str]]:
    """The switches that this process runs with, and where each was said; no secret."""

    sections = {
        "features": settings.features.model_dump(),
        "security": asdict(settings.security),
        "monitoring": settings.monitoring.model_dump(),
    }
    shown: list[tuple[str, str, str]] = [
        ("environment", settings.environment, settings.sources.get("ENVIRONMENT", DEFAULT))
    ]
    for section, keys in sections.items():
        for key, value in keys.items():
            name = f"{section}.{key}"
            said = {True: "on", False: "off"}.get(value, str(value))
            shown.append((name, said, settings.sources.get(name, DEFAULT)))
    signing_in = "on" if settings.sign_in else "off"
    return [*shown, ("signing in", signing_in, settings.sources.get("MLTRADING_AUTH", DEFAULT))]


def build_privacy(
    settings: Settings, database: Database, confirmation: Confirmation | None
) -> Privacy:
    """What is kept about persons; `confirmation` knows their passwords, where somebody signs in."""
    store = PostgresPrivacy(database)
    retainer = Retainer(store, settings.retention)
    return Privacy(store, PostgresAudit(database), confirmation, retainer)


def build_identity(
    settings: Settings, database: Database, passwords: Argon2Passwords, clock: Clock
) -> Identity | None:
    """Signing in; None where nobody does."""
    if not settings.sign_in or settings.secret_key is None:
        return None
    trail = PostgresAudit(database)
    limits = settings.limits
    limiter = build_limiter(settings, database)
    attempts = Attempts(limiter, trail, limits.account, limits.address)
    tools = Tools(
        PostgresIdentity(database),
        passwords,
        TotpCodes(),
        SecretKeySeals(settings.secret_key.get_secret_value(), clock),
        attempts,
        trail,
        clock,
        build_provider(settings, clock),
        Role(role) if settings.oidc and (role := settings.oidc.default_role) else None,
    )
    return Identity(tools)


def build_provider(settings: Settings, clock: Clock) -> OpenIdConnect | None:
    """The OpenID provider whose users may sign in, if any."""
    if settings.oidc is None:
        return None
    known = settings.oidc
    return OpenIdConnect(
        known.issuer, known.client_id, known.client_secret.get_secret_value(), clock
    )


def create_app(settings: Settings, url: str) -> Dash:
    """The dashboard over the database at `url`, ready for several threads and for forking."""
    # At busy moments a pool doubles, so each worker keeps half of its share.
    kept = max(1, settings.connection_pool // (2 * WEB_WORKERS))
    database = Database(url, kept, slots=DATABASE_SLOTS)
    own = own_database(url)
    services = build_services(settings, url, database, own)
    limiter = build_limiter(settings, database)
    web = build_web(settings)
    app = create_dashboard(services, web, limiter, PostgresAudit(database))
    running = Running(__version__, settings.commit, settings.release)
    app.server.register_blueprint(health_blueprint(services.health, running))
    app.server.register_blueprint(
        exports_blueprint(services.exports, services.audit, services.features)
    )
    app.server.extensions["mltrading-warm"] = partial(warm, services.market)
    if settings.debug:
        app.enable_dev_tools(
            debug=True,
            dev_tools_hot_reload=False,
            dev_tools_disable_version_check=True,  # it would ask its makers from the browser
        )
    observe(app, settings, own, services, running, web)
    # Else several threads' first requests race for it, and some get a 500 (plotly/dash#3971).
    app._setup_server()  # pylint: disable=protected-access  # it has no other name
    refuse_unguarded(app)
    return app


def build_web(settings: Settings) -> Web:
    """How this deployment stands on the network."""
    secret = settings.secret_key.get_secret_value() if settings.secret_key else ""
    security, limits = settings.security, settings.limits
    if security.csrf_protection and not secret:
        raise ConfigurationError(
            "security.csrf_protection signs its tokens: set SECRET_KEY, to the same on every worker"
        )
    limited = security.rate_limiting and settings.sign_in
    return Web(
        exposed=settings.environment != "development",
        sign_in=settings.sign_in,
        secret=SecretKeySeals(secret, SystemClock()).key("cookies") if secret else "",
        proxy=settings.proxy,
        csrf=security.csrf_protection,
        limits=(limits.callback, limits.address) if limited else None,
    )


def build_limiter(settings: Settings, database: Database) -> RateLimiter:
    """Counts in Redis where there is one, else in the database."""
    counted = PostgresLimiter(database)
    if settings.redis_url is None:
        return counted
    return RedisLimiter(settings.redis_url.get_secret_value(), counted)


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
        DayReader(PostgresSamples(database), PostgresOperationsBook(database)),
    )
    retention = RetentionJob(Retainer(PostgresPrivacy(database, owner), settings.retention))
    history = AlertHistoryJob(PostgresAlerts(database))
    return JobRunner([digest, retention, history], PostgresJobRuns(database), clock)
