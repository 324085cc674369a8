"""Sending: each receiver for itself, every outcome noted, whatever channels and outboxes do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import pytest

from mltrading.domain.alerting.notices import Queued
from mltrading.errors import ConfigurationError, DatabaseUnavailable
from mltrading.services.alert_delivery import Delivery
from mltrading.services.ports.alerts import Leased
from mltrading.utils.message import DELIVERED, Destination, Message, Outcome
from tests.alerts_made import KINDS, MAIL, NOON, PAGER, SLACK, Hands, queued
from tests.waiting import wait_until

pytestmark = pytest.mark.smoke


@dataclass
class MemoryOutbox:
    """Hands out each message until it is finished, and never minds a pause."""

    waiting: list[Queued]
    away: bool = False
    finished: list[tuple[str, str, float]] = field(default_factory=list)
    leased: dict[str, int] = field(default_factory=dict)

    def lease(
        self, kinds: Collection[str], busy: Collection[Destination], seconds: float
    ) -> Sequence[Leased]:
        if self.away:
            raise DatabaseUnavailable("away")
        found: dict[Destination, Leased] = {}
        for one in self.waiting:
            to, message_id = one.destination, one.message.id
            if to.kind in kinds and to not in busy and to not in found:
                self.leased[message_id] = self.leased.get(message_id, 0) + 1
                found[to] = Leased(one, self.leased[message_id], NOON)
        return list(found.values())

    def finish(self, leased: Leased, outcome: Outcome, pause_seconds: float) -> None:
        if self.away:
            raise DatabaseUnavailable("away")
        self.finished.append((leased.queued.message.id, outcome.state, pause_seconds))
        if outcome.state != "retry":
            self.waiting.remove(leased.queued)


class Channel:
    def __init__(self, send: Callable[[Message], Outcome]) -> None:
        self.name = "channel"
        self.send = send


class World:
    def __init__(self, *messages: Queued) -> None:
        self.outbox = MemoryOutbox(list(messages))
        self.hands = Hands()
        self.sent: list[str] = []
        self.told: list[tuple[str, str]] = []
        self.channels: dict[Destination, Callable[[Message], Outcome]] = {}
        self.kinds = set(KINDS)
        self.delivery = Delivery(
            [self.outbox],
            lambda: self.kinds,
            self.open,
            lambda leased, outcome: self.told.append((leased.queued.message.id, outcome.state)),
            monotonic=self.hands.monotonic,
        )

    def open(self, to: Destination) -> Channel:
        def send(message: Message) -> Outcome:
            self.sent.append(message.id)
            return self.channels.get(to, lambda _: DELIVERED)(message)

        if to.kind == "webhook":
            raise ConfigurationError("WEBHOOK_SECRET must be whsec_ and more")
        return Channel(send)

    def look(self) -> int:
        begun = self.delivery.look()
        wait_until(lambda: self.delivery.idle or self.outbox.away, "attempts are over")
        return begun


def answers(*outcomes: Outcome) -> Callable[[Message], Outcome]:
    remaining = list(outcomes)
    return lambda _: remaining.pop(0)


def test_each_message_is_sent_and_noted() -> None:
    first, second, mail = queued(SLACK), queued(SLACK), queued(MAIL)
    world = World(first, second, mail)
    assert world.look() == 2
    assert world.look() == 1
    assert world.look() == 0
    assert sorted(world.sent) == sorted(one.message.id for one in (first, second, mail))
    assert {state for _, state, _ in world.outbox.finished} == {"delivered"}
    assert sorted(world.told) == sorted((one, "delivered") for one in world.sent)


def test_one_that_hangs_delays_no_other() -> None:
    page, *mails = queued(PAGER), queued(MAIL), queued(MAIL), queued(MAIL)
    world = World(page, *mails)
    go = threading.Event()
    world.channels[PAGER] = lambda _: DELIVERED if go.wait(30) else Outcome("retry")
    for _ in mails:
        world.delivery.look()
        wait_until(lambda: len(world.outbox.finished) == len(world.sent) - 1, "the mail is noted")
    assert [state for _, state, _ in world.outbox.finished] == ["delivered"] * 3
    assert world.outbox.waiting == [page]
    assert world.delivery.look() == 0  # nor is a second page begun meanwhile
    go.set()
    wait_until(lambda: not world.outbox.waiting, "the page is noted")


def test_a_retry_waits_longer_each_time_and_as_long_as_it_is_asked_to() -> None:
    world = World(queued(SLACK))
    world.channels[SLACK] = answers(
        Outcome("retry", "503"), Outcome("retry", "429", 60.0), Outcome("retry", "503"), DELIVERED
    )
    world.look()
    world.look()
    assert world.look() == 0  # the receiver asked to be left alone
    world.hands.go(59)
    assert world.look() == 0
    world.hands.go(1)
    world.look()
    world.look()
    pauses = [pause for _, state, pause in world.outbox.finished if state == "retry"]
    assert 1.5 <= pauses[0] <= 2
    assert pauses[1] == 60
    assert 6 <= pauses[2] <= 8
    assert world.outbox.waiting == []


def test_a_channel_that_can_not_be_opened_loses_its_messages_and_says_why() -> None:
    hook = queued(Destination("webhook", "https://h.example"))
    world = World(hook)
    world.look()
    assert world.outbox.finished == [(hook.message.id, "dead", pytest.approx(2, abs=0.5))]


def test_a_fault_of_ours_is_tried_again() -> None:
    world = World(queued(SLACK))

    def fails(_: Message) -> Outcome:
        raise RuntimeError("planted")

    world.channels[SLACK] = fails
    world.look()
    world.channels[SLACK] = answers(DELIVERED)
    world.look()
    assert [state for _, state, _ in world.outbox.finished] == ["retry", "delivered"]


def test_kinds_without_a_secret_are_left_to_others() -> None:
    world = World(queued(SLACK), queued(MAIL))
    world.kinds = {"email"}
    assert world.look() == 1
    assert [one.destination for one in world.outbox.waiting] == [SLACK]


def test_an_outcome_that_can_not_be_noted_is_noted_later() -> None:
    page = queued(PAGER)
    world = World(page)

    def send(_: Message) -> Outcome:
        world.outbox.away = True
        return DELIVERED

    world.channels[PAGER] = send
    world.delivery.look()
    wait_until(lambda: world.told, "it is sent")
    assert world.delivery.look() == 0
    assert world.outbox.finished == []
    world.outbox.away = False
    world.look()
    assert world.outbox.finished[0][:2] == (page.message.id, "delivered")


def test_one_outbox_that_is_away_does_not_stop_the_other() -> None:
    away, here = MemoryOutbox([queued(SLACK)], away=True), MemoryOutbox([queued(SLACK)])
    delivery = Delivery([away, here], lambda: KINDS, lambda _: Channel(lambda _: DELIVERED))
    delivery.look()
    wait_until(lambda: not here.waiting, "the other is sent")


def test_it_looks_again_as_soon_as_something_was_sent() -> None:
    messages = [queued(SLACK) for _ in range(20)]
    world = World(*messages)
    stop = threading.Event()
    thread = threading.Thread(target=world.delivery.run, args=(stop,), daemon=True)
    thread.start()
    wait_until(lambda: len(world.outbox.finished) == 20, "all are sent", timeout=15)
    stop.set()
    thread.join(5)
    assert not thread.is_alive()
    assert world.sent == [one.message.id for one in messages]
