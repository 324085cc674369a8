"""The threads of `mltrading worker` that alert: one evaluates, one sends, one tells a dead man's
switch that they do. None waits for another, nor for the jobs."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from mltrading.paging import FileConfig, Watch
from mltrading.services.alert_engine import EVERY_SECONDS

log = logging.getLogger(__name__)

LATEST_SECONDS = 60.0
"""Evaluations that are older do not count as going on."""


class Watching:
    """Until `stop`. What changes is said: trouble by `warn`, its end by `say`."""

    def __init__(
        self,
        watch: Watch,
        config: FileConfig,
        stop: threading.Event,
        say: Callable[[str], None],
        warn: Callable[[str], None],
    ) -> None:
        self._watch = watch
        self._config = config
        self._stop = stop
        self._say = say
        self._warn = warn
        self._wake = threading.Event()
        self._asked = threading.Event()
        self._known: dict[str, str] = {}

    def start(self) -> None:
        for name, work in (
            ("alerts", self._evaluate),
            ("delivery", lambda: self._watch.delivery.run(self._stop)),
            ("heartbeat", self._beat),
        ):
            threading.Thread(target=work, name=name, daemon=True).start()

    def read_again(self) -> None:
        """Read alerting.yml now; for a signal's handler."""
        self._asked.set()
        self._wake.set()

    def _evaluate(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            if self._asked.is_set():
                self._asked.clear()
                self._config.read_again()
                self._say("read alerting.yml again")
            try:
                pause = self._watch.engine.look()
            except Exception:  # the next look may work; if none does, the heartbeat ends
                log.exception("alerts could not be evaluated, by a fault of this program")
                pause = EVERY_SECONDS
            self._tell("database", self._watch.engine.trouble)
            self._tell("file", self._config.problem())
            self._wake.wait(pause)

    def _beat(self) -> None:
        heartbeat = self._watch.heartbeat
        while heartbeat is not None:
            if self._watch.engine.worked_within(LATEST_SECONDS):
                outcome = heartbeat.beat()
                problem = "" if outcome.delivered else f"WATCHDOG_URL: {outcome.reason}"
                self._tell("heartbeat", problem)
                pause = self._config.watchdog_seconds
            else:
                pause = 1.0  # so that the first look is followed by the first beat
            if self._stop.wait(pause):
                return

    def _tell(self, about: str, problem: str) -> None:
        """Say trouble once, and its end."""
        before = self._known.get(about, "")
        self._known[about] = problem
        if problem and not before:
            self._warn(f"alerts: {problem}")
        elif before and not problem:
            self._say(f"alerts: over: {before}")
