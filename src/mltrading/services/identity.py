"""Who is signed in: sessions that begin and end."""

from __future__ import annotations

import logging

from mltrading.domain.access import Actor, Role
from mltrading.errors import CodeNeeded, SignInRefused
from mltrading.services.credentials import is_valid_address, normal_address, normal_password
from mltrading.services.openid import OpenIdBegun, OpenIdSignIn
from mltrading.services.own_account import IDLE_SECONDS, OwnAccount, Tools, TotpSetup, totp_purpose
from mltrading.services.ports.audit import AuditEvent, Origin
from mltrading.services.ports.identity import Account, IdentityChange, SessionInfo
from mltrading.services.sessions import SignedIn, actor_of, begin_session
from mltrading.services.tokens import token_hash
from mltrading.utils.measures import login_failed
from mltrading.utils.monitoring import monitor_verbs

__all__ = ["Identity", "OpenIdBegun", "SessionInfo", "SignedIn", "Tools", "TotpSetup"]

log = logging.getLogger(__name__)

TOUCH_AFTER_SECONDS = 60


class _Changed(Exception):
    """The account is no longer what it was when the password was checked."""


class _Used(Exception):
    """Another sign-in used the code."""


@monitor_verbs("identity")
class Identity(OwnAccount, OpenIdSignIn):
    """Signing in and out. A session is over after half an hour without a request, and after eight
    hours whatever happens; times are the database's."""

    def sign_in(self, email: str, password: str, code: str, origin: Origin) -> SignedIn:
        """Begin a session. `code` is of the second factor, "" where none was typed.

        Raises TooManyAttempts (of the account, or from the address); SignInRefused, which takes as
        long and says the same for an unknown user, a wrong password and a disabled account;
        CodeNeeded where the password is right and the code is not; SignInRefused with another text
        where it is right and no code could be, since the key that sealed the factor is gone.
        """
        email = normal_address(email)
        who = self._tools.seals.digest("e-mail", email)
        self._tools.attempts.take(who, origin)
        account = self._tools.store.account(email) if is_valid_address(email) else None
        password = normal_password(password)
        right = self._tools.passwords.matches(account.password_hash if account else None, password)
        if account is None or not right or account.disabled:
            raise self._refused(account, who, "disabled" if right else "password", origin)
        step = self._step(account, code, origin)
        return self._begin(account, step, self._rehashed(account, password), origin)

    def actor(self, token: str, *, used: bool = True) -> Actor | None:
        """Who a token stands for, with the role as it is now; None where there is no such session,
        or no longer. An administrator who must set up a second factor first has no right. `used`
        False: it asks by itself, and keeps no session from ending."""
        hashed = token_hash(token)
        session = self._tools.store.session(hashed, IDLE_SECONDS) if hashed else None
        if hashed is None or session is None:
            return None
        if used and session.idle_seconds >= TOUCH_AFTER_SECONDS:
            self._tools.store.touch(hashed, TOUCH_AFTER_SECONDS)
        return actor_of(session)

    def sign_out(self, token: str, origin: Origin) -> None:
        """End the session; nothing happens where it is over."""
        hashed = token_hash(token)
        if hashed is None:
            return
        with self._tools.store.change() as change:
            ended = change.end(hashed)
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
        secret = self._tools.seals.open(totp_purpose(account.id), account.totp)
        if secret is None:
            raise self._sealed_otherwise(account, origin)
        code = "".join(code.split())
        if not code:
            self._record(account, "code missing", origin)
            raise CodeNeeded("type the six digits that your authenticator app shows now")
        step = self._tools.codes.step(secret, code, self._tools.clock.now())
        if step is None:
            raise self._wrong_code(account, origin)
        return step

    def _begin(
        self, account: Account, step: int | None, rehashed: str | None, origin: Origin
    ) -> SignedIn:
        try:
            with self._tools.store.change() as change:
                now = _prove_again(change, account, step)
                if rehashed is not None:
                    change.set_password_hash(account.id, rehashed)
                return begin_session(change, now, "password", origin)
        except _Changed:
            raise self._refused(account, "", "changed", origin) from None
        except _Used:
            raise self._wrong_code(account, origin) from None

    def _rehashed(self, account: Account, password: str) -> str | None:
        """A hash by the parameters in force, where the stored one is not."""
        known = account.password_hash
        if known is None or not self._tools.passwords.outdated(known):
            return None
        return self._tools.passwords.hash(password)

    def _refused(
        self, account: Account | None, who: str, reason: str, origin: Origin
    ) -> SignInRefused:
        """What to raise; it is recorded. An unknown address is told apart by its digest alone."""
        self._record(account, reason if account else "unknown", origin, who)
        return SignInRefused("e-mail address or password is not right")

    def _sealed_otherwise(self, account: Account, origin: Origin) -> SignInRefused:
        """What to raise where no code could be right. It is told after the right password alone."""
        self._record(account, "key changed", origin)
        log.error(
            "user %s can not sign in: another SECRET_KEY sealed the second factor; put that key"
            " back, or run mltrading users reset EMAIL --second-factor (mltrading doctor: whose)",
            account.id,
        )
        return SignInRefused(
            "your password is right, but your second factor can not be checked: the server's"
            " key (SECRET_KEY) was changed since you set it up; ask an administrator to reset it"
        )

    def _wrong_code(self, account: Account, origin: Origin) -> CodeNeeded:
        self._record(account, "code", origin)
        return CodeNeeded("that code is not right, or was used; type the one shown now")

    def _record(self, account: Account | None, reason: str, origin: Origin, who: str = "") -> None:
        if reason != "code missing":  # the first half of a sign-in that goes on
            login_failed(reason)
        self._tools.trail.record(
            AuditEvent(
                "session.begin",
                outcome="refused",
                target=account.id if account else who,
                details={"reason": reason},
                origin=origin,
            )
        )


def _prove_again(change: IdentityChange, account: Account, step: int | None) -> Account:
    """The account as it is now, held. What was proved must still be so: it may have been disabled,
    or its password changed, while the hash was made; and nobody else may have used the code."""
    now = change.hold(account.id)
    if now is None or _proven(now) != _proven(account):
        raise _Changed
    if step is not None and not change.use_step(account.id, step):
        raise _Used
    return now


def _proven(account: Account) -> tuple[object, ...]:
    return account.disabled, account.password_hash, account.totp
