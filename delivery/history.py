"""What the releases of a slot tell of the past: the platform is the only memory. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from delivery.deployer import Release
from delivery.errors import DeliveryError

ROLLBACK = "rollback"


def same(one: Release | None, other: Release) -> bool:
    """Whether both run the same: one artefact, or artefacts of one commit."""
    if one is None:
        return False
    return one.artefact == other.artefact or (one.commit is not None and one.commit == other.commit)


def is_rollback(release: Release) -> bool:
    return release.description.lower().startswith(ROLLBACK)


def rolled_back(releases: Sequence[Release], candidate: Release) -> Release | None:
    """The release that ran `candidate` last, where a rollback replaced it; the newest first."""
    for newer, older in zip(releases, releases[1:]):
        if same(newer, candidate):
            return None
        if same(older, candidate):
            return older if is_rollback(newer) else None
    return None


def previous(releases: Sequence[Release], current: Release) -> Release | None:
    """The newest that ran something else and was not rolled back itself."""
    for release in releases:
        if not same(release, current) and rolled_back(releases, release) is None:
            return release
    return None


def named(releases: Sequence[Release], label: str) -> Release:
    """The release called so (v12, or 12); DeliveryError with those there are."""
    for release in releases:
        if label in (release.label, release.id) or f"v{label}" == release.label:
            return release
    raise DeliveryError(f"there is no release {label!r}; known: {listed(releases)}")


def listed(releases: Iterable[Release], most: int = 8) -> str:
    known = [shown(release) for release in releases][:most]
    return ", ".join(known) or "none"


def shown(release: Release) -> str:
    """A release for people: v12 (1a2b3c4d5e6f)."""
    return f"{release.label} ({release.commit[:12]})" if release.commit else release.label
