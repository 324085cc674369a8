"""What is said to people over a channel, and what became of it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Literal, get_args

from mltrading.utils.text import one_line

Severity = Literal["critical", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)


@dataclass(frozen=True, slots=True, order=True)
class Destination:
    """A kind of channel (adapters.channels) and whom it reaches. Never a secret."""

    kind: str
    target: str

    @property
    def name(self) -> str:
        """For people and records."""
        return self.kind if self.kind == "pagerduty" else f"{self.kind} {self.target}"


@dataclass(frozen=True, slots=True)
class Message:
    """One message, to be sent to any number of channels.

    `key` says what it is about: a later message of the same key and `resolved` ends the incident
    that this one opened. `id` is the message's own, the same whenever it is sent again, so that a
    receiver can tell a repetition. All but `text` is one line, and nothing holds half a surrogate
    pair, which no channel could encode: what is given otherwise is made so.
    """

    severity: Severity
    title: str
    text: str
    key: str
    link: str | None = None
    resolved: bool = False
    id: str = field(default_factory=lambda: secrets.token_hex(16))

    def __post_init__(self) -> None:
        for name in ("title", "key", "link", "id", "text"):
            value = getattr(self, name)
            if value is not None:
                whole = value.encode("utf-8", "replace").decode("utf-8")
                object.__setattr__(self, name, whole if name == "text" else one_line(whole))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one attempt. `retry`: the same message may succeed later, not before
    `after_seconds` where the receiver named a time. `dead`: sending it again is in vain.

    `reason` is one line for people and logs; it never holds a secret.
    """

    state: Literal["delivered", "retry", "dead"]
    reason: str = ""
    after_seconds: float | None = None

    @property
    def delivered(self) -> bool:
        return self.state == "delivered"


DELIVERED = Outcome("delivered")


def shorten(text: str, length: int) -> str:
    """The text in at most `length` characters; a cut is marked."""
    return text if len(text) <= length else text[: length - 3] + "..."
