"""What users do with their own accounts: sessions, passwords, the second factor."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from mltrading.domain.access import Actor, Role
from mltrading.errors import (
    InvalidAccount,
    InvalidPassword,
    UnknownLink,
    UnknownUser,
    WrongPassword,
)
from mltrading.services.attempts import Attempts
from mltrading.services.credentials import new_password, normal_password
from mltrading.services.ports.audit import AuditEvent, AuditTrail, Origin
from mltrading.services.ports.identity import (
    Account,
    Codes,
    IdentityChange,
    IdentityStore,
    Passwords,
    Seals,
    SessionInfo,
)
from mltrading.services.ports.openid import OpenIdProvider
from mltrading.services.tokens import token_hash
from mltrading.utils.clock import Clock
from mltrading.utils.monitoring import monitor_verbs

IDLE_SECONDS = 30 * 60
FRESH_SECONDS = 5 * 60  # a session that young proves who is there, where there is no password

_SECRET = re.compile(r"[A-Z2-7]{32}")


@dataclass(frozen=True, slots=True)
class Tools:
    """What identity is made of. `provider` None: nobody signs in elsewhere; `provider_role`: of the
    accounts made for people whom the provider vouches for, None: none is made."""

    store: IdentityStore
    passwords: Passwords
    codes: Codes
    seals: Seals
    attempts: Attempts
    trail: AuditTrail
    clock: Clock
    provider: OpenIdProvider | None = None
    provider_role: Role | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """How an account can be signed in to. `issuer` is the provider who vouches for it."""

    password: bool
    second_factor: bool
    issuer: str | None


@dataclass(frozen=True, slots=True)
class TotpSetup:
    """A second factor to be: the secret to type, and the address that an app reads as a picture."""

    secret: str
    uri: str


@monitor_verbs("identity")
class OwnAccount:
    """The half of Identity for those who are signed in. UnknownUser for an actor without account,
    as on the command line."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def profile(self, actor: Actor) -> Profile:
        account = self._account(actor)
        known = account.password_hash is not None
        return Profile(known, account.totp is not None, account.issuer)

    def sessions(self, actor: Actor) -> list[SessionInfo]:
        """The actor's own sessions, the newest first."""
        found = self._tools.store.sessions(actor.id, IDLE_SECONDS)
        return [replace(one, current=one.id == actor.session) for one in found]

    def end_session(self, actor: Actor, session_id: str, origin: Origin) -> None:
        """End one of the own sessions; nothing happens where there is no such."""
        with self._tools.store.change() as change:
            if change.end_sessions(actor.id, only=session_id):
                change.record(AuditEvent("session.end", actor.id, target=session_id, origin=origin))

    def confirm(self, actor: Actor, password: str, origin: Origin) -> None:
        """That the user is still the one who signed in: by the password, or, where a provider
        vouches for an account without one, by a session that is five minutes old at most.

        Raises WrongPassword, or TooManyAttempts as for signing in.
        """
        account = self._account(actor)
        if account.password_hash is not None:
            self._check_password(account, password, origin)
            return
        session = next((one for one in self.sessions(actor) if one.current), None)
        if session is None or session.age_seconds > FRESH_SECONDS:
            raise WrongPassword(
                "sign in again first: this needs a session that is five minutes old at most"
            )

    def change_password(self, actor: Actor, old: str, new: str, origin: Origin) -> None:
        """All sessions of the user end, this one too. Raises WrongPassword, TooManyAttempts,
        InvalidPassword; InvalidAccount for an account without a password."""
        account = self._account(actor)
        if account.password_hash is None:
            raise InvalidAccount(
                "this account has no password: an administrator can send a link that sets one"
            )
        self._check_password(account, old, origin)
        if normal_password(new) == normal_password(old):
            raise InvalidPassword("the new password is the old one; nothing was changed")
        made = self._tools.passwords.hash(new_password(new, account.email))
        with self._tools.store.change() as change:
            now = change.hold(account.id)
            if now is None or now.password_hash != account.password_hash:
                raise WrongPassword("the password was changed meanwhile; sign in with the new one")
            _set_password(change, now, made, actor.id, "change", origin)

    def link_holder(self, link: str) -> str | None:
        """The e-mail address that a one-time link is for; None where it is no longer valid."""
        hashed = token_hash(link)
        account = None if hashed is None else self._tools.store.link_holder(hashed)
        return account.email if account else None

    def set_password(self, link: str, new: str, origin: Origin) -> None:
        """Use a one-time link up; all sessions of its user end. Raises UnknownLink,
        InvalidPassword (the link stays valid then)."""
        hashed, email = token_hash(link), self.link_holder(link)
        if hashed is None or email is None:
            raise _link_is_over()
        made = self._tools.passwords.hash(new_password(new, email))
        with self._tools.store.change() as change:
            account = change.use_link(hashed)
            if account is None:
                raise _link_is_over()
            _set_password(change, account, made, account.id, "link", origin)

    def begin_totp(self, actor: Actor) -> TotpSetup:
        """A new secret, which is nowhere kept until a code confirms that an app has it."""
        account = self._account(actor)
        _require_none(account)
        secret = self._tools.codes.new_secret()
        return TotpSetup(secret, self._tools.codes.uri(secret, account.email))

    def confirm_totp(self, actor: Actor, secret: str, code: str, origin: Origin) -> None:
        """From now on signing in needs a code. The user's other sessions end: whoever began them
        has shown a password alone. InvalidAccount where the code is not the secret's."""
        account = self._account(actor)
        _require_none(account)
        code = "".join(code.split())
        step = None
        if _SECRET.fullmatch(secret):
            step = self._tools.codes.step(secret, code, self._tools.clock.now())
        if step is None:
            raise InvalidAccount("that is not the code which your app shows now; try again")
        sealed = self._tools.seals.seal(totp_purpose(account.id), secret)
        with self._tools.store.change() as change:
            now = change.hold(account.id)
            _require_none(now or account)
            change.set_second_factor(account.id, sealed)
            change.use_step(account.id, step)
            change.end_sessions(account.id, but=actor.session)
            change.record(
                AuditEvent("second-factor.set", actor.id, target=account.id, origin=origin)
            )

    def drop_totp(self, actor: Actor, password: str, origin: Origin) -> None:
        """The account has no second factor any more; an administrator must set up another before
        anything else. Raises WrongPassword, TooManyAttempts."""
        account = self._account(actor)
        if account.totp is None:
            raise InvalidAccount("this account has no second factor")
        self.confirm(actor, password, origin)
        with self._tools.store.change() as change:
            change.hold(account.id)
            change.set_second_factor(account.id, None)
            change.record(
                AuditEvent("second-factor.drop", actor.id, target=account.id, origin=origin)
            )

    def _account(self, actor: Actor) -> Account:
        account = self._tools.store.account_of(actor.id)
        if account is None:
            raise UnknownUser(f"'{actor.id}' has no account here: nobody signed in")
        return account

    def _check_password(self, account: Account, password: str, origin: Origin) -> None:
        tools = self._tools
        tools.attempts.take(tools.seals.digest("e-mail", account.email), origin)
        if tools.passwords.matches(account.password_hash, normal_password(password)):
            return
        tools.trail.record(
            AuditEvent("password.confirm", account.id, "refused", target=account.id, origin=origin)
        )
        raise WrongPassword("that is not the password that you have now; nothing was done")


def totp_purpose(account_id: str) -> str:
    """What the secret of a second factor is sealed for: it opens for no other account."""
    return f"second factor {account_id}"


def _set_password(
    change: IdentityChange, account: Account, made: str, actor: str, by: str, origin: Origin
) -> None:
    change.set_password_hash(account.id, made)
    change.drop_links(account.id)
    ended = change.end_sessions(account.id)
    details = {"by": by, "sessions ended": str(ended)}
    change.record(AuditEvent("password.set", actor, "done", account.id, details, origin))


def _require_none(account: Account) -> None:
    if account.totp is not None:
        raise InvalidAccount("this account has a second factor; drop it before you set up another")


def _link_is_over() -> UnknownLink:
    return UnknownLink(
        "this link was used, or is older than a day; ask an administrator for another"
    )
