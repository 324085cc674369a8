"""Trying again: how often, after which pauses, and one channel's trouble is not another's."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mltrading.adapters.channels.retrying import Bounded, deliver, deliver_all
from mltrading.utils.message import DELIVERED, Message, Outcome
from mltrading.utils.retry import LONGEST_PAUSE_SECONDS, pause_seconds

MESSAGE = Message("critical", "title", "text", "key")
LATER = Outcome("retry", "busy")
DEAD = Outcome("dead", "gone")


class Scripted:
    """Answers in order; the last answer stays."""

    def __init__(self, *outcomes: Outcome | Exception, name: str = "scripted") -> None:
        self.name = name
        self.outcomes = list(outcomes)
        self.messages: list[Message] = []

    def send(self, message: Message) -> Outcome:
        self.messages.append(message)
        one = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(one, Exception):
            raise one
        return one


class Time:
    """Passes when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


def run(channel: Scripted, **kind: float) -> tuple[Outcome, list[float]]:
    time = Time()
    outcome = deliver(
        channel,
        MESSAGE,
        sleep=time.sleep,
        monotonic=lambda: time.now,
        draw=lambda: 0.0,
        **kind,  # type: ignore[arg-type]
    )
    return outcome, time.pauses


def test_success_is_not_repeated() -> None:
    channel = Scripted(DELIVERED)
    assert run(channel) == (DELIVERED, [])
    assert channel.messages == [MESSAGE]


def test_pauses_double_until_it_works() -> None:
    assert run(Scripted(LATER, LATER, LATER, DELIVERED)) == (DELIVERED, [2.0, 4.0, 8.0])


def test_the_same_message_is_sent_again() -> None:
    channel = Scripted(LATER, DELIVERED)
    run(channel)
    assert {message.id for message in channel.messages} == {MESSAGE.id}


def test_it_gives_up_after_some_attempts() -> None:
    channel = Scripted(LATER)
    assert run(channel) == (LATER, [2.0, 4.0, 8.0])
    assert len(channel.messages) == 4


def test_what_is_in_vain_is_not_repeated() -> None:
    assert run(Scripted(DEAD, DELIVERED)) == (DEAD, [])


def test_the_receiver_says_when() -> None:
    asked = Outcome("retry", "busy", after_seconds=30.0)
    assert run(Scripted(asked, DELIVERED)) == (DELIVERED, [30.0])


def test_a_pause_longer_than_the_patience_ends_it() -> None:
    asked = Outcome("retry", "busy", after_seconds=61.0)
    outcome, pauses = run(Scripted(asked, DELIVERED))
    assert (outcome.state, outcome.reason, pauses) == ("retry", "busy; it wants 61 s more", [])


@given(st.integers(1, 1000), st.none() | st.floats(0, 90_000), st.floats(0, 1))
def test_a_pause_is_bounded_and_as_long_as_was_asked(
    attempt: int, asked: float | None, chance: float
) -> None:
    pause = pause_seconds(attempt, asked, lambda: chance)
    assert pause >= max(1.5, asked or 0)
    assert pause <= max(LONGEST_PAUSE_SECONDS, asked or 0)


def test_a_fault_of_ours_is_told_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    outcome, _ = run(Scripted(RuntimeError("planted")))
    assert outcome == Outcome("dead", "a fault of this program (RuntimeError)")
    assert "planted" in caplog.text


def test_one_that_hangs_or_fails_delays_no_other() -> None:
    may_end, others = threading.Event(), threading.Barrier(3, timeout=10)

    class Hanging(Scripted):
        def send(self, message: Message) -> Outcome:
            may_end.wait(20)
            return DELIVERED

    class Waiting(Scripted):
        """Delivers when the other one is being sent at the same time."""

        def send(self, message: Message) -> Outcome:
            others.wait()
            return super().send(message)

    channels = [Hanging(DELIVERED), Waiting(DELIVERED), Waiting(DEAD)]
    answers: list[list[Outcome]] = []
    thread = threading.Thread(
        target=lambda: answers.append(deliver_all(channels, MESSAGE, patience_seconds=0.3))
    )
    thread.start()
    others.wait()
    thread.join(10)
    may_end.set()
    assert answers == [[Outcome("retry", "not done within 0.3 s"), DELIVERED, DEAD]]


def test_a_bounded_channel_answers_as_the_one_inside() -> None:
    channel = Bounded(Scripted(LATER, name="slack #a"))
    assert (channel.name, channel.send(MESSAGE)) == ("slack #a", LATER)


def test_a_bounded_channel_ends_in_time() -> None:
    may_end = threading.Event()

    class Hanging(Scripted):
        def send(self, message: Message) -> Outcome:
            may_end.wait(20)
            return DELIVERED

    outcome = Bounded(Hanging(DELIVERED), patience_seconds=0.05).send(MESSAGE)
    may_end.set()
    assert outcome == Outcome("retry", "not done within 0.05 s")
