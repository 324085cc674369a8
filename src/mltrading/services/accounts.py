"""Administration of accounts."""

from __future__ import annotations

from mltrading.services.ports.identity import IdentityStore, Passwords


class Accounts:
    """What an administrator does with the accounts of others."""

    def __init__(self, store: IdentityStore, passwords: Passwords) -> None:
        self._store = store
        self._passwords = passwords
