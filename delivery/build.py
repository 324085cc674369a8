"""`python -m delivery build`: put a commit on staging. Does nothing where staging runs it already.

The archive is what git keeps of the commit and a file REVISION that names it, so that the running
application can say what it is; the same commit gives the same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import subprocess
from pathlib import Path

from delivery.errors import DeliveryError
from delivery.history import shown
from delivery.platforms import Delivery, delivery

REVISION = "REVISION"


def archive(repository: Path, commit: str) -> bytes:
    """The tar.gz of a commit; DeliveryError where git does not have it."""
    command = ["archive", "--format=tar", f"--add-virtual-file={REVISION}:{commit}\n", commit]
    return gzip.compress(git(repository, *command), compresslevel=6, mtime=0)


def resolved(repository: Path, name: str) -> str:
    """The whole id of the commit that a name (a branch, HEAD, a short id) stands for."""
    if name.startswith("-"):
        raise DeliveryError(f"{name!r} is no commit")
    found = git(repository, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    return found.decode().strip()


def build(world: Delivery, repository: Path, commit: str) -> None:
    """Staging runs the commit, its processes are up."""
    release = world.deployer.build(commit, archive(repository, commit))
    world.tell(f"staging runs {shown(release)}: {world.deployer.url('staging')}")


def git(repository: Path, *words: str) -> bytes:
    """What git prints; DeliveryError with its reason where it fails."""
    command = ["git", "-C", str(repository), *words]
    try:
        return subprocess.run(command, check=True, capture_output=True).stdout
    except FileNotFoundError:
        raise DeliveryError("git is not installed") from None
    except subprocess.CalledProcessError as error:
        said = re.sub(r"\s+", " ", error.stderr.decode("utf-8", "replace")).strip()
        raise DeliveryError(
            f"git {words[0]} of {words[-1]!r} failed in {repository}: {said or 'not known there'};"
            " is the checkout deep enough?"
        ) from None


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = "example: python -m delivery build --commit HEAD"
    parser.add_argument(
        "--commit",
        default=os.environ.get("GITHUB_SHA") or "HEAD",
        help="which commit (default GITHUB_SHA, else HEAD)",
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    repository = Path.cwd()
    build(delivery(os.environ), repository, resolved(repository, arguments.commit))
    return 0
