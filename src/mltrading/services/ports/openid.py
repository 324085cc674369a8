"""The OpenID provider whose users may sign in, as the services need it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class VerifiedClaims:
    """Whom the provider vouches for; it has verified the address. `issuer` and `subject` name the
    person for ever, the address may change."""

    issuer: str
    subject: str
    email: str


class OpenIdProvider(Protocol):
    """Raises ProviderUnavailable where the provider does not answer as it should."""

    @property
    def issuer(self) -> str: ...

    def authorization_url(
        self, redirect_uri: str, state: str, nonce: str, code_verifier: str
    ) -> str:
        """Where the browser goes to sign in; the provider sends it back to `redirect_uri`."""

    def exchange(
        self, code: str, redirect_uri: str, nonce: str, code_verifier: str
    ) -> VerifiedClaims:
        """What the provider says for a code. SignInRefused where it refuses the code, or where its
        answer can not be trusted."""
