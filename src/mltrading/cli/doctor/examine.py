"""All checks, in the order in which one would look."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from mltrading.alerting import parse_alerting_file
from mltrading.cli.doctor import database, machine, network, protection
from mltrading.cli.doctor.findings import Finding, error, ok, told, warning
from mltrading.errors import MLTradingError, WrongSettings
from mltrading.files import alerting_path
from mltrading.settings import Settings, Variables, file_path, load_settings, read_variables
from mltrading.settings.origins import Setting, keys_of, near_misses, variables_of

Say = Callable[[str], None]


def examine(say: Say) -> Iterator[Finding]:
    """What does not need the settings comes also where they are wrong."""
    say("Looking at the settings")
    yield from names()
    settings = None
    try:
        settings = load_settings()
        yield ok("settings", f"complete for {settings.environment}")
    except WrongSettings as wrong:
        yield from (error("settings", fault, "") for fault in wrong.faults)
    yield from machine.examine(settings)
    if settings is None:
        return
    yield from idle(settings)
    yield from alerting(settings)
    yield from protection.examine(settings)
    say("Asking the database")
    yield from database.examine(settings)
    say("Asking other services")
    yield from network.examine(settings)


def names() -> Iterator[Finding]:
    """Variables that are almost a setting, and so are read by nobody."""
    for name, meant in near_misses(os.environ):
        yield warning(
            "environment", f"{name} is read by nobody", f"if {meant} is meant, call it that"
        )


def idle(settings: Settings) -> Iterator[Finding]:
    """Variables that are read, and do nothing without another."""
    for name, needed, there in (
        ("OIDC_DEFAULT_ROLE", "OIDC_ISSUER", settings.oidc is not None),
        ("PAGERDUTY_API_URL", "PAGERDUTY_KEY", "PAGERDUTY_KEY" in settings.channels),
    ):
        if os.environ.get(name) and not there:
            yield warning("environment", f"{name} does nothing without {needed}", f"set {needed}")


def alerting(settings: Settings) -> Iterator[Finding]:
    path = alerting_path(settings.config)
    try:
        parse_alerting_file(path)
        yield ok("alerting.yml", f"{path} is as it should be")
    except MLTradingError as failure:
        yield told("alerting.yml", failure)


def settings_in_force() -> list[Setting]:
    """Each setting with its origin, as far as they can be read."""
    try:
        variables: Variables = read_variables()
    except MLTradingError:
        return []
    found = list(variables_of(os.environ, variables))
    try:
        return found + list(keys_of(file_path(variables)))
    except MLTradingError:
        return found
