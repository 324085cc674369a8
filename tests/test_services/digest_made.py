"""Whom a digest is sent to, and a day on which nothing happened."""

from __future__ import annotations

from datetime import datetime

from mltrading.services.ports import DayFacts
from mltrading.utils.message import DELIVERED, Message, Outcome


class NoFacts:
    """The part of the port DayBook that a digest asks."""

    def facts(self, since: datetime, until: datetime) -> DayFacts:
        return DayFacts((), 0, 0, None, 0)


class DigestChannel:
    """Takes every message."""

    name = "slack #info"

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def send(self, message: Message) -> Outcome:
        self.messages.append(message)
        return DELIVERED
