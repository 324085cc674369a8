"""What a user may ask of the program, one verb each; the actor comes first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mltrading.domain.calendar import Calendars
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


class Features(Protocol):
    """What this deployment shows."""

    @property
    def advanced_charts(self) -> bool: ...

    @property
    def comparison_mode(self) -> bool: ...

    @property
    def test_mode(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class Services:
    """All of them, joined by app.py and handed to whoever draws the answers. `identity` is None
    where nobody signs in. `in_force`: (setting, value, where it comes from), no secret among them.
    """

    market: Market
    exports: Exports
    health: Health
    identity: Identity | None
    accounts: Accounts
    audit: Audit
    privacy: Privacy
    price_alerts: PriceAlerts
    vitals: Vitals
    operations: Operations
    alert_desk: AlertDesk
    features: Features
    calendars: Calendars
    clock: Clock
    in_force: Sequence[tuple[str, str, str]]
