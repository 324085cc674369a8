"""Seals and digests by keys that are derived from SECRET_KEY."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

from mltrading.utils.clock import Clock

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

DIGEST_LENGTH = 16  # hexadecimal digits: enough to tell the attempts of a day apart


class SecretKeySeals:
    """The port services.ports.identity.Seals. Another SECRET_KEY opens nothing of before."""

    def __init__(self, secret_key: str, clock: Clock) -> None:
        self._secret_key = secret_key.encode("utf-8", "surrogatepass")
        self._clock = clock

    def seal(self, purpose: str, text: str) -> str:
        return self._box(purpose).encrypt_at_time(text.encode(), self._seconds()).decode()

    def open(self, purpose: str, sealed: str, max_age_seconds: int | None = None) -> str | None:
        from cryptography.fernet import InvalidToken

        if not sealed.isascii():
            return None
        box, token = self._box(purpose), sealed.encode()
        try:
            if max_age_seconds is None:
                return box.decrypt(token).decode()
            return box.decrypt_at_time(token, max_age_seconds, self._seconds()).decode()
        except InvalidToken:
            return None

    def digest(self, purpose: str, text: str) -> str:
        key = self._key(f"digest {purpose}")
        whole = hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
        return whole[:DIGEST_LENGTH]

    def _box(self, purpose: str) -> Fernet:
        from cryptography.fernet import Fernet

        return Fernet(base64.urlsafe_b64encode(self._key(f"seal {purpose}")))

    def key(self, purpose: str) -> str:
        """A key for others to sign with, which tells nothing of SECRET_KEY."""
        return self._key(f"key {purpose}").hex()

    def _key(self, purpose: str) -> bytes:
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.hazmat.primitives.kdf.hkdf import HKDF

        return HKDF(SHA256(), 32, salt=None, info=f"mltrading {purpose}".encode()).derive(
            self._secret_key
        )

    def _seconds(self) -> int:
        return int(self._clock.now().timestamp())
