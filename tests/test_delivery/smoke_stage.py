"""A release that is served, and checked without a real second of waiting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from delivery.errors import SmokeFailed
from delivery.smoke import smoke
from delivery.smoke_checks import CHECKS
from delivery.waiting import Clock
from mltrading.app import create_app
from mltrading.settings import load_settings
from tests.test_delivery.releases import COMMIT, Release, listening


@dataclass
class Time:
    """A clock that only moves when somebody sleeps, or when a test says so."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now, self.sleep)


def deploy(url: str, home: Path) -> Iterator[tuple[Release, str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLTRADING_HOME", str(home))
        patch.setenv("ENVIRONMENT", "development")
        release = Release(create_app(load_settings(), url).server)
    with listening(release) as address:
        yield release, address


def check(address: str, **given: Any) -> list[str]:
    """The names of what passed, or SmokeFailed; without a real second of waiting."""
    asked: dict[str, Any] = {"commit": COMMIT, "wait_seconds": 60.0, "clock": Time().clock}
    return [done.name for done in smoke(address, **{**asked, **given}) if done.passed]


def failed_checks(error: SmokeFailed) -> set[str]:
    text = str(error).partition(": ")[2]
    return {name for name, _ in CHECKS if f"; {name}: expected" in f"; {text}"}
