"""A session that begins, and whom it stands for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from mltrading.domain.access import Actor, Permission, Role
from mltrading.services.ports.audit import AuditEvent, Origin
from mltrading.services.ports.identity import (
    Account,
    IdentityChange,
    NewSession,
    OpenSession,
    Road,
)
from mltrading.services.tokens import new_id, new_token, token_hash

LASTS_SECONDS = 8 * 60 * 60

_NOTHING: frozenset[Permission] = frozenset()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has begun. Its token is for the browser alone, and stored nowhere."""

    token: str = field(repr=False)
    actor: Actor
    expires_at: datetime


def actor_of(session: OpenSession) -> Actor:
    """The user of a session. Where the password alone began it, an administrator without a second
    factor has no right yet; a provider sees to the second factor itself."""
    account = session.account
    enrolled = account.totp is not None or session.road == "openid"
    permissions = account.role.permissions
    if account.role is Role.ADMIN and not enrolled:
        permissions = _NOTHING
    return Actor(account.id, permissions, account.email, account.role, session.id)


def begin_session(change: IdentityChange, account: Account, road: Road, origin: Origin) -> SignedIn:
    """Begin a session of an account that is held."""
    token, id = new_token(), new_id()
    hashed = token_hash(token)
    assert hashed is not None
    new = NewSession(hashed, id, road, LASTS_SECONDS, origin)
    expires_at = change.begin(account.id, new)
    change.record(
        AuditEvent("session.begin", account.id, target=id, details={"road": road}, origin=origin)
    )
    return SignedIn(token, actor_of(OpenSession(id, road, account, 0.0)), expires_at)
