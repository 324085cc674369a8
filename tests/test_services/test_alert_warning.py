"""When a warning reaches people, from its first moment on: engine, outbox and sending together, on
a clock that the test moves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mltrading.adapters.channels import Channel
from mltrading.services.alert_delivery import LOOK_EVERY_SECONDS, Delivery
from mltrading.utils.message import DELIVERED, Destination, Message, Outcome
from tests.alerts_made import KINDS
from tests.promises import Promise
from tests.test_services.test_alert_delivery import MemoryOutbox
from tests.test_services.test_alert_engine import GOOD, Worker, World
from tests.waiting import wait_until

pytestmark = pytest.mark.smoke

MINUTE = 60.0
STEP = 0.5
BEGINNINGS = [0.0, 0.5, 3.5, 7.0, 11.5, 14.5, 15.0]
"""Seconds after a look of the engine at which the condition becomes true."""


class Watch:
    """A worker's two threads, taken in turns: one evaluates, one sends."""

    def __init__(self, folder: Path) -> None:
        self.world = World()
        self.worker = Worker(self.world, "one", folder)
        self.outbox = MemoryOutbox([])
        self.sent: list[float] = []
        self._queued = 0
        self.delivery = Delivery([self.outbox], lambda: KINDS, self._open)

    @property
    def at(self) -> float:
        return self.world.hands.at

    def _open(self, to: Destination) -> Channel:
        watch = self

        class Receiver:
            name = to.name

            def send(self, message: Message) -> Outcome:
                watch.sent.append(watch.at)
                return DELIVERED

        return Receiver()

    def run(self, true_from: float, until: float) -> None:
        """Look as often as the engine asks for, and send as often as the worker looks."""
        look_at, send_at = 0.0, 0.0
        while self.at <= until:
            self.world.window = replace(GOOD, memory_share=0.9 if self.at >= true_from else 0.3)
            if self.at >= look_at:
                look_at = self.at + self.worker.look()
            if self.at >= send_at:
                send_at = self.at + LOOK_EVERY_SECONDS
                self._send()
            self.world.hands.go(STEP)

    def _send(self) -> None:
        new, self._queued = self.world.messages[self._queued :], len(self.world.messages)
        self.outbox.waiting += new
        if self.outbox.waiting:
            self.delivery.look()
            wait_until(lambda: self.delivery.idle, "it is sent")


def test_a_warning_sends_nothing_at_14_59_and_has_sent_by_16_00(
    tmp_path: Path, promise: Promise
) -> None:
    first = []
    for number, beginning in enumerate(BEGINNINGS):
        watch = Watch(tmp_path / f"{number}")
        true_from = MINUTE + beginning  # the engine has looked at a healthy machine before
        watch.run(true_from, true_from + 16 * MINUTE)
        after = [at - true_from for at in watch.sent]
        assert after, f"nothing was sent by 16:00 of what began {beginning} s after a look"
        assert min(after) > 14 * MINUTE + 59
        first.append(min(after))
        assert watch.worker.sent == [], "nothing was told without the outbox"
    promise(
        f"warning: sent {clock(min(first))} to {clock(max(first))} after it became true, at"
        f" {len(first)} moments between two looks (14:59 < sent <= 16:00)"
    )


def test_a_warning_that_ends_at_14_59_sends_nothing(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    watch.run(0.0, 14 * MINUTE + 59)
    watch.run(float("inf"), 40 * MINUTE)
    assert watch.sent == []


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
