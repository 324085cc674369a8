"""Every verb of every service is measured, and Ops has words for it: nobody can forget it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import get_args, get_type_hints

import pytest

import mltrading.services as services
from mltrading.dashboard.pages.ops_words import VERBS
from mltrading.domain.calendar import Calendars
from mltrading.services import Services
from mltrading.services.accounts import Accounts
from mltrading.services.alert_desk import AlertDesk
from mltrading.services.audit import Audit
from mltrading.services.exports import Exports
from mltrading.services.health import Health
from mltrading.services.identity import Identity
from mltrading.services.market import Market
from mltrading.services.operations import Operations
from mltrading.services.price_alerts import PriceAlerts
from mltrading.services.privacy import Privacy
from mltrading.services.vitals import Vitals
from mltrading.utils.clock import Clock

pytestmark = pytest.mark.smoke

NAMES = {
    kind.__name__: kind
    for kind in (Accounts, Audit, Calendars, Clock, Exports, Health, Identity, Market)
    + (AlertDesk, Operations, PriceAlerts, Privacy, Vitals)
}
NOT_ASKED_BY_USERS = {"Health", "Vitals", "Calendars", "Clock", "Features"}


def kinds() -> Iterator[type]:
    """The classes of the fields of Services that a user's question reaches."""
    for hint in get_type_hints(Services, vars(services) | NAMES).values():
        for kind in (hint, *get_args(hint)):
            if inspect.isclass(kind) and kind.__module__.startswith("mltrading"):
                if kind.__name__ not in NOT_ASKED_BY_USERS:
                    yield kind


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.__name__)
def test_each_verb_is_monitored(kind: type) -> None:
    verbs = {
        name: function
        for name, function in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }
    assert verbs
    assert [name for name, verb in verbs.items() if not hasattr(verb, "__wrapped__")] == []
    measured = {inspect.getclosurevars(verb).nonlocals["name"] for verb in verbs.values()}
    assert measured - set(VERBS) == set()


def test_there_are_services_to_look_at() -> None:
    assert {kind.__name__ for kind in kinds()} >= {"Market", "Exports", "Identity", "Operations"}
