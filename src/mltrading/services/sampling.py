"""Hands over what this process added up, every 15 seconds, from a thread of its own.

It never hurts a request: nothing waits for it, and while the database is away the numbers go on
adding up in the same few hundred kilobytes. What could not be handed over goes with the next.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Protocol

from mltrading.services.ports.operations import (
    Batch,
    LogRecord,
    Machine,
    ProcessKind,
    SampleBook,
)
from mltrading.services.summing import sample_of, timings_of, usage_of
from mltrading.utils import measures
from mltrading.utils.measures import TALLY
from mltrading.utils.tally import Tally

EVERY_SECONDS = 15.0
FORGET_SECONDS = 3600.0
FIRST_SECONDS = (1.0, 5.0)  # by chance, so that processes do not all come at once

log = logging.getLogger(__name__)


class LogBuffer(Protocol):
    def newest(self) -> Sequence[LogRecord]:
        """Those that wait."""

    def taken(self, records: Sequence[LogRecord]) -> None:
        """These, the oldest of them, wait no more."""


class Presence(Protocol):
    def names(self) -> Sequence[str]:
        """Opaque names, of this day alone, of those who were there since `told`."""

    def told(self) -> None: ...


class Sampler:
    """`start` begins the thread, in the process that calls it: after the fork."""

    def __init__(
        self,
        kind: ProcessKind,
        instance: str,
        process: Callable[[], int],
        book: SampleBook,
        machine: Machine,
        log_buffer: Callable[[], LogBuffer | None],
        presence: Presence,
        *,
        tally: Tally = TALLY,
        every_seconds: float = EVERY_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._kind = kind
        self._instance = instance
        self._process = process
        self._book = book
        self._machine = machine
        self._log_buffer = log_buffer
        self._presence = presence
        self._tally = tally
        self._every_seconds = every_seconds
        self._monotonic = monotonic
        self._since = monotonic()
        self._forgotten = float("-inf")
        self._failing = False
        self._turn = threading.Lock()

    def start(self) -> None:
        self._since = self._monotonic()
        threading.Thread(target=self._run, name="sampler", daemon=True).start()

    def _run(self) -> None:
        pause = threading.Event()
        pause.wait(random.uniform(*FIRST_SECONDS))
        while True:
            self.hand_over()
            pause.wait(self._every_seconds)

    def hand_over(self) -> bool:
        """Once, now. Whether it was taken; what was not goes with the next."""
        with self._turn:
            try:
                self._hand_over()
            except Exception as error:  # whatever the book fails by: nobody waits for this thread
                self._tally.add(measures.SAMPLES_FAILED)
                if not self._failing:
                    log.warning("samples are kept in memory until they can be stored: %s", error)
                self._failing = True
                return False
            self._failing = False
            return True

    def _hand_over(self) -> None:
        now = self._monotonic()
        buffer = self._log_buffer()
        records = buffer.newest() if buffer else ()
        entries = self._tally.untold()
        sample = sample_of(
            entries,
            kind=self._kind,
            instance=self._instance,
            process=self._process(),
            seconds=now - self._since,
            pool_in_use=self._peak(),
            **asdict(self._machine.read()),
        )
        self._book.keep(
            Batch(sample, usage_of(entries), timings_of(entries), self._presence.names(), records)
        )
        self._tally.told()
        self._presence.told()
        self._since = now
        if buffer:
            buffer.taken(records)
        if now - self._forgotten >= FORGET_SECONDS:
            self._book.forget()
            self._forgotten = now

    def _peak(self) -> int:
        """The most connections in use at once since the last sample."""
        levels = {entry.key[0]: entry.value for entry in self._tally.own()}
        peak = int(levels.get(measures.POOL_PEAK, 0))
        self._tally.set(levels.get(measures.POOL_IN_USE, 0), measures.POOL_PEAK)
        return peak
