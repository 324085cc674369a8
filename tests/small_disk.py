"""A disk of a few megabytes, to be filled. Root may make one; so may CI by sudo."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A tmpfs at `folder` until the block ends. Skips where nobody may mount one: a limit of a
    process (ulimit -f) fails with another error than a full disk, so it would prove nothing."""
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    folder.mkdir()
    options = f"size={megabytes}m,mode=0755,uid={os.geteuid()},gid={os.getegid()}"
    command = [*sudo, "mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if shutil.which(command[0]) is None:
        pytest.skip("neither root nor sudo, so no disk can be mounted")
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        said = (made.stderr.strip() or "mount failed").splitlines()[0]
        pytest.skip(f"this machine lets nobody mount a small disk ({said})")
    try:
        yield folder
    finally:
        # Lazily: whatever still ends there keeps what it has open.
        subprocess.run([*sudo, "umount", "--lazy", str(folder)], check=True)


def fill(folder: Path, keep_bytes: int) -> Path:
    """A file that leaves so much of the disk free."""
    disk = os.statvfs(folder)
    filler = folder / f"filler-{keep_bytes}"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - keep_bytes)
    return filler
