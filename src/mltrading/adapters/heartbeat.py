"""Tells a dead man's switch that alerts are evaluated. Hearing nothing, it tells people itself."""

from __future__ import annotations

from mltrading.adapters.channels.http import Poster, checked_url
from mltrading.utils.message import Outcome


class HttpHeartbeat:
    """Posts to the address, which is a secret; ConfigurationError where it may not be posted to."""

    def __init__(self, url: str) -> None:
        self._poster = Poster(checked_url(url, "WATCHDOG_URL"))

    def __repr__(self) -> str:
        return "HttpHeartbeat()"

    def beat(self) -> Outcome:
        return self._poster.post(b"{}")
