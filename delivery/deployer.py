"""What a platform must be able to do, so that a release is promoted the same way on each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

Slot = Literal["staging", "green", "production"]
"""Where a release runs: `green` is production's twin, on the same database, without visitors."""


@dataclass(frozen=True, slots=True)
class Release:
    """One release of one slot.

    `label` is the platform's own name of it (v12 on Heroku); `artefact` identifies what runs (a
    slug, an image with its digest), the same in every slot; `commit` is None where the platform
    does not know it; `created_at` is aware. `description` begins with "Rollback" where it is one.
    """

    id: str
    label: str
    artefact: str
    commit: str | None
    created_at: datetime
    description: str


class Deployer(Protocol):
    """Every step is safe to repeat: a step whose outcome is already there calls nothing, so a
    delivery that crashed is resumed by running it again."""

    def releases(self, slot: Slot) -> list[Release]:
        """Those that became current once, the current one first."""

    def build(self, commit: str, archive: bytes) -> Release:
        """Build a commit's source (tar.gz) on staging and wait until its release is up."""

    def promote(self, source: Slot, target: Slot, release: Release) -> Release:
        """Put the artefact of `release`, one of `source`'s, into `target`; wait until its processes
        are up. Not always source's current one: staging may have moved on while people approved."""

    def roll_back(self, slot: Slot, release: Release) -> Release:
        """Make an earlier release of the slot current again; wait until it is up."""

    def url(self, slot: Slot) -> str:
        """The address visitors (of green: the smoke test) use, without a slash at the end."""
