"""What a user may ask of the program, one verb each; the actor comes first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mltrading.domain.calendar import Calendars
    from mltrading.services.accounts import Accounts
    from mltrading.services.audit import Audit
    from mltrading.services.health import Health
    from mltrading.services.identity import Identity
    from mltrading.services.market import Market
    from mltrading.services.privacy import Privacy
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
    where nobody signs in."""

    market: Market
    health: Health
    audit: Audit
    privacy: Privacy
    identity: Identity | None
    accounts: Accounts
    features: Features
    calendars: Calendars
    clock: Clock
