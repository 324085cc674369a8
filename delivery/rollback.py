"""`python -m delivery rollback production`: back to the release that worked before, in one command.

No approval, no build: what is undone ran here already. Run twice it does not go back twice; to go
further say which release (`--to v12`).
"""

from __future__ import annotations

import argparse
import os
from typing import get_args

from delivery.deployer import Release, Slot
from delivery.errors import DeliveryError, Refused
from delivery.history import is_rollback, listed, named, previous, shown
from delivery.platforms import AFTER_ROLLBACK, Delivery, delivery


def roll_back(world: Delivery, slot: Slot, label: str | None = None) -> Release:
    """The slot runs the named release, or else the one before, and works; people are told.

    Refused where there is none to go back to; another DeliveryError where it does not work after.
    """
    releases = world.deployer.releases(slot)
    target = _target(slot, releases, label)
    current = releases[0]
    world.tell(f"{slot}: {shown(current)} runs, going back to {shown(target)}")
    try:
        restored = world.deployer.roll_back(slot, target)
        world.check(slot, restored, AFTER_ROLLBACK)
    except DeliveryError as failure:
        text = f"{failure}; other releases: {listed(releases)} (--to)"
        world.page("critical", f"{slot}: going back to {shown(target)} failed", text)
        raise DeliveryError(f"{slot}: going back to {shown(target)} failed: {text}") from failure
    done = f"{slot} runs {shown(target)} again, as {restored.label}, and works"
    world.over(f"Rollback: {done}", f"{shown(current)} was running")
    world.tell(done)
    return restored


def _target(slot: Slot, releases: list[Release], label: str | None) -> Release:
    if not releases:
        raise Refused(f"{slot} never ran a release; there is nothing to go back to")
    if label is not None:
        return named(releases, label)
    current = releases[0]
    if is_rollback(current):  # a second run, perhaps after a crash, waits and checks
        return current
    target = previous(releases, current)
    if target is None:
        raise Refused(
            f"{slot} runs {shown(current)}, and no other release that worked is known;"
            f" there is nothing to go back to (known: {listed(releases)})"
        )
    return target


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example: python -m delivery rollback production --to v12"
    parser.add_argument("slot", choices=get_args(Slot))
    parser.add_argument("--to", metavar="RELEASE", help="which one (default: the one before)")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    roll_back(delivery(os.environ), arguments.slot, arguments.to)
    return 0
