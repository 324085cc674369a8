"""What the operators' page of alerts needs beside services.ports.alerts, as Protocols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from mltrading.domain.alerting.rules import Rule
from mltrading.domain.alerting.turns import Event
from mltrading.utils.message import Destination, Severity


@dataclass(frozen=True, slots=True)
class Leader:
    """The worker that evaluates, and until when the others leave it to it; it says so again at
    every look."""

    holder: str
    until: datetime


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up."""

    destination: Destination
    title: str
    reason: str
    attempts: int
    at: datetime


@dataclass(frozen=True, slots=True)
class DeskRecord:
    """`authors`: the e-mail addresses of those who made the silences that last, by their id.
    `dead`: newest first. `rules`: those that the history tells of, by name."""

    leader: Leader | None
    authors: Mapping[str, str]
    dead: Sequence[DeadLetter]
    rules: Sequence[str]


class DeskBook(Protocol):
    def record(self, most_dead: int) -> DeskRecord: ...

    def history(self, rule: str, limit: int, offset: int) -> Sequence[Event]:
        """Newest first; of one rule, or of all ("")."""


@dataclass(frozen=True, slots=True)
class AlertFile:
    """alerting.yml. `problem`: what is wrong with it, "" where nothing is; `rules` None: there was
    none that could be read. `unusable`: why a channel of it can not be used."""

    problem: str = ""
    rules: tuple[Rule, ...] | None = None
    channels: Mapping[Severity, tuple[Destination, ...]] = field(default_factory=dict)
    unusable: Mapping[Destination, str] = field(default_factory=dict)


class DeskFile(Protocol):
    def read(self) -> AlertFile:
        """As it is now; raises for nothing that may be wrong with it."""
