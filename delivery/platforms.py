"""The platform that DEPLOY_TARGET names, and what a delivery does on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from delivery import kubernetes
from delivery.deployer import Deployer, Release, Slot
from delivery.errors import DeliveryError
from delivery.heroku import APPS, Heroku
from delivery.heroku_api import connect
from delivery.notify import notify
from delivery.smoke import smoke
from delivery.smoke_login import account_of
from delivery.waiting import Clock, say
from mltrading.utils.message import Severity

APP_VARIABLES: dict[Slot, str] = {
    "staging": "HEROKU_APP_STAGING",
    "green": "HEROKU_APP_GREEN",
    "production": "HEROKU_APP_PRODUCTION",
}

INCIDENT = "deploy-production"
SMOKE_HOST = "SMOKE_HOST"
"""Environment variable: connect there for every smoke test, with the names of the apps."""


@dataclass(frozen=True, slots=True)
class Patience:
    wait_seconds: float
    consecutive: int = 1


PATIENCE: dict[Slot, Patience] = {
    "staging": Patience(300),
    "green": Patience(180, 2),
    "production": Patience(480, 5),  # preboot moves visitors about three minutes after the release
}
AFTER_ROLLBACK = Patience(120, 2)

Check = Callable[[Slot, Release, Patience], object]
"""Raises SmokeFailed where the slot does not answer as that release should."""
Page = Callable[[Severity, str, str], object]
"""(severity, title, text); never raises."""
Over = Callable[[str, str], object]
"""(title, text): ends the incident that a critical page opened; never raises."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What promoting and rolling back need of the world."""

    deployer: Deployer
    check: Check
    page: Page
    over: Over
    tell: Callable[[str], None] = say


def heroku_apps(environment: Mapping[str, str]) -> dict[Slot, str]:
    return {slot: environment.get(APP_VARIABLES[slot]) or name for slot, name in APPS.items()}


def deployer(environment: Mapping[str, str], clock: Clock | None = None) -> Deployer:
    """DeliveryError where the target is unknown or its credentials are not there."""
    clock = clock or Clock()
    target = environment.get("DEPLOY_TARGET") or "heroku"
    if target == "heroku":
        return Heroku(connect(environment, clock), heroku_apps(environment), clock)
    if target == "kubernetes":
        return kubernetes.from_environment(environment, clock)
    raise DeliveryError(f"DEPLOY_TARGET is {target!r}; known: heroku, kubernetes")


def delivery(environment: Mapping[str, str], clock: Clock | None = None) -> Delivery:
    """The real world: the chosen platform, smoke tests over HTTP, pages over alerting.yml."""
    clock = clock or Clock()
    platform, account = deployer(environment, clock), account_of(environment)

    def check(slot: Slot, release: Release, patience: Patience) -> object:
        return smoke(
            platform.url(slot),
            commit=release.commit,
            host=environment.get(SMOKE_HOST) or None,
            account=account,
            wait_seconds=patience.wait_seconds,
            consecutive=patience.consecutive,
            clock=clock,
        )

    def page(severity: Severity, title: str, text: str) -> object:
        return notify(severity, title, text, key=INCIDENT)

    def over(title: str, text: str) -> object:
        return notify("critical", title, text, key=INCIDENT, resolved=True)

    return Delivery(platform, check, page, over)
