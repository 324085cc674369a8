"""Sends what the outboxes hold: at least once, one message a receiver at a time, each receiver for
itself, so that one that hangs delays no other."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from mltrading.errors import ConfigurationError, DatabaseUnavailable
from mltrading.services.ports import Channel
from mltrading.services.ports.alerts import Leased, Outbox
from mltrading.utils.message import Destination, Outcome
from mltrading.utils.retry import pause_seconds

log = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 1.0
PATIENCE_SECONDS = 20.0
"""So long an attempt may take (the channels that are handed in keep to it)."""
LEASE_SECONDS = 40.0
"""Longer than an attempt: after it a message of a worker that died is sent by another."""


@dataclass(frozen=True, slots=True)
class _Done:
    """An attempt whose outcome is to be noted."""

    outbox: Outbox
    leased: Leased
    outcome: Outcome


class Delivery:
    """`run` is for one thread; each attempt has a thread of its own.

    `kinds`: the kinds of channels that can be opened. `open_channel` may raise ConfigurationError.
    `told` hears of each attempt: what it was about, and what came of it.
    """

    def __init__(
        self,
        outboxes: Sequence[Outbox],
        kinds: Callable[[], Collection[str]],
        open_channel: Callable[[Destination], Channel],
        told: Callable[[Leased, Outcome], object] = lambda leased, outcome: None,
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outboxes = outboxes
        self._kinds = kinds
        self._open_channel = open_channel
        self._told = told
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._busy: set[Destination] = set()
        self._held: dict[Destination, float] = {}
        self._unnoted: list[_Done] = []
        self._wake = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Look for messages until `stop`."""
        while not stop.is_set():
            self._wake.clear()
            self.look()
            self._wake.wait(LOOK_EVERY_SECONDS)

    def look(self) -> int:
        """Note what was done, and begin to send what is due; how many attempts were begun."""
        self._note()
        begun = 0
        for outbox in self._outboxes:
            try:
                leased = outbox.lease(self._kinds(), self._busy_now(), LEASE_SECONDS)
            except DatabaseUnavailable:
                continue  # whoever evaluates says so, and the other outbox goes on
            for one in leased:
                with self._lock:
                    self._busy.add(one.queued.destination)
                work = threading.Thread(
                    target=self._attempt, args=(outbox, one), name="alert", daemon=True
                )
                work.start()
                begun += 1
        return begun

    @property
    def idle(self) -> bool:
        with self._lock:
            return not self._busy and not self._unnoted

    def _busy_now(self) -> set[Destination]:
        """Receivers that are being sent to, or asked to be left alone."""
        now = self._monotonic()
        with self._lock:
            self._held = {one: until for one, until in self._held.items() if until > now}
            return self._busy | self._held.keys()

    def _attempt(self, outbox: Outbox, leased: Leased) -> None:
        to = leased.queued.destination
        try:
            outcome = self._open_channel(to).send(leased.queued.message)
        except ConfigurationError as error:
            outcome = Outcome("dead", str(error))
        except Exception as error:  # the message is to be tried again, and others are to be sent
            log.exception("sending to %s failed by a fault of this program", to.name)
            outcome = Outcome("retry", f"a fault of this program ({type(error).__name__})")
        if outcome.state == "retry" and outcome.after_seconds:
            with self._lock:
                self._held[to] = self._monotonic() + outcome.after_seconds
        self._told(leased, outcome)
        with self._lock:
            self._unnoted.append(_Done(outbox, leased, outcome))
        self._note()
        with self._lock:
            self._busy.discard(to)
        self._wake.set()

    def _note(self) -> None:
        """Write down outcomes. One that can not be written yet stays; its lease may end before, and
        the message is sent twice then."""
        with self._lock:
            done, self._unnoted = self._unnoted, []
        for one in done:
            pause = pause_seconds(one.leased.attempt, one.outcome.after_seconds)
            try:
                one.outbox.finish(one.leased, one.outcome, pause)
            except DatabaseUnavailable:
                with self._lock:
                    self._unnoted.append(one)
