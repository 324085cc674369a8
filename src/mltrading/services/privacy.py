"""What a person may ask of us: all that is kept about them, and that it goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mltrading.domain.access import Actor, Permission
from mltrading.errors import Forbidden, UnknownUser
from mltrading.services.credentials import normal_address
from mltrading.services.ports.audit import AuditEvent, AuditTrail, Origin
from mltrading.services.ports.privacy import Confirmation, PrivacyStore
from mltrading.services.retention import Retained, Retainer
from mltrading.utils.monitoring import monitor_verbs


@monitor_verbs("privacy")
class Privacy:
    """A user is named by `Actor.id`; UnknownUser where there is none. `confirmation` None: nobody
    signs in here, and nobody has data of their own."""

    def __init__(
        self,
        store: PrivacyStore,
        trail: AuditTrail,
        confirmation: Confirmation | None,
        retainer: Retainer,
    ) -> None:
        self._store = store
        self._trail = trail
        self._confirmation = confirmation
        self._retainer = retainer

    def find(self, actor: Actor, email: str) -> str:
        """The id of the account of an address."""
        actor.require(Permission.MODIFY_SETTINGS)
        user_id = self._store.find(normal_address(email))
        if user_id is None:
            raise UnknownUser(f"no account of '{email}'; mltrading users list shows all")
        return user_id

    def export(self, actor: Actor, password: str, origin: Origin) -> dict[str, object]:
        """All that is kept about the actor, ready for JSON. It is given to who knows the password,
        not to whoever sits before an unlocked screen; `Confirmation` says what is raised else."""
        if self._confirmation is None or actor.role is None:
            raise Forbidden("nobody signs in here, so nothing is kept about you")
        actor.require(Permission.VIEW_SHARED_DATA)  # which every user has who signed in wholly
        self._confirmation.confirm(actor, password, origin)
        return self._export(actor, actor.id, origin)

    def export_of(self, actor: Actor, user_id: str, origin: Origin) -> dict[str, object]:
        """The same of any user, for somebody who asked in another way."""
        actor.require(Permission.MODIFY_SETTINGS)
        return self._export(actor, user_id, origin)

    def _export(self, actor: Actor, user_id: str, origin: Origin) -> dict[str, object]:
        if self._store.personal(user_id) is None:
            raise _unknown(user_id)
        # Recorded first, so that it is one of the rows that are exported.
        self._trail.record(AuditEvent("privacy.export", actor.id, target=user_id, origin=origin))
        found = self._store.personal(user_id)
        if found is None:
            raise _unknown(user_id)
        return found

    def erase(self, actor: Actor, user_id: str, origin: Origin) -> None:
        """The account goes, with its sessions, links, and the addresses it came from. The audit
        trail stays whole: the name it uses leads to nobody any more.

        LastAdministrator where nobody could administrate afterwards."""
        actor.require(Permission.MODIFY_SETTINGS)
        kept = Origin() if actor.id == user_id else origin
        if not self._store.erase(
            user_id, AuditEvent("user.erase", actor.id, target=user_id, origin=kept)
        ):
            raise _unknown(user_id)

    def retain(
        self,
        actor: Actor,
        dry_run: bool,
        erased: Sequence[str] = (),
        progress: Callable[[str], None] = lambda _: None,
    ) -> Retained:
        """Let go what was kept for long enough; a dry run only counts. `erased` are ids of accounts
        that were erased after the backup was made that was put back: they go again."""
        actor.require(Permission.MODIFY_SETTINGS)
        if erased and not dry_run:
            self._store.note_erased(list(erased))
        return self._retainer.run(actor, dry_run=dry_run, progress=progress)

    def erase_again(self, actor: Actor) -> Retained:
        """Of what `retain` does, only what can not wait: erasures hold for backups too."""
        actor.require(Permission.MODIFY_SETTINGS)
        return self._retainer.erase_again(actor)


def _unknown(user_id: str) -> UnknownUser:
    return UnknownUser(f"there is no account {user_id} (any more); look at the list of users again")
