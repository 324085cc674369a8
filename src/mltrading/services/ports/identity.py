"""What signing in needs from outside: accounts and sessions, hashes, codes and seals."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from mltrading.domain.access import Role
from mltrading.services.ports.audit import AuditEvent, Origin

Road = Literal["password", "openid"]
"""How a session began."""


@dataclass(frozen=True, slots=True)
class Account:
    """One user. `id` is the name in the audit trail; `totp` the sealed secret of the second factor;
    `issuer` the OpenID provider who vouches for the person."""

    id: str
    email: str
    role: Role
    disabled: bool = False
    password_hash: str | None = None
    totp: str | None = None
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to begin; the token itself is known to the browser alone."""

    token_hash: bytes
    id: str
    road: Road
    lasts_seconds: int
    origin: Origin


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session that is valid, with the user as the database knows it now. `idle_seconds` is since
    it was last touched."""

    id: str
    road: Road
    account: Account
    idle_seconds: float


@dataclass(frozen=True, slots=True)
class EndedSession:
    id: str
    account_id: str


class IdentityChange(Protocol):
    """One transaction: what it changes and what it records are kept together, or not at all."""

    def hold(self, account_id: str) -> Account | None:
        """The account as it is now; nobody else changes it before this transaction ends."""

    def begin(self, account_id: str, session: NewSession) -> datetime:
        """Begin a session of an account that is held; when it ends, whatever happens. The user's
        sessions that are over are forgotten."""

    def end(self, token_hash: bytes) -> EndedSession | None:
        """End the session of that token; None where there is none."""

    def set_password_hash(self, account_id: str, password_hash: str | None) -> None: ...

    def use_step(self, account_id: str, step: int) -> bool:
        """Use a step of the second factor up; False where it, or a later one, was used before."""

    def record(self, event: AuditEvent) -> None:
        """Append to the audit trail; the last of what a transaction does, for it makes others
        wait."""


class IdentityStore(Protocol):
    """Accounts and sessions. All times are the database's."""

    def change(self) -> AbstractContextManager[IdentityChange]:
        """A transaction, committed at the end of the block."""

    def account(self, email: str) -> Account | None:
        """The account of an e-mail address in lower case."""

    def session(self, token_hash: bytes, idle_limit_seconds: int) -> OpenSession | None:
        """The session of that token, unless it is over, was idle for longer, or its user is
        disabled."""

    def touch(self, token_hash: bytes, after_seconds: int) -> None:
        """The session was used now; nothing happens where that was noted `after_seconds` ago."""


class Passwords(Protocol):
    """Slow hashes. Only a few are made at once: TooManyAttempts where the wait would be long."""

    def hash(self, password: str) -> str: ...

    def matches(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is the one that was hashed. None (no such user, or no password)
        takes as long, and never matches."""

    def outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than those in force."""


class Codes(Protocol):
    """The second factor: six digits, new every half minute."""

    def new_secret(self) -> str: ...

    def uri(self, secret: str, email: str) -> str:
        """What an authenticator app reads as a picture."""

    def step(self, secret: str, code: str, moment: datetime) -> int | None:
        """The step whose code it is, at most one away from `moment`; None where it is none."""


class Seals(Protocol):
    """Keeps what is stored or carried outside from being read or made by others. Each `purpose`
    has a key of its own."""

    def seal(self, purpose: str, text: str) -> str: ...

    def open(self, purpose: str, sealed: str, max_age_seconds: int | None = None) -> str | None:
        """The text; None where it was sealed otherwise, or too long ago."""

    def digest(self, purpose: str, text: str) -> str:
        """A short name for the text, the same each time, that does not lead back to it."""
