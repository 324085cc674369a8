"""Joins what alerts: the engine, its channels and the verbs about it. mypy proves that adapters fit
ports here as well."""

from __future__ import annotations

import os
import platform
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from mltrading.adapters.app_probe import HttpAppProbe
from mltrading.adapters.calendar_files import KeptCalendars
from mltrading.adapters.channels import SECRETS, Channel, NotSet, open_channel
from mltrading.adapters.channels.retrying import Bounded
from mltrading.adapters.heartbeat import HttpHeartbeat
from mltrading.adapters.postgres import migrate
from mltrading.adapters.postgres.alert_desk import PostgresDeskBook
from mltrading.adapters.postgres.alert_outbox import PostgresOutbox
from mltrading.adapters.postgres.alert_signs import PostgresWebSigns
from mltrading.adapters.postgres.alerts import PostgresAlerts
from mltrading.adapters.postgres.bars import PostgresBars
from mltrading.adapters.postgres.health import PostgresProbe
from mltrading.adapters.postgres.pool import Database
from mltrading.adapters.postgres.price_watch import PostgresPriceWatch
from mltrading.adapters.postgres.samples import PostgresSamples
from mltrading.adapters.postgres.symbols import PostgresSymbols
from mltrading.adapters.spool_file import SpoolFile
from mltrading.alerting import Alerting
from mltrading.alerting.live import LiveFile
from mltrading.domain.alerting.notices import Ruleset
from mltrading.errors import ConfigurationError
from mltrading.files import alerting_path
from mltrading.services.alert_delivery import PATIENCE_SECONDS, Delivery
from mltrading.services.alert_desk import AlertDesk
from mltrading.services.alert_direct import DirectAlerts
from mltrading.services.alert_engine import AlertEngine, DatabaseClock
from mltrading.services.alert_sensors import Sensors
from mltrading.services.alerts import Alerts
from mltrading.services.digest import DigestMoment
from mltrading.services.ports.alert_desk import AlertFile
from mltrading.services.ports.alerts import Heartbeat, Leased
from mltrading.services.price_watch import PriceWatch
from mltrading.services.price_words import Words
from mltrading.services.reading import MarketReader
from mltrading.settings import Settings
from mltrading.utils.clock import Clock, SystemClock
from mltrading.utils.message import SEVERITIES, Destination, Message, Outcome, Severity

Told = Callable[[Leased, Outcome], object]
ANYBODY = Destination("email", "anybody@example.com")


class Channels:
    """The channels that the environment has the secrets of, each opened once."""

    def __init__(self, settings: Settings) -> None:
        given = settings.channels.items()
        self._environment = {name: value.get_secret_value() for name, value in given}
        self._opened: dict[Destination, Channel] = {}
        self._lock = threading.Lock()

    def kinds(self) -> set[str]:
        return {kind for kind, name in SECRETS.items() if self._environment.get(name, "").strip()}

    def open(self, to: Destination) -> Channel:
        """NotSet or ConfigurationError where it can not be used."""
        with self._lock:
            if to not in self._opened:
                channel = open_channel(to.kind, to.target, self._environment)
                self._opened[to] = Bounded(channel, PATIENCE_SECONDS)
            return self._opened[to]

    def problem(self, to: Destination) -> str | None:
        """Why nothing can be sent to it; None where something can."""
        try:
            self.open(to)
        except NotSet as error:
            return f"skipped: {error}"
        except ConfigurationError as error:
            return f"can not be used: {error}"
        return None


class FileConfig:
    """The port services.ports.alerts.AlertConfig over alerting.yml."""

    def __init__(self, settings: Settings, file: LiveFile, channels: Channels) -> None:
        self._environment = settings.environment
        self._link = f"{settings.url}/ops/alerts" if settings.url else None
        self._file = file
        self.channels = channels
        self._known: tuple[Alerting, Ruleset] | None = None

    def problem(self) -> str:
        return self._file.problem

    def read_again(self) -> None:
        """Whatever the time stamp of the file says."""
        self._file.read_again()

    def ruleset(self) -> Ruleset:
        alerting = self._file.current()
        if self._known is None or self._known[0] is not alerting:
            self._known = alerting, self._made(alerting)
        return self._known[1]

    def _made(self, alerting: Alerting) -> Ruleset:
        usable = {
            severity: tuple(one for one in given if self.channels.problem(one) is None)
            for severity, given in alerting.channels.items()
        }
        return Ruleset(self._environment, alerting.rules, usable, self._link)

    def digest_moment(self) -> DigestMoment:
        digest = self._file.current().digest
        return DigestMoment(digest.at, ZoneInfo(digest.timezone))

    def digest_channels(self) -> Sequence[Channel]:
        return [self.channels.open(one) for one in self.ruleset().destinations["info"]]

    def channels_of_file(self) -> Mapping[Severity, tuple[Destination, ...]]:
        """All that the file names, whether they can be used or not."""
        return self._file.current().channels

    def named(self, severities: Iterable[Severity]) -> list[tuple[Severity, Destination]]:
        """Each channel of the file once, with the first of these severities that it hears of."""
        given, found = self.channels_of_file(), dict[Destination, Severity]()
        for severity in severities:
            for one in given[severity]:
                found.setdefault(one, severity)
        return [(severity, one) for one, severity in found.items()]

    def problems(self) -> list[str]:
        """Why channels of the file can not be used, one line each."""
        found = [(one, self.channels.problem(one)) for _, one in self.named(SEVERITIES)]
        return [f"{one.kind} {one.target} {problem}" for one, problem in found if problem]

    def try_out(self, to: Destination, message: Message) -> str:
        """What became of the message there; an incident that it opens is ended at once."""
        problem = self.channels.problem(to)
        if problem is not None:
            return problem
        outcome = self.channels.open(to).send(message)
        if outcome.delivered and to.kind == "pagerduty":
            outcome = self.channels.open(to).send(replace(message, resolved=True, id=new_id()))
        return outcome.reason or outcome.state

    @property
    def watchdog_seconds(self) -> float:
        return self._file.current().watchdog_seconds


