"""PagerDuty, by version 2 of its Events API: `trigger` opens an incident, `resolve` ends it."""

from __future__ import annotations

import hashlib

from mltrading.adapters.channels.http import Poster, checked_url, json_bytes
from mltrading.errors import ConfigurationError
from mltrading.utils.message import Message, Outcome, shorten

API_URL = "https://events.pagerduty.com"
LONGEST_SUMMARY = 1024  # characters; the API cuts there
LONGEST_KEY = 255
LONGEST_TEXT = 16_000  # an event may have 512 KB, and a character up to 4 bytes


class PagerDuty:
    """Sends events to the service whose integration (routing) key it was given."""

    def __init__(self, routing_key: str, source: str, api_url: str = API_URL) -> None:
        if not routing_key.isalnum() or not routing_key.isascii():
            raise ConfigurationError("PAGERDUTY_KEY must be letters and digits alone")
        self.name = "pagerduty"
        self._routing_key = routing_key
        self._source = source
        url = f"{checked_url(api_url, 'PAGERDUTY_API_URL').rstrip('/')}/v2/enqueue"
        self._poster = Poster(url, secrets=(routing_key,))

    def __repr__(self) -> str:
        return "PagerDuty()"

    def send(self, message: Message) -> Outcome:
        return self._poster.post(json_bytes(event(message, self._routing_key, self._source)))


def event(message: Message, routing_key: str, source: str) -> dict[str, object]:
    """The body of the request."""
    about: dict[str, object] = {
        "routing_key": routing_key,
        "event_action": "resolve" if message.resolved else "trigger",
        "dedup_key": dedup_key(message.key),
    }
    if message.resolved:
        return about
    about["payload"] = {
        "summary": shorten(message.title, LONGEST_SUMMARY) or "no title",
        "source": source,
        "severity": message.severity,
        "component": "mltrading",
        "custom_details": {"text": shorten(message.text, LONGEST_TEXT), "id": message.id},
    }
    about["client"] = "MLTrading"
    if message.link:
        about["client_url"] = message.link
        about["links"] = [{"href": message.link, "text": "More"}]
    return about


def dedup_key(key: str) -> str:
    """`key`, or its hash where it is longer than the API takes: different keys stay different."""
    return key if len(key) <= LONGEST_KEY else hashlib.sha256(key.encode()).hexdigest()
