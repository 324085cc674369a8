"""Who is signed in: sessions, and what a user changes of the own account."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime

from mltrading.domain.access import Actor, Permission, Role
from mltrading.errors import CodeNeeded, SignInRefused
from mltrading.services.attempts import Attempts
from mltrading.services.credentials import is_valid_address, normal_address, normal_password
from mltrading.services.ports.audit import AuditEvent, AuditTrail, Origin
from mltrading.services.ports.identity import (
    Account,
    Codes,
    IdentityChange,
    IdentityStore,
    NewSession,
    OpenSession,
    Passwords,
    Road,
    Seals,
)
from mltrading.utils.clock import Clock

IDLE_SECONDS = 30 * 60
LASTS_SECONDS = 8 * 60 * 60
TOUCH_AFTER_SECONDS = 60

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_NOTHING: frozenset[Permission] = frozenset()


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A session that has begun. Its token is for the browser alone, and stored nowhere."""

    token: str
    actor: Actor
    expires_at: datetime


class _Changed(Exception):
    """The account is no longer what it was when the password was checked."""


class _Used(Exception):
    """Another sign-in used the code."""


class Identity:
    """Signing in and out. A session is over after half an hour without a request, and after eight
    hours whatever happens; times are the database's."""

    def __init__(
        self,
        store: IdentityStore,
        passwords: Passwords,
        codes: Codes,
        seals: Seals,
        attempts: Attempts,
        trail: AuditTrail,
        clock: Clock,
    ) -> None:
        self._store = store
        self._passwords = passwords
        self._codes = codes
        self._seals = seals
        self._attempts = attempts
        self._trail = trail
        self._clock = clock

    def sign_in(self, email: str, password: str, code: str, origin: Origin) -> SignedIn:
        """Begin a session. `code` is of the second factor, "" where none was typed.

        Raises TooManyAttempts (of the account, or from the address); SignInRefused, which takes as
        long and says the same for an unknown user, a wrong password and a disabled account;
        CodeNeeded where the password is right and the code is not.
        """
        email = normal_address(email)
        who = self._seals.digest("e-mail", email)
        self._attempts.take(who, origin)
        account = self._store.account(email) if is_valid_address(email) else None
        password = normal_password(password)
        right = self._passwords.matches(account.password_hash if account else None, password)
        if account is None or not right or account.disabled:
            raise self._refused(account, who, "disabled" if right else "password", origin)
        step = self._step(account, code, origin)
        return self._begin(account, step, self._rehashed(account, password), origin)

    def actor(self, token: str) -> Actor | None:
        """Who a token stands for, with the role as it is now; None where there is no such session,
        or no longer. An administrator who must set up a second factor first has no right."""
        if not _TOKEN.fullmatch(token):
            return None
        token_hash = hashed(token)
        session = self._store.session(token_hash, IDLE_SECONDS)
        if session is None:
            return None
        if session.idle_seconds >= TOUCH_AFTER_SECONDS:
            self._store.touch(token_hash, TOUCH_AFTER_SECONDS)
        return actor_of(session)

    def sign_out(self, token: str, origin: Origin) -> None:
        """End the session; nothing happens where it is over."""
        if not _TOKEN.fullmatch(token):
            return
        with self._store.change() as change:
            ended = change.end(hashed(token))
            if ended is not None:
                change.record(
                    AuditEvent("session.end", ended.account_id, target=ended.id, origin=origin)
                )

    def needs_totp(self, actor: Actor) -> bool:
        """Whether the actor is an administrator who may do nothing but set up a second factor."""
        return actor.role is Role.ADMIN and not actor.permissions

    def _step(self, account: Account, code: str, origin: Origin) -> int | None:
        """The step of the code; None where the account has no second factor."""
        if account.totp is None:
            return None
        secret = self._seals.open(totp_purpose(account.id), account.totp)
        code = "".join(code.split())
        if not code:
            self._record(account, "code missing", origin)
            raise CodeNeeded("type the six digits that your authenticator app shows now")
        if secret is None:
            self._record(account, "key changed", origin)
            raise SignInRefused(
                "the second factor can not be read since SECRET_KEY was changed; ask an"
                " administrator to reset it"
            )
        step = self._codes.step(secret, code, self._clock.now())
        if step is None:
            raise self._wrong_code(account, origin)
        return step

    def _begin(
        self, account: Account, step: int | None, rehashed: str | None, origin: Origin
    ) -> SignedIn:
        try:
            with self._store.change() as change:
                _prove_again(change, account, step)
                if rehashed is not None:
                    change.set_password_hash(account.id, rehashed)
                return begin_session(change, account, "password", origin)
        except _Changed:
            raise self._refused(account, "", "changed", origin) from None
        except _Used:
            raise self._wrong_code(account, origin) from None

    def _rehashed(self, account: Account, password: str) -> str | None:
        """A hash by the parameters in force, where the stored one is not."""
        known = account.password_hash
        if known is None or not self._passwords.outdated(known):
            return None
        return self._passwords.hash(password)

    def _refused(
        self, account: Account | None, who: str, reason: str, origin: Origin
    ) -> SignInRefused:
        """What to raise; it is recorded. An unknown address is told apart by its digest alone."""
        self._record(account, reason if account else "unknown", origin, who)
        return SignInRefused("e-mail address or password is not right")

    def _wrong_code(self, account: Account, origin: Origin) -> CodeNeeded:
        self._record(account, "code", origin)
        return CodeNeeded("that code is not right, or was used; type the one shown now")

    def _record(self, account: Account | None, reason: str, origin: Origin, who: str = "") -> None:
        self._trail.record(
            AuditEvent(
                "session.begin",
                outcome="refused",
                target=account.id if account else who,
                details={"reason": reason},
                origin=origin,
            )
        )


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
    """Begin a session of an account that is held, by a token of 256 random bits."""
    token, id = secrets.token_urlsafe(32), secrets.token_hex(8)
    new = NewSession(hashed(token), id, road, LASTS_SECONDS, origin)
    expires_at = change.begin(account.id, new)
    change.record(
        AuditEvent("session.begin", account.id, target=id, details={"road": road}, origin=origin)
    )
    return SignedIn(token, actor_of(OpenSession(id, road, account, 0.0)), expires_at)


def hashed(token: str) -> bytes:
    """What is stored of a token; it is random, so a fast hash will do."""
    return hashlib.sha256(token.encode()).digest()


def _prove_again(change: IdentityChange, account: Account, step: int | None) -> None:
    """Hold the account. What was proved must still be so: it may have been disabled, or its password
    changed, while the hash was made; and nobody else may have used the code."""
    now = change.hold(account.id)
    if now is None or _proven(now) != _proven(account):
        raise _Changed
    if step is not None and not change.use_step(account.id, step):
        raise _Used


def _proven(account: Account) -> tuple[object, ...]:
    return account.disabled, account.password_hash, account.totp


def totp_purpose(account_id: str) -> str:
    """What the secret of a second factor is sealed for: it opens for no other account."""
    return f"second factor {account_id}"
