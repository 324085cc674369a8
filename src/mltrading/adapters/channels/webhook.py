"""Any receiver of JSON, signed as the Standard Webhooks specification says.

The receiver computes HMAC-SHA256 over "<webhook-id>.<webhook-timestamp>.<body>" with the shared
secret, compares it with the header `webhook-signature` ("v1,<base64>") and refuses timestamps
that are minutes old. The id stays the same when a message is sent again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from mltrading.adapters.channels.http import Poster, checked_url, json_bytes
from mltrading.errors import ConfigurationError
from mltrading.utils.message import Message, Outcome, shorten

LONGEST_TITLE = 1_000
LONGEST_TEXT = 16_000
LEAST_SECRET_BYTES = 24


class Webhook:
    """Posts signed JSON to one address."""

    def __init__(self, url: str, secret: str, now: Callable[[], float] = time.time) -> None:
        self.name = f"webhook {urlsplit(checked_url(url, 'webhook')).hostname}"
        self._key = signing_key(secret)
        self._now = now
        self._poster = Poster(url, secrets=(secret,))

    def __repr__(self) -> str:
        return f"Webhook({self.name!r})"

    def send(self, message: Message) -> Outcome:
        body = json_bytes(payload(message))
        stamp = str(int(self._now()))
        headers = {
            "webhook-id": message.id,
            "webhook-timestamp": stamp,
            "webhook-signature": signature(self._key, message.id, stamp, body),
        }
        return self._poster.post(body, headers)


def payload(message: Message) -> dict[str, object]:
    return {
        "severity": message.severity,
        "status": "resolved" if message.resolved else "firing",
        "title": shorten(message.title, LONGEST_TITLE),
        "text": shorten(message.text, LONGEST_TEXT),
        "key": message.key,
        "link": message.link,
    }


def signature(key: bytes, message_id: str, stamp: str, body: bytes) -> str:
    signed = b".".join((message_id.encode(), stamp.encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def signing_key(secret: str) -> bytes:
    """The bytes of a secret written as "whsec_" and base64."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < LEAST_SECRET_BYTES:
        raise ConfigurationError(
            f"WEBHOOK_SECRET must be whsec_ and the base64 of at least {LEAST_SECRET_BYTES} random"
            " bytes (openssl rand -base64 32)"
        )
    return key
