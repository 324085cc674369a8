"""Administration: accounts, their roles and sessions, and the symbols that all may see.

Every verb needs the right to modify settings, and every change is recorded in the transaction that
makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace

from mltrading.domain.access import Actor, Permission, Role
from mltrading.errors import InvalidAccount, LastAdministrator, UnknownSymbol, UnknownUser
from mltrading.services.credentials import new_address, new_password, normal_address
from mltrading.services.own_account import IDLE_SECONDS
from mltrading.services.ports.audit import AuditEvent, Origin
from mltrading.services.ports.identity import (
    Account,
    IdentityChange,
    IdentityStore,
    NewAccount,
    Passwords,
    SessionInfo,
    UserInfo,
)
from mltrading.services.tokens import new_id, new_token, token_hash
from mltrading.utils.monitoring import monitor_verbs
from mltrading.utils.text import nearest

__all__ = ["Accounts", "SessionInfo", "UserInfo", "last_administrator"]

LINK_SECONDS = 24 * 60 * 60


@monitor_verbs("accounts")
class Accounts:
    """What an administrator does with the accounts of others.

    A user is named by the id that `users` tells; UnknownUser where there is none. LastAdministrator
    where nobody could administrate afterwards. A one-time link is the path /password/ and the
    token; it is good for a day."""

    def __init__(self, store: IdentityStore, passwords: Passwords) -> None:
        self._store = store
        self._passwords = passwords

    def users(self, actor: Actor) -> list[UserInfo]:
        """All accounts, by e-mail address."""
        actor.require(Permission.MODIFY_SETTINGS)
        return self._store.users(IDLE_SECONDS)

    def find(self, actor: Actor, email: str) -> UserInfo:
        """The account of an address; UnknownUser names the nearest that is known."""
        users = {user.email: user for user in self.users(actor)}
        wanted = normal_address(email)
        if wanted in users:
            return users[wanted]
        likely = nearest(wanted, users)
        hint = f"nearest known: {likely}" if likely else "mltrading users list shows all"
        raise UnknownUser(f"no account of '{wanted}'; {hint}")

    def add(self, actor: Actor, email: str, role: Role, origin: Origin) -> str:
        """A new account; the token of the link that sets its password. InvalidAccount where the
        address is none, or has an account already."""
        token = new_token()
        with self._change(actor) as change:
            account = _add(change, email, role, None)
            change.add_link(account.id, _hash(token), LINK_SECONDS)
            change.record(_added(actor, account, "link", origin))
        return token

    def add_with_password(
        self, actor: Actor, email: str, role: Role, password: str, origin: Origin
    ) -> None:
        """A new account whose password is known already. Raises InvalidPassword too."""
        actor.require(Permission.MODIFY_SETTINGS)
        made = self._passwords.hash(new_password(password, new_address(email)))
        with self._change(actor) as change:
            account = _add(change, email, role, made)
            change.record(_added(actor, account, "password", origin))

    def set_role(self, actor: Actor, user_id: str, role: Role, origin: Origin) -> None:
        """The user's sessions end, for pages show what a role may see."""
        with self._change(actor) as change:
            account, others = _held(change, user_id)
            if account.role is role:
                return
            _require_administrator_left(account, others)
            change.set_role(user_id, role)
            change.end_sessions(user_id)
            details = {"role": role.value, "was": account.role.value}
            change.record(AuditEvent("user.role", actor.id, "done", user_id, details, origin))

    def disable(self, actor: Actor, user_id: str, origin: Origin) -> None:
        """The user can not sign in any more; sessions and links are over."""
        with self._change(actor) as change:
            account, others = _held(change, user_id)
            if account.disabled:
                return
            _require_administrator_left(account, others)
            change.set_disabled(user_id, True)
            change.drop_links(user_id)
            change.end_sessions(user_id)
            change.record(AuditEvent("user.disable", actor.id, target=user_id, origin=origin))

    def enable(self, actor: Actor, user_id: str, origin: Origin) -> None:
        """The user may sign in again, with the password of before."""
        with self._change(actor) as change:
            account, _ = _held(change, user_id)
            if not account.disabled:
                return
            change.set_disabled(user_id, False)
            change.record(AuditEvent("user.enable", actor.id, target=user_id, origin=origin))

    def reset(
        self, actor: Actor, user_id: str, origin: Origin, *, second_factor: bool = False
    ) -> str:
        """The token of a link that sets a new password. The old one opens nothing any more, and
        sessions are over. `second_factor` drops that too: for a phone that is lost."""
        token = new_token()
        with self._change(actor) as change:
            account, _ = _held(change, user_id)
            if account.disabled:
                raise InvalidAccount("the account is disabled; enable it first")
            change.set_password_hash(user_id, None)
            if second_factor:
                change.set_second_factor(user_id, None)
            change.end_sessions(user_id)
            change.add_link(user_id, _hash(token), LINK_SECONDS)
            details = {"second factor": "dropped" if second_factor else "kept"}
            change.record(AuditEvent("user.reset", actor.id, "done", user_id, details, origin))
        return token

    def sessions_of(self, actor: Actor, user_id: str) -> list[SessionInfo]:
        """The valid sessions of a user, the newest first."""
        actor.require(Permission.MODIFY_SETTINGS)
        found = self._store.sessions(user_id, IDLE_SECONDS)
        return [replace(one, current=one.id == actor.session) for one in found]

    def end_sessions(
        self, actor: Actor, user_id: str, origin: Origin, session_id: str | None = None
    ) -> int:
        """End all sessions of a user, or the one; how many there were."""
        with self._change(actor) as change:
            ended = change.end_sessions(user_id, only=session_id)
            if ended:
                details = {"sessions ended": str(ended)}
                target = user_id if session_id is None else session_id
                change.record(AuditEvent("session.end", actor.id, "done", target, details, origin))
        return ended

    def shared(self, actor: Actor) -> frozenset[str]:
        """The codes of the symbols that viewers see."""
        actor.require(Permission.MODIFY_SETTINGS)
        return self._store.shared()

    def share(self, actor: Actor, code: str, origin: Origin) -> None:
        """Viewers see the symbol from now on; UnknownSymbol, with the nearest known."""
        with self._change(actor) as change:
            new = change.share(code)
            if new:
                change.record(AuditEvent("symbol.share", actor.id, target=code, origin=origin))
        if new is None:
            likely = nearest(code, self._store.codes())
            hint = f"nearest known: '{likely}'" if likely else "import its bars first"
            raise UnknownSymbol(f"unknown symbol '{code}'; {hint}")

    def unshare(self, actor: Actor, code: str, origin: Origin) -> None:
        """Viewers do not see the symbol any more; nothing happens where they did not."""
        with self._change(actor) as change:
            if change.unshare(code):
                change.record(AuditEvent("symbol.unshare", actor.id, target=code, origin=origin))

    def _change(self, actor: Actor) -> AbstractContextManager[IdentityChange]:
        actor.require(Permission.MODIFY_SETTINGS)
        return self._store.change()


