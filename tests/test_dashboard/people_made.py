"""People who sign in to a dashboard that answers from memory."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from dash import Dash

from mltrading.dashboard.guard.web import Web
from mltrading.domain.access import Actor, Role
from mltrading.errors import DatabaseUnavailable, InvalidPassword, SignInRefused, UnknownLink
from mltrading.services.identity import SignedIn
from mltrading.services.ports.audit import Origin
from mltrading.services.ports.limits import Taken
from tests.test_dashboard.frame_made import Health, Market, Trail, make_dashboard

SIGNED = Web(sign_in=True, secret="s" * 40, csrf=True, limits=((5, 60), (3, 60)))
LATER = datetime(2030, 1, 1, tzinfo=UTC)
PASSWORD = "nineteen blue herons"


def actor(name: str, role: Role) -> Actor:
    return Actor(name, role.permissions, f"{name}@example.com", role, f"session of {name}")


@dataclass
class Identities:
    """Stands for services.identity.Identity: everybody's password is PASSWORD, and the token of a
    session its user's name."""

    people: dict[str, Actor] = field(
        default_factory=lambda: {
            "vera": actor("vera", Role.VIEWER),
            "anna": actor("anna", Role.ANALYST),
            "adam": actor("adam", Role.ADMIN),
            # An administrator who has no second factor yet.
            "newton": replace(actor("newton", Role.ADMIN), permissions=frozenset()),
        }
    )
    link: str = "x" * 43
    provider: str | None = None
    away: bool = False
    asked: int = 0
    ended: list[str] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)

    def actor(self, token: str, *, used: bool = True) -> Actor | None:
        self._answer()
        return None if token in self.ended else self.people.get(token)

    def needs_totp(self, actor: Actor) -> bool:
        return actor.role is Role.ADMIN and not actor.permissions

    def sign_in(self, email: str, password: str, code: str, origin: Origin) -> SignedIn:
        self._answer()
        self.origins.append(origin)
        name = email.partition("@")[0]
        if password != PASSWORD or name not in self.people:
            raise SignInRefused("e-mail address or password is not right")
        return SignedIn(name, self.people[name], LATER)

    def sign_out(self, token: str, origin: Origin) -> None:
        self.ended.append(token)

    def link_holder(self, link: str) -> str | None:
        return "vera@example.com" if link == self.link else None

    def set_password(self, link: str, new: str, origin: Origin) -> None:
        if link != self.link:
            raise UnknownLink("this link was used")
        if len(new) < 15:
            raise InvalidPassword("a password needs 15 characters or more")
        self.link = ""

    def _answer(self) -> None:
        self.asked += 1
        if self.away:
            raise DatabaseUnavailable("no answer from the database at nowhere")


@dataclass
class Counting:
    """Stands for a limiter: counts, and never begins a new window."""

    taken: dict[str, int] = field(default_factory=dict)

    def take(self, key: str, times: int, seconds: int) -> Taken:
        self.taken[key] = self.taken.get(key, 0) + 1
        allowed = self.taken[key] <= times
        return Taken(allowed, 0.0 if allowed else 41.2, self.taken[key] == times + 1)


@dataclass
class Place:
    """A dashboard that people sign in to, with what it keeps."""

    web: Web = SIGNED
    identity: Identities = field(default_factory=Identities)
    limiter: Counting = field(default_factory=Counting)
    trail: Trail = field(default_factory=Trail)
    market: Any = field(default_factory=Market)
    health: Health = field(default_factory=Health)

    def __post_init__(self) -> None:
        identity = self.identity if self.web.sign_in else None
        self.app: Dash = make_dashboard(
            self.market,
            web=self.web,
            identity=identity,
            limiter=self.limiter,
            trail=self.trail,
            health=self.health,
        )
        self.server = self.app.server