@dataclass(frozen=True, slots=True)
class Watch:
    """What the worker runs: an engine that looks, a delivery that sends, and who is told that both
    go on (None: nobody)."""

    engine: AlertEngine
    delivery: Delivery
    heartbeat: Heartbeat | None


class ShownFile:
    """alerting.yml for those who only look at it: the ports AlertConfig and DeskFile. One that is
    wrong from the start stops nothing here; it is told to whoever asks."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._config: FileConfig | None = None

    def read(self) -> AlertFile:
        try:
            config = self._opened()
        except ConfigurationError as error:
            return AlertFile(str(error))
        rules, channels = config.ruleset().rules, config.channels_of_file()
        named = {one for given in channels.values() for one in given}
        problems = {one: config.channels.problem(one) for one in named}
        unusable = {one: said for one, said in problems.items() if said}
        return AlertFile(config.problem(), rules, channels, unusable)

    def ruleset(self) -> Ruleset:
        return self._opened().ruleset()

    def problem(self) -> str:
        return self.read().problem

    def _opened(self) -> FileConfig:
        if self._config is None:
            self._config = build_config(self._settings)
        return self._config


def build_config(settings: Settings) -> FileConfig:
    """ConfigurationError where alerting.yml is wrong."""
    return FileConfig(settings, LiveFile(alerting_path(settings.config)), Channels(settings))


def build_alerts(settings: Settings, database: Database) -> Alerts:
    """The verbs, for pages and the command line."""
    return Alerts(PostgresAlerts(database), ShownFile(settings), PostgresSamples(database))


def build_desk(settings: Settings, database: Database) -> AlertDesk:
    """What the page of alerts asks; neither connects nor reads a file before it is asked."""
    file = ShownFile(settings)
    alerts = Alerts(PostgresAlerts(database), file, PostgresSamples(database))
    on = settings.monitoring.enabled and settings.monitoring.alerts
    return AlertDesk(alerts, PostgresDeskBook(database), file, switched_on=on)


def build_watch(settings: Settings, url: str, config: FileConfig, told: Told) -> Watch:
    """The engine of this worker; connects with the first look, not before."""
    # Not the pool of the jobs: they must not wait for each other.
    database = Database(url, 2, outage_seconds=1.0, timeout_seconds=5.0)
    clock = DatabaseClock(SystemClock())
    direct = DirectAlerts(SpoolFile(settings.home), clock.now, new_id)
    sensors = Sensors(
        PostgresProbe(url, schema=len(migrate.migrations())),
        HttpAppProbe(settings.url) if settings.url else None,
        PostgresSamples(database),
        PostgresWebSigns(database),
    )
    holder = f"{os.environ.get('DYNO') or platform.node()}-{os.getpid()}-{secrets.token_hex(4)}"
    engine = AlertEngine(holder, PostgresAlerts(database), direct, sensors, config, clock, new_id)

    def heard(leased: Leased, outcome: Outcome) -> None:
        if outcome.delivered:
            direct.heard(leased.queued)
        told(leased, outcome)

    channels = config.channels
    delivery = Delivery([PostgresOutbox(database), direct], channels.kinds, channels.open, heard)
    watchdog = settings.watchdog_url
    return Watch(engine, delivery, HttpHeartbeat(watchdog.get_secret_value()) if watchdog else None)


def sends_mail(settings: Settings) -> bool:
    """Whether this deployment sends e-mail: its worker alerts, and SMTP_URL can be used."""
    if not (settings.monitoring.enabled and settings.monitoring.alerts):
        return False
    return Channels(settings).problem(ANYBODY) is None


def build_price_watch(settings: Settings, url: str, *, clock: Clock | None = None) -> PriceWatch:
    """What judges traders' alerts; connects with the first look, not before."""
    database, now = Database(url, 1), clock or SystemClock()
    calendars = KeptCalendars(settings.home / "calendars")
    reader = MarketReader(PostgresSymbols(database), PostgresBars(database), calendars, now)
    mails = sends_mail(settings)
    return PriceWatch(
        PostgresPriceWatch(database),
        reader,
        Words(settings.url, new_id),
        now,
        developer=not settings.sign_in,
        mails=lambda: mails,
    )


def new_id() -> str:
    return secrets.token_hex(16)
