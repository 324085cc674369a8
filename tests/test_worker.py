"""The loop of `mltrading worker`: how long it waits, and what it does about a missing database."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from mltrading.cli.worker import (
    AGAIN_AFTER_SECONDS,
    LOOK_EVERY_SECONDS,
    do_due,
    look_again_and_again,
)
from mltrading.errors import DatabaseUnavailable
from mltrading.utils.message import DELIVERED, Outcome

pytestmark = pytest.mark.smoke


class Stop(threading.Event):
    """Is set after so many waits, which take no time."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.waits: list[float | None] = []
        self._after = after

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout)
        if len(self.waits) == self._after:
            self.set()
        return self.is_set()


def looking(*outcomes: Exception | None) -> Callable[[], None]:
    remaining = list(outcomes)

    def look() -> None:
        outcome = remaining.pop(0)
        if outcome is not None:
            raise outcome

    return look


def test_a_missing_database_is_said_and_asked_again_soon(
    capsys: pytest.CaptureFixture[str],
) -> None:
    stop = Stop(after=3)
    look_again_and_again(looking(None, DatabaseUnavailable("no answer"), None), stop)
    assert stop.waits == [LOOK_EVERY_SECONDS, AGAIN_AFTER_SECONDS, LOOK_EVERY_SECONDS]
    assert capsys.readouterr().err == "mltrading: warning: no answer\n"


def test_it_does_not_look_once_it_is_told_to_stop() -> None:
    stop = threading.Event()
    stop.set()
    look_again_and_again(looking(), stop)


def test_a_fault_of_ours_is_not_hidden() -> None:
    with pytest.raises(RuntimeError, match="planted"):
        look_again_and_again(looking(RuntimeError("planted")), Stop(after=1))


def test_what_came_of_each_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    class Jobs:
        def run_due(self) -> list[tuple[str, Outcome]]:
            return [
                ("digest to a", DELIVERED),
                ("digest to b", Outcome("retry", "busy")),
                ("digest to c", Outcome("dead", "gone")),
            ]

    assert do_due(Jobs()) == 2  # type: ignore[arg-type]
    said = capsys.readouterr()
    assert said.out == "worker: digest to a: delivered\n"
    assert said.err.splitlines() == [
        "mltrading: warning: digest to b: busy; to be tried again",
        "mltrading: warning: digest to c: gone; given up",
    ]
