"""Who asks, and what they may do. Rights are names; services check them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from mltrading.errors import Forbidden


class Permission(Enum):
    """The seed's permissions, plus the one every signed-in user has."""

    VIEW_SHARED_DATA = "can_view_shared_data"
    VIEW_ALL_DATA = "can_view_all_data"
    EXPORT_DATA = "can_export_data"
    MODIFY_SETTINGS = "can_modify_settings"


class Role(Enum):
    ADMIN = "admin"
    ANALYST = "analyst"
    VIEWER = "viewer"

    @property
    def permissions(self) -> frozenset[Permission]:
        return PERMISSIONS[self]


_SEES_ALL = frozenset(
    {Permission.VIEW_SHARED_DATA, Permission.VIEW_ALL_DATA, Permission.EXPORT_DATA}
)
_PLURALS = (
    (Role.VIEWER, "viewers"),
    (Role.ANALYST, "analysts"),
    (Role.ADMIN, "administrators"),
)
PERMISSIONS: Mapping[Role, frozenset[Permission]] = MappingProxyType(
    {
        Role.ADMIN: _SEES_ALL | {Permission.MODIFY_SETTINGS},
        Role.ANALYST: _SEES_ALL,
        Role.VIEWER: frozenset({Permission.VIEW_SHARED_DATA}),
    }
)


def holders(permission: Permission) -> str:
    """The roles that have it, in words: "analysts and administrators"."""
    *others, last = (name for role, name in _PLURALS if permission in PERMISSIONS[role])
    return f"{', '.join(others)} and {last}" if others else last


class Scope(Enum):
    """Which symbols a question is about; queries filter by it."""

    ALL = "all"
    SHARED = "shared"  # those that an administrator shared


@dataclass(frozen=True, slots=True)
class Actor:
    """The user on whose behalf a service acts. `id` is the name in the audit trail, which says
    nothing of the person; `session` names the session in lists, "" where there is none."""

    id: str
    permissions: frozenset[Permission]
    email: str = ""
    role: Role | None = None
    session: str = ""

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        if not self.may(permission):
            raise Forbidden(self.refusal(permission))

    def refusal(self, permission: Permission) -> str:
        """What to say of a permission that the actor lacks, with who has it."""
        needed = f"this needs the right {permission.value}"
        if self.must_enrol(permission):
            return f"{needed}, which you have after setting up a second factor at /account"
        return f"{needed}, which {holders(permission)} have; ask an administrator for it"

    def must_enrol(self, permission: Permission) -> bool:
        """Whether it is one of the role, and a second factor alone is missing for it."""
        return (
            self.role is not None
            and permission in self.role.permissions
            and not self.may(permission)
        )

    @property
    def scope(self) -> Scope:
        """What of the market it sees. Forbidden where it may see nothing."""
        if self.may(Permission.VIEW_ALL_DATA):
            return Scope.ALL
        self.require(Permission.VIEW_SHARED_DATA)
        return Scope.SHARED


DEVELOPER = Actor("developer", frozenset(Permission))
"""The actor of a development server on loopback, where nobody signs in."""

WORKER = Actor("worker", frozenset({Permission.VIEW_SHARED_DATA, Permission.VIEW_ALL_DATA}))
"""The actor of what the program does by itself at a time."""

CONSOLE = Actor("console", frozenset(Permission))
"""The actor of the command line: whoever has the database's address may do everything anyway."""
