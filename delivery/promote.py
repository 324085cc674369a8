"""`python -m delivery promote production`: blue-green, with a way back.

Staging's release goes to green, production's twin without visitors; only when it works there it
goes to production, and when it does not work there production goes back to what ran before and the
on-call is paged. Nothing is kept between runs but what the platform knows: run it again after a
crash and it continues.
"""

from __future__ import annotations

import argparse
import os
from datetime import datetime, timezone

from delivery.deployer import Release
from delivery.errors import DeliveryError, Refused
from delivery.history import is_rollback, listed, previous, rolled_back, same, shown
from delivery.outage import Outage, announce_outage
from delivery.platforms import AFTER_ROLLBACK, PATIENCE, Delivery, delivery


def promote(world: Delivery, commit: str | None, again: bool = False) -> Release:
    """Production runs the commit (None: what staging runs) and works.

    Refused, with nothing changed, where the commit was rolled back before and not `again`. Any
    other DeliveryError says whether production was touched; a person was told by then.
    """
    live = world.deployer.releases("production")
    before = live[0] if live else None
    candidate = _candidate(world, commit)
    if same(before, candidate):
        assert before is not None
        world.tell(f"production runs {shown(before)} already; looking whether it works")
        return _on_live(world, before, previous(live, before), moved=False)
    bad = rolled_back(live, candidate)
    if bad is not None and not again:
        raise Refused(
            f"{shown(bad)} was rolled back from production; nothing was changed. Deploy a commit"
            " that mends it, or say --again"
        )
    world.tell(
        f"production runs {shown(before) if before else 'nothing yet'}; that is the way back"
    )
    green = _on_green(world, candidate, before)
    released = _on_live(world, green, before, moved=True)
    if before is not None and is_rollback(before):
        world.over(f"Production runs {shown(released)} and works", f"after {shown(before)}")
    return released


def _candidate(world: Delivery, commit: str | None) -> Release:
    """Staging's release of the commit, though staging may have gone on since."""
    releases = world.deployer.releases("staging")
    wanted = [one for one in releases if commit is None or one.commit == commit]
    if wanted:
        return wanted[0]
    raise Refused(
        f"staging has no release of {commit[:12] if commit else 'anything'}, only"
        f" {listed(releases)}; `python -m delivery build` puts it there"
    )


def _on_green(world: Delivery, candidate: Release, before: Release | None) -> Release:
    try:
        green = world.deployer.promote("staging", "green", candidate)
        world.tell(f"green runs {shown(green)}; looking whether it works")
        world.check("green", green, PATIENCE["green"])
        return green
    except DeliveryError as failure:
        stays = f"production was not touched and runs {shown(before) if before else 'nothing yet'}"
        title = f"Deployment of {shown(candidate)} stopped on green"
        world.page("warning", title, f"{stays}. {failure}")
        raise DeliveryError(f"{failure}; {stays}") from failure


def _on_live(world: Delivery, green: Release, back: Release | None, *, moved: bool) -> Release:
    """`green` is what production is to run, `back` what to return to when it does not work."""
    try:
        if moved:
            live, trouble = _move(world, green)
        else:
            live, trouble = green, None
        world.tell(f"production runs {shown(live)}; looking until visitors surely see it")
        world.check("production", live, PATIENCE["production"])
    except DeliveryError as failure:
        raise _undone(world, green, back, failure) from failure
    if trouble is not None:
        world.tell(f"it works, though: {trouble}")
    world.tell(f"production runs {shown(live)} and works")
    return live


def _move(world: Delivery, green: Release) -> tuple[Release, DeliveryError | None]:
    """Promote to production. Where that fails after the release is there (a process that was slow,
    an API that went away), how it answers visitors decides, not the API."""
    try:
        return world.deployer.promote("green", "production", green), None
    except DeliveryError as trouble:
        live = world.deployer.releases("production")
        if not live or not same(live[0], green):
            raise
        world.tell(f"{trouble}; production has the release all the same")
        return live[0], trouble


def _undone(
    world: Delivery, bad: Release, back: Release | None, failure: DeliveryError
) -> DeliveryError:
    """Production as it was before, where it is not; the on-call is paged; what to end with."""
    try:
        live = world.deployer.releases("production")
    except DeliveryError as blind:
        return _paged(
            world,
            f"Deployment of {shown(bad)} failed, and the platform does not say what runs",
            f"{failure}; {blind}; look at production, then"
            " `python -m delivery rollback production` or run the deployment again",
        )
    if not live or not same(live[0], bad):
        stays = f"production does not have it and runs {shown(live[0]) if live else 'nothing yet'}"
        return _paged(world, f"Deployment of {shown(bad)} failed", f"{failure}; {stays}")
    failed_at = _now()
    if back is None:
        announce_outage(Outage(failed_at, None))
        return _paged(
            world,
            f"{shown(live[0])} does not work in production and there is nothing to go back to",
            f"{failure}; deploy a commit that mends it",
        )
    world.tell(f"{failure}; going back to {shown(back)}")
    try:
        restored = world.deployer.roll_back("production", back)
        world.check("production", restored, AFTER_ROLLBACK)
    except DeliveryError as second:
        announce_outage(Outage(failed_at, None))
        return _paged(
            world,
            f"Production is down: {shown(live[0])} does not work, nor did going back",
            f"{failure}; going back to {shown(back)}: {second};"
            f" `python -m delivery rollback production --to {back.label}` tries again",
        )
    announce_outage(Outage(failed_at, _now()))
    return _paged(
        world,
        f"{shown(bad)} does not work in production; rolled back",
        f"{failure}; production runs {shown(back)} again, as {restored.label}, and works",
    )


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _paged(world: Delivery, title: str, text: str) -> DeliveryError:
    world.page("critical", title, text)
    return DeliveryError(f"{title}: {text}")


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example: python -m delivery promote production"
    parser.add_argument("slot", choices=["production"])
    parser.add_argument(
        "--commit",
        default=os.environ.get("GITHUB_SHA"),
        help="which release of staging (default GITHUB_SHA; without either the current one)",
    )
    parser.add_argument(
        "--again", action="store_true", help="also when this commit was rolled back before"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    promote(delivery(os.environ), arguments.commit or None, arguments.again)
    return 0
