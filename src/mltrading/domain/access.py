"""Who asks, and what they may do. Rights are names; services check them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mltrading.errors import Forbidden


class Permission(Enum):
    """The seed's permissions, plus the one every signed-in user has."""

    VIEW_SHARED_DATA = "can_view_shared_data"
    VIEW_ALL_DATA = "can_view_all_data"
    EXPORT_DATA = "can_export_data"
    MODIFY_SETTINGS = "can_modify_settings"


@dataclass(frozen=True, slots=True)
class Actor:
    """The user on whose behalf a service acts."""

    id: str
    permissions: frozenset[Permission]

    def may(self, permission: Permission) -> bool:
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        if not self.may(permission):
            raise Forbidden(f"this needs the right {permission.value}; ask an administrator for it")


DEVELOPER = Actor("developer", frozenset(Permission))
"""The actor of a development server on loopback, where nobody signs in."""

WORKER = Actor("worker", frozenset({Permission.VIEW_SHARED_DATA, Permission.VIEW_ALL_DATA}))
"""The actor of what the program does by itself at a time."""