def _add(change: IdentityChange, email: str, role: Role, made: str | None) -> NewAccount:
    account = NewAccount(new_id(), new_address(email), role, made)
    if not change.add(account):
        raise InvalidAccount(f"{account.email} has an account already")
    return account


def _added(actor: Actor, account: NewAccount, by: str, origin: Origin) -> AuditEvent:
    details = {"role": account.role.value, "by": by}
    return AuditEvent("user.add", actor.id, "done", account.id, details, origin)


def _held(change: IdentityChange, user_id: str) -> tuple[Account, int]:
    """The account, and how many other administrators there are."""
    account, others = change.hold_with_administrators(user_id)
    if account is None:
        raise UnknownUser("there is no such account (any more); look at the list of users again")
    return account, others


def _require_administrator_left(account: Account, others: int) -> None:
    if account.role is Role.ADMIN and not account.disabled and not others:
        raise LastAdministrator(
            "this is the last administrator who may sign in; make another one first"
        )


def last_administrator(users: Sequence[UserInfo]) -> str | None:
    """The id of the one whom `set_role`, `disable` and an erasure leave as it is; None where there
    are several. `users` are all of them."""
    ids = [user.id for user in users if user.role is Role.ADMIN and not user.disabled]
    return ids[0] if len(ids) == 1 else None


def _hash(token: str) -> bytes:
    hashed = token_hash(token)
    assert hashed is not None
    return hashed
