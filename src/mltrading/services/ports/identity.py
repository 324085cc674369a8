"""What signing in needs from outside: accounts and sessions, hashes, codes and seals."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
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
    password_hash: str | None = field(default=None, repr=False)
    totp: str | None = field(default=None, repr=False)
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


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """A session that is valid, as lists show it; `current` is the one that asks."""

    id: str
    road: Road
    created_at: datetime
    seen_at: datetime
    address: str
    browser: str
    age_seconds: float
    current: bool = False


@dataclass(frozen=True, slots=True)
class UserInfo:
    """One account, as an administrator sees it. `seen_at` is of a session that is valid."""

    id: str
    email: str
    role: Role
    disabled: bool
    password: bool
    second_factor: bool
    issuer: str | None
    created_at: datetime
    sessions: int
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewAccount:
    id: str
    email: str
    role: Role
    password_hash: str | None = field(default=None, repr=False)
    issuer: str | None = None
    issuer_subject: str | None = None


class IdentityChange(Protocol):
    """One transaction: what it changes and what it records are kept together, or not at all."""

    def hold(self, account_id: str) -> Account | None:
        """The account as it is now; nobody else changes it before this transaction ends."""

    def hold_with_administrators(self, account_id: str) -> tuple[Account | None, int]:
        """The account, and how many other administrators may sign in; all of them are held, so that
        two can not take the last ones away at once."""

    def hold_address(self, email: str) -> Account | None:
        """The account of an address in lower case, held."""

    def hold_vouched(self, issuer: str, subject: str) -> Account | None:
        """The account of the person whom the provider knows by that name, held."""

    def vouch(self, account_id: str, issuer: str, subject: str) -> None:
        """From now on the provider vouches for the account."""

    def add(self, account: NewAccount) -> bool:
        """False where the address, or the provider's name, has an account already."""

    def set_role(self, account_id: str, role: Role) -> None: ...

    def set_disabled(self, account_id: str, disabled: bool) -> None: ...

    def begin(self, account_id: str, session: NewSession) -> datetime:
        """Begin a session of an account that is held; when it ends, whatever happens. The user's
        sessions that are over are forgotten."""

    def end(self, token_hash: bytes) -> EndedSession | None:
        """End the session of that token; None where there is none."""

    def end_sessions(self, account_id: str, *, only: str | None = None, but: str = "") -> int:
        """End the sessions of the account: all, only the one of that id, or all but one; how many
        there were."""

    def set_password_hash(self, account_id: str, password_hash: str | None) -> None: ...

    def set_second_factor(self, account_id: str, sealed: str | None) -> None: ...

    def use_step(self, account_id: str, step: int) -> bool:
        """Use a step of the second factor up; False where it, or a later one, was used before."""

    def add_link(self, account_id: str, token_hash: bytes, lasts_seconds: int) -> None:
        """Keep a one-time link; the account's older ones are gone."""

    def use_link(self, token_hash: bytes) -> Account | None:
        """Use a link up; its account is held. None where it is no longer valid."""

    def drop_links(self, account_id: str) -> None: ...

    def share(self, code: str) -> bool | None:
        """Whether the symbol was not shared before; None where there is no such symbol."""

    def unshare(self, code: str) -> bool:
        """Whether the symbol was shared before."""

    def record(self, event: AuditEvent) -> None:
        """Append to the audit trail; the last of what a transaction does, for it makes others
        wait."""


class IdentityStore(Protocol):
    """Accounts and sessions. All times are the database's."""

    def change(self) -> AbstractContextManager[IdentityChange]:
        """A transaction, committed at the end of the block."""

    def account(self, email: str) -> Account | None:
        """The account of an e-mail address in lower case."""

    def account_of(self, account_id: str) -> Account | None:
        """The account of that id."""

    def users(self, idle_limit_seconds: int) -> list[UserInfo]:
        """All accounts, by e-mail address."""

    def sessions(self, account_id: str, idle_limit_seconds: int) -> list[SessionInfo]:
        """The valid sessions of an account, the newest first."""

    def link_holder(self, token_hash: bytes) -> Account | None:
        """Whose one-time link it is; None where it is no longer valid."""

    def shared(self) -> frozenset[str]:
        """The codes of the symbols that are shared."""

    def codes(self) -> list[str]:
        """The codes of all symbols."""

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
