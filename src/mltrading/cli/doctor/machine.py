"""What this machine has: Python, packages, the data folder and its disk."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from mltrading.cli.doctor.findings import Finding, error, ok, warning
from mltrading.files import ROOT
from mltrading.settings import Settings

OLDEST_PYTHON = (3, 11)
LOCK, PLATFORM_PYTHON = "requirements.txt", "runtime.txt"
LITTLE_SHARE, LITTLE_BYTES = 0.10, 1_000_000_000
NO_BYTES = 200_000_000
NAMED_AT_MOST = 4
_LOCKED = re.compile(r"^([\w.-]+)==([^\s;]+)(?: *; *([^\\\n]+))?", re.MULTILINE)


def examine(settings: Settings | None) -> Iterator[Finding]:
    yield python()
    yield packages(ROOT / LOCK)
    if settings is not None:
        yield folder(settings.home)
        yield disk(settings.home)


def python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return error("Python", version, "3.11 or newer is needed")
    file = ROOT / PLATFORM_PYTHON
    planned = (
        file.read_text(encoding="ascii").strip().removeprefix("python-") if file.exists() else ""
    )
    if planned and not f"{version}.".startswith(f"{planned}."):
        return ok("Python", f"{version} (the platform's: {planned})")
    return ok("Python", version)


def packages(lock: Path) -> Finding:
    """Against the versions that were tested together, where they are named beside the program."""
    if not lock.exists():
        return ok("packages", f"not compared: there is no {lock.name} beside the program")
    pinned: dict[str, list[tuple[str, str]]] = {}
    for name, version, condition in _LOCKED.findall(lock.read_text(encoding="utf-8")):
        pinned.setdefault(name, []).append((version, condition))
    other = list(_different(pinned))
    if not other:
        return ok("packages", f"{len(pinned)} as {lock.name} names them")
    more = f" and {len(other) - NAMED_AT_MOST} more" if len(other) > NAMED_AT_MOST else ""
    return warning(
        "packages",
        f"other than tested: {', '.join(other[:NAMED_AT_MOST])}{more}",
        f"install with: pip install --require-hashes -r {lock.name}",
    )


def _different(pinned: dict[str, list[tuple[str, str]]]) -> Iterator[str]:
    """A package may be named several times, each time for another Python or system."""
    for name, lines in pinned.items():
        versions = [version for version, _ in lines]
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            if not all(condition for _, condition in lines):
                yield f"{name} is missing"
            continue
        if found not in versions:
            yield f"{name} {found}, not {' or '.join(versions)}"


def folder(home: Path) -> Finding:
    """Whether the data folder can be written to, or made."""
    there = _nearest(home)
    if not there.is_dir():
        return error("MLTRADING_HOME", f"{there} is no folder", "name a folder")
    if not os.access(there, os.W_OK | os.X_OK):
        return error(
            "MLTRADING_HOME",
            f"{there} can not be written to by user {os.geteuid()}",
            "change its owner, or name another folder",
        )
    return ok("MLTRADING_HOME", f"{home}" if home.exists() else f"{home}, made when it is needed")


def disk(home: Path) -> Finding:
    usage = shutil.disk_usage(_nearest(home))
    share = usage.free / usage.total if usage.total else 0.0
    said = f"{usage.free / 1e9:.1f} GB free of {usage.total / 1e9:.1f} ({share:.0%})"
    make_room = f"make room on the disk of {home}"
    if usage.free < NO_BYTES:
        return error("disk", said, make_room)
    if share < LITTLE_SHARE or usage.free < LITTLE_BYTES:
        return warning("disk", said, make_room)
    return ok("disk", said)


def _nearest(path: Path) -> Path:
    """The path, or the closest of its parents that is there."""
    return next(one for one in (path, *path.parents) if one.exists())
