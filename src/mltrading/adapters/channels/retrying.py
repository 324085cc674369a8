"""Sending until it worked or is known to be in vain, to several channels at once."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from mltrading.adapters.channels import Channel
from mltrading.utils.message import Message, Outcome
from mltrading.utils.retry import pause_seconds

log = logging.getLogger(__name__)

ATTEMPTS = 4
PATIENCE_SECONDS = 60.0  # that a channel may take in all, pauses included


def deliver(
    channel: Channel,
    message: Message,
    *,
    attempts: int = ATTEMPTS,
    patience_seconds: float = PATIENCE_SECONDS,
    sleep: Callable[[float], object] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
    draw: Callable[[], float] = random.random,
) -> Outcome:
    """Send, again where that may help; the last outcome. Gives up early where the receiver asks
    for a longer pause than `patience_seconds` leave."""
    deadline = monotonic() + patience_seconds
    for attempt in range(1, attempts + 1):
        outcome = attempted(channel, message)
        if outcome.state != "retry" or attempt == attempts:
            break
        pause = pause_seconds(attempt, outcome.after_seconds, draw)
        if monotonic() + pause > deadline:
            return replace(outcome, reason=f"{outcome.reason}; it wants {pause:.0f} s more")
        sleep(pause)
    return outcome


def attempted(channel: Channel, message: Message) -> Outcome:
    """One attempt; a fault of our own in it becomes an outcome and a line in the log, because it
    must not keep a message from the other channels."""
    try:
        return channel.send(message)
    except Exception as error:  # whatever it is, the others are still to be reached
        log.exception("sending to %s failed by a fault of this program", channel.name)
        return Outcome("dead", f"a fault of this program ({type(error).__name__})")


def deliver_all(
    channels: Sequence[Channel],
    message: Message,
    *,
    send: Callable[[Channel, Message], Outcome] = deliver,
    patience_seconds: float = PATIENCE_SECONDS + 15,
) -> list[Outcome]:
    """What became of the message on each channel, at once, so that one which hangs delays none.
    One that is not done after `patience_seconds` is left behind."""
    outcomes: list[Outcome | None] = [None] * len(channels)

    def work(index: int) -> None:
        outcomes[index] = send(channels[index], message)

    threads = [
        threading.Thread(target=work, args=(index,), name=channel.name, daemon=True)
        for index, channel in enumerate(channels)
    ]
    deadline = time.monotonic() + patience_seconds
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    late = Outcome("retry", f"not done within {patience_seconds:g} s")
    return [outcome or late for outcome in outcomes]


class Bounded:
    """A channel whose attempts end in time, however slowly the receiver drips its answer."""

    def __init__(self, channel: Channel, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.name = channel.name
        self._channel = channel
        self._patience_seconds = patience_seconds

    def send(self, message: Message) -> Outcome:
        [outcome] = deliver_all(
            [self._channel], message, send=attempted, patience_seconds=self._patience_seconds
        )
        return outcome
