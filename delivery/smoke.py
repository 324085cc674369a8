"""Check that a deployed release works: `python -m delivery smoke staging`, or any address.

A release that starts is waited for until the deadline: no connection, 502 to 504, and the answers
of another commit. One that is up and wrong gets a few more rounds, for a moment's trouble must not
undo a deployment, and then fails with what was expected and what came.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import cast, get_args

from delivery.deployer import Slot
from delivery.errors import DeliveryError, SmokeFailed
from delivery.smoke_checks import run_checks
from delivery.smoke_login import Account, account_of
from delivery.smoke_visit import Check, Visit
from delivery.visit import Visitor
from delivery.waiting import Clock, say

PAUSE_SECONDS = 3.0
WRONG_ROUNDS = 4  # in a row, before a release that is up counts as bad
WAIT_SECONDS = 300.0

__all__ = ["Check", "configure", "smoke"]


def smoke(
    url: str,
    *,
    commit: str | None,
    host: str | None = None,
    account: Account | None = None,
    wait_seconds: float,
    consecutive: int = 1,
    clock: Clock | None = None,
    tell: Callable[[str], None] = say,
) -> list[Check]:
    """The checks of the last of `consecutive` good rounds in a row, begun within `wait_seconds`.

    `commit` (the whole, or at least 7 characters) is what must answer; None compares none and says
    so. `host` connects elsewhere than `url` names (see `visit.Visitor`); `account` is who signs in
    where one has to. SmokeFailed names every check that failed in the last round.
    """
    if commit is not None and not re.fullmatch(r"[0-9a-f]{7,64}", commit):
        raise DeliveryError(f"'{commit}' is no commit; give 7 or more of its hexadecimal digits")
    clock = clock or Clock()
    began, rounds = clock.monotonic(), _Rounds(url, consecutive, tell)
    while True:
        checks = _round(Visit(Visitor(url, host, clock.monotonic), commit, account), clock)
        waited = clock.monotonic() - began
        if rounds.count(checks, waited, last=waited >= wait_seconds):
            return checks
        clock.sleep(min(PAUSE_SECONDS, max(0.0, wait_seconds - waited)))


@dataclass(slots=True)
class _Rounds:
    """How the rounds went: good ones in a row, and ones in a row that were up and wrong."""

    url: str
    consecutive: int
    tell: Callable[[str], None]
    good: int = 0
    wrong: int = 0
    said: str = ""

    def count(self, checks: list[Check], waited: float, *, last: bool) -> bool:
        """Whether that makes enough good rounds; SmokeFailed where no more are worth a try."""
        failed = [check for check in checks if not check.passed]
        starting = any(check.starting for check in failed)
        self.good = 0 if failed else self.good + 1
        self.wrong = self.wrong + 1 if failed and not starting else 0
        done = self.good == self.consecutive
        if done or last or self.wrong == WRONG_ROUNDS:
            for line in _report(self.url, checks, self.good):
                self.tell(line)
            if not done:
                raise SmokeFailed(_summary(self.url, failed, waited, self.good, self.consecutive))
        else:
            self._tell_news(_state(failed, self.good, self.consecutive), waited)
        return done

    def _tell_news(self, state: str, waited: float) -> None:
        if state != self.said:  # a wait of minutes is a few lines
            self.tell(f"{self.url} after {waited:.0f} s: {state}")
            self.said = state


def _round(visit: Visit, clock: Clock) -> list[Check]:
    """One round, over connections of its own: routers switch."""
    try:
        return run_checks(visit, clock.monotonic)
    finally:
        visit.visitor.close()


def _state(failed: list[Check], good: int, consecutive: int) -> str:
    if not failed:
        return f"good, {good} of {consecutive} rounds"
    kind = "not up yet" if any(check.starting for check in failed) else "wrong"
    return f"{kind}: {failed[0].name}: {failed[0].detail}"


def _report(url: str, checks: Iterable[Check], good: int) -> Iterable[str]:
    yield f"{url}, {good} good rounds in a row:" if good > 1 else f"{url}:"
    for check in checks:
        mark = "ok" if check.passed else "FAILED"
        yield f"  {check.name:<12} {mark:<6} {check.seconds:6.2f} s  {check.detail}"


def _summary(url: str, failed: list[Check], waited: float, good: int, consecutive: int) -> str:
    if not failed:
        return (
            f"{url} was good {good} times in a row, not {consecutive}, within {waited:.0f} s;"
            " wait longer (--wait)"
        )
    parts = "; ".join(f"{check.name}: {check.detail}" for check in failed)
    return f"{url} does not work after {waited:.0f} s: {parts}"


def configure(parser: argparse.ArgumentParser) -> None:
    slots = ", ".join(get_args(Slot))
    parser.epilog = (
        "example: SMOKE_EMAIL=... SMOKE_PASSWORD=... python -m delivery smoke"
        " https://mltrading.example --wait 60"
    )
    parser.add_argument("site", metavar="URL|SLOT", help=f"an address, or one of {slots}")
    parser.add_argument(
        "--commit",
        default=os.environ.get("GITHUB_SHA"),
        help="the commit that must answer (default GITHUB_SHA; without either none is compared)",
    )
    parser.add_argument(
        "--any-commit", action="store_true", help="compare no commit, whatever GITHUB_SHA says"
    )
    parser.add_argument(
        "--host",
        metavar="ADDRESS",
        default=os.environ.get("SMOKE_HOST") or None,
        help="connect there instead, with the name of URL (default SMOKE_HOST)",
    )
    parser.add_argument(
        "--wait", type=float, default=WAIT_SECONDS, metavar="SECONDS", help="for a good release"
    )
    parser.add_argument(
        "--consecutive", type=int, default=1, metavar="N", help="good rounds in a row (default 1)"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.consecutive < 1:
        raise DeliveryError("--consecutive must be 1 or more")
    smoke(
        _address(arguments.site),
        commit=None if arguments.any_commit else arguments.commit,
        host=arguments.host,
        account=account_of(os.environ),
        wait_seconds=arguments.wait,
        consecutive=arguments.consecutive,
    )
    return 0


def _address(site: str) -> str:
    if site not in get_args(Slot):
        return site
    from delivery.platforms import deployer  # which itself needs this module

    return deployer(os.environ).url(cast(Slot, site))
